"""Certificates from requests: what a policy and a template allow of a request, and who signs it."""
