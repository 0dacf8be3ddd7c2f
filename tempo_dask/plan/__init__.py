"""What a query computes, before anything is known of columns: stages over spansets, and what becomes of the result."""
