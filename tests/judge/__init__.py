"""An independent judge of who gets what: worlds, requests, and an oracle that knows the promises alone."""
