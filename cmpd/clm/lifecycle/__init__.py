"""What operators and time do to CAs, certificates and requests."""
