"""cmpd: a Certificate Management Protocol server (RFC 9810, RFC 9483) over HTTP (RFC 9811)."""

__version__ = "0.1.0"
