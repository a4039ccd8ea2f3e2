"""Listening sockets, and TLS on them."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from cmpd.config import ConfigError, ListenConfig, split_address

if TYPE_CHECKING:
    from collections.abc import Sequence

BACKLOG = 1024
MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


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
        Path(path).unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.bind(path)
    listener.listen(BACKLOG)
    return listener


def _remedy(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"the port is taken; `ss -ltnp 'sport = :{port}'` shows by whom"
    if error.errno == errno.EACCES:
        return "ports under 1024 take root or systemd's socket activation (cmpd.socket)"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address; `ip addr` shows those it has"
    return os.strerror(error.errno) if error.errno else str(error)


def tls_context(config: ListenConfig) -> ssl.SSLContext | None:
    """The TLS settings of a listener; None where it speaks plain HTTP. Raises ConfigError."""
    if config.tls_certificate is None or config.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = MINIMUM[config.tls_minimum]
    load_certificate(context, config)
    if config.tls_client_ca is not None:
        try:
            context.load_verify_locations(config.tls_client_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"listen.tls_client_ca: {config.tls_client_ca}: {error}") from None
        context.verify_mode = ssl.CERT_REQUIRED if config.tls_client_required else ssl.CERT_OPTIONAL
    return context


def load_certificate(context: ssl.SSLContext, config: ListenConfig) -> None:
    """Read certificate and key again; connections from now on use them. Raises ConfigError."""
    if config.tls_certificate is None or config.tls_key is None:
        return
    try:
        mode = config.tls_key.stat().st_mode
        if mode & 0o077:
            raise ConfigError(
                f"listen.tls_key: {config.tls_key} can be read by others (mode {stat.S_IMODE(mode):04o}); "
                f"`chmod 600 {config.tls_key}`"
            )
        context.load_cert_chain(config.tls_certificate, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"listen.tls_certificate, listen.tls_key: {config.tls_certificate}: {error}"
        ) from None


def open_all(configs: Sequence[ListenConfig], *, shared: bool) -> list[socket.socket]:
    """A socket a listener, in order. Raises ListenError; none stays open then."""
    opened: list[socket.socket] = []
    try:
        for config in configs:
            opened.append(listen(config.address, shared=shared))  # noqa: PERF401 - closed below where one fails
    except ListenError:
        for listener in opened:
            listener.close()
        raise
    return opened
