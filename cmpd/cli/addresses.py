"""The server's address as others have to write it: in certificates, in a device's command line, here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cmpd.cli.common import CommandError
from cmpd.config import split_address

if TYPE_CHECKING:
    from cmpd.config import Config, ListenConfig

ANY = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - what is listened at
"""Hosts that stand for every address of a machine → the loopback address among them."""


def base_url(config: Config) -> str:
    """What the addresses in certificates begin with, by the first listener. Raises CommandError where its
    address says nothing to others: certificates would name it for years."""
    first = config.listen[0]
    host, _ = split_address(first.address)
    if host in ANY or first.address.startswith("unix:"):
        raise CommandError(
            f"{first.address} tells nobody where this server is, and certificates are to name it: "
            "add --url http://HOST:PORT, as devices and verifiers reach it",
            os.EX_USAGE,
        )
    return f"{_scheme(first)}://{first.address}"


def local_url(config: Config) -> str:
    """Where the first listener that has a port answers on this machine. Raises CommandError."""
    for one in config.listen:
        if not one.address.startswith("unix:"):
            host, port = split_address(one.address)
            shown = one.address.removesuffix(f":{port}")
            return f"{_scheme(one)}://{ANY.get(host, shown)}:{port}"
    raise CommandError("the configuration has no listener with a port; name the server's URL", os.EX_USAGE)


def _scheme(listener: ListenConfig) -> str:
    return "https" if listener.tls_certificate is not None else "http"


def for_devices(address: str) -> str:
    """host:port of a listener, for a device's command line; this machine's name stands for any address."""
    import socket

    host, port = split_address(address)
    return f"{socket.gethostname()}:{port}" if host in ANY else address
