"""The client side of CMP, which knows nothing of how a server works."""
