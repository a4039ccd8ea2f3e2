"""The Certificate Management Protocol without I/O: a message and its context in, a message out."""
