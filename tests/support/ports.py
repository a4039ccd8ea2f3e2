"""TCP ports for servers of tests.

The kernel gives outgoing connections a port of ip_local_port_range, also the one of a server that was stopped
and is to start there again. So ports are taken from outside of it; and a lock on each keeps other processes,
such as another worker of the same test run, from taking it as well.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

LOWEST, HIGHEST = 10_000, 65_535
LOCAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOCKS = Path(tempfile.gettempdir()) / f"cmpd-test-ports-{os.geteuid()}"

_held: dict[int, int] = {}
"""Descriptors of the locks, by port; they end with this process."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now, and that this process alone may use until
    it ends."""
    for port in candidates():
        if _claim(port):
            if _nobody_listens(port):
                return port
            release(port)
    raise AssertionError(f"all ports outside {LOCAL_RANGE} are taken")


def candidates() -> list[int]:
    """Ports that no outgoing connection gets, in an order of this call's own."""
    low, high = local_range()
    ports = [*range(LOWEST, min(low, HIGHEST + 1)), *range(max(high + 1, LOWEST), HIGHEST + 1)]
    assert ports, f"{LOCAL_RANGE} leaves no port of {LOWEST} to {HIGHEST} to tests: make it narrower"
    random.shuffle(ports)
    return ports


def local_range() -> tuple[int, int]:
    """First and last port that the kernel gives to outgoing connections; none where it does not say."""
    try:
        low, high = LOCAL_RANGE.read_text("ascii").split()
    except OSError:  # no Linux
        return HIGHEST + 1, HIGHEST
    return int(low), int(high)


def _claim(port: int) -> bool:
    """Lock the port for this process; whether nobody else, and nobody here, had it."""
    LOCKS.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(LOCKS / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _held[port] = descriptor
    return True


def release(port: int) -> None:
    """Leave a port to others."""
    os.close(_held.pop(port))


def _nobody_listens(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
