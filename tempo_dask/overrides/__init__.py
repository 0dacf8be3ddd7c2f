"""What holds for a tenant: what the operator's file says, and what its users have set through the API."""
