"""X.509 without a CA: what certificates are made of, whoever issues them."""
