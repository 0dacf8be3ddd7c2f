"""The configuration: Tempo's keys and defaults, section by section."""
