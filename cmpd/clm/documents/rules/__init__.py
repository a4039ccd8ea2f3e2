"""The rules of a policy, one module for each part of a request they bind."""
