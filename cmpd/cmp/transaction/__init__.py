"""One message of a transaction and its response: what may come, what is kept, what answers."""
