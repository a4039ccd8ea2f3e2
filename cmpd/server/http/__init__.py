"""HTTP: from a connection's octets to a CMP exchange or a published file, and back."""
