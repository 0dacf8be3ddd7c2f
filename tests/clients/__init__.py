"""Clients that are not ours send into a real server, each in a process of its own, and what they made comes back."""
