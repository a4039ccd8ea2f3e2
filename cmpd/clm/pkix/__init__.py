"""X.509 without a CA: names, and how they compare."""
