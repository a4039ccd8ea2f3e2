"""The process: its sockets, its workers, what it asks of the system, and what it tells of itself."""
