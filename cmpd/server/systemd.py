"""systemd's two protocols: readiness over the notify socket, and sockets it hands over
(sd_notify(3), sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket

FIRST_FD = 3


def notify(*lines: str) -> None:
    """Tell systemd, such as ``READY=1``; nothing where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto("\n".join(lines).encode(), address)
        except OSError:
            return  # a supervisor that went away is no reason to stop serving


def watchdog_interval() -> float | None:
    """Seconds between two signs of life, half of what systemd waits for; None where it does not."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    meant = os.environ.get("WATCHDOG_PID")
    if not microseconds.isdecimal() or (meant and int(meant) != os.getpid()):
        return None
    return int(microseconds) / 2_000_000


def listen_fds() -> list[socket.socket]:
    """The listening sockets systemd opened, in the unit's order."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    return [socket.socket(fileno=fd) for fd in range(FIRST_FD, FIRST_FD + count)]
