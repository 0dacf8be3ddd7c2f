"""A block: immutable files that hold sorted spans. `storage/FORMAT.md` specifies them."""
