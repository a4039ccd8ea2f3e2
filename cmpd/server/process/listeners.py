"""Listening sockets."""

from __future__ import annotations

import errno
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cmpd.config import ConfigError, split_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmpd.config import Config
    from cmpd.server.process.systemd import InheritedSockets

BACKLOG = 1024


class ListenError(Exception):
    """An address cannot be listened at; one line that names it and the remedy."""


def listen(address: str, *, shared: bool = False) -> socket.socket:
    """A listening socket. `shared`: several processes listen at the address, and share its connections
    (SO_REUSEPORT). Raises ListenError, ConfigError."""
    host, port = split_address(address)
    try:
        if address.startswith("unix:"):
            return _listen_unix(host)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        raise ListenError(f"cannot listen at {address}: {_remedy(error, port)}") from None
    return listener


def _listen_unix(path: str) -> socket.socket:
    if Path(path).exists() and stat.S_ISSOCK(Path(path).stat().st_mode):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
            if probe.connect_ex(path) == 0:
                raise OSError(errno.EADDRINUSE, "in use")
        Path(path).unlink()  # left behind by a process that is gone
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.bind(path)
    listener.listen(BACKLOG)
    return listener


def _remedy(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE and not port:
        return "another process listens there"
    if error.errno == errno.EADDRINUSE:
        return f"the port is taken; `ss -ltnp 'sport = :{port}'` shows by whom"
    if error.errno == errno.EACCES:
        return "ports under 1024 take root or systemd's socket activation (cmpd.socket)"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address; `ip addr` shows those it has"
    return os.strerror(error.errno) if error.errno else str(error)


@dataclass(frozen=True, slots=True)
class WorkerSockets:
    """The listening sockets of one worker."""

    own: tuple[socket.socket, ...]
    """One for each [[listen]], in order."""
    admin: socket.socket | None
    """Of the admin listener, shared by all workers."""
    shared: bool = False
    """Whether the serving sockets are shared with all workers, too."""

    def close_own(self) -> None:
        """Let go of those that no other worker has."""
        for listener in self.own if not self.shared else ():
            if listener.family != socket.AF_UNIX:
                listener.close()


def open_sockets(config: Config, given: InheritedSockets) -> list[WorkerSockets]:
    """The sockets of every worker: those that systemd gave, or opened here.

    Raises ListenError; none stays open then. Raises ConfigError where systemd gave others than asked for.
    """
    opened: list[socket.socket] = []
    try:
        admin = given.admin
        if admin is None and config.admin.listen:
            admin = listen(config.admin.listen)
            opened.append(admin)
        if given.serving:
            if len(given.serving) != len(config.listen):
                raise ConfigError(
                    f"listen: {len(config.listen)} listeners are configured, and the socket unit has "
                    f"{len(given.serving)}; each [[listen]] requires one ListenStream=, in the same order"
                )
            return [WorkerSockets(tuple(given.serving), admin, shared=True)] * config.workers
        first = [listen(one.address) for one in config.listen]
        opened += first
        if config.workers == 1:
            return [WorkerSockets(tuple(first), admin)]
        return _shared_sockets(config, first, admin, opened)
    except (ListenError, ConfigError):
        for listener in opened:
            listener.close()
        raise


def _shared_sockets(
    config: Config, first: Sequence[socket.socket], admin: socket.socket | None, opened: list[socket.socket]
) -> list[WorkerSockets]:
    """A socket for each worker at each port. `first` has shown that nobody else is there, which sockets
    that share a port would not; it makes room, and tells the port where the system was to choose one."""
    ports = [listener.getsockname()[1] if listener.family != socket.AF_UNIX else 0 for listener in first]
    for listener in first:
        if listener.family != socket.AF_UNIX:
            listener.close()
    workers = []
    for _ in range(config.workers):
        own = []
        for one, port, before in zip(config.listen, ports, first, strict=True):
            if before.family == socket.AF_UNIX:
                own.append(before)
            else:
                host = one.address.rpartition(":")[0]
                own.append(listen(f"{host}:{port}", shared=True))
                opened.append(own[-1])
        workers.append(WorkerSockets(tuple(own), admin))
    return workers
