"""Octets of every kind against the responder, and an oracle that judges its answers."""
