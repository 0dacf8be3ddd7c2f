"""What the running service tells its operators: metrics under Tempo's names, and traces of its own."""
