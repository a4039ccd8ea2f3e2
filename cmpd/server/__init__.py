"""The outside: sockets, HTTP, TLS, processes, signals, systemd, logs. What CMP means is not known here."""
