"""The whole product: real traces into a real server, right answers out."""
