"""systemd's two protocols: what a service says over the notify socket, and the listening sockets it is
handed (sd_notify(3), sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass

from cmpd.config import ConfigError

FIRST_FD = 3
ADMIN = "admin"
"""FileDescriptorName= of the socket that is the admin listener; the others are [[listen]], in order."""


class StatusNotifier:
    """Tells systemd how the service is; says nothing where nobody listens."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]
        self.interval = _watchdog_interval()
        """Seconds between two signs of life, half of what systemd waits for; None where it does not."""

    def ready(self, status: str) -> None:
        """It serves."""
        self._say("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is read again; `ready` follows."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It finishes what is under way."""
        self._say("STOPPING=1", "STATUS=finishing what is under way")

    def alive(self) -> None:
        """A sign of life for the watchdog."""
        self._say("WATCHDOG=1")

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            try:
                channel.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                return  # a supervisor that went away is no reason to stop serving


def _watchdog_interval() -> float | None:
    microseconds = os.environ.pop("WATCHDOG_USEC", "")
    meant = os.environ.pop("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or (meant and meant != str(os.getpid())):
        return None
    return int(microseconds) / 2_000_000


@dataclass(frozen=True, slots=True)
class InheritedSockets:
    """The listening sockets that came from systemd."""

    serving: list[socket.socket]
    admin: socket.socket | None


def listen_fds() -> InheritedSockets:
    """The sockets systemd opened for this process, in the unit's order. Raises ConfigError."""
    meant = os.environ.pop("LISTEN_PID", "")
    count = os.environ.pop("LISTEN_FDS", "0")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    given = InheritedSockets([], None)
    if meant != str(os.getpid()) or not count.isdecimal():
        return given
    for number in range(int(count)):
        fd = FIRST_FD + number
        os.set_inheritable(fd, False)
        listener = socket.socket(fileno=fd)
        if listener.type != socket.SOCK_STREAM:
            raise ConfigError(f"socket unit: socket {number + 1} is not ListenStream=")
        if number < len(names) and names[number] == ADMIN:
            given = InheritedSockets(given.serving, listener)
        else:
            given.serving.append(listener)
    return given
