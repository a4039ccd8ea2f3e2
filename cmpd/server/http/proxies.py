"""Whose word about a client's address is believed (X-Forwarded-For)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from cmpd.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmpd.server.http.semantics import HTTPRequest


UNIX = "unix"
"""In the configuration: whoever comes over a Unix socket."""

FORWARDED = frozenset((b"x-forwarded-for", b"x-forwarded-proto", b"forwarded", b"via"))
"""What a proxy adds to show that it is one (RFC 7239; RFC 9110, section 7.6.3)."""


class Proxies:
    """The reverse proxies that are trusted."""

    def __init__(self, networks: Sequence[str]) -> None:
        """Raises ConfigError for what is no address or network."""
        self._unix = UNIX in networks
        try:
            self._networks = [ipaddress.ip_network(one) for one in networks if one != UNIX]
        except ValueError as error:
            raise ConfigError(f"http.trusted_proxies: {error}") from None

    def client_of(self, request: HTTPRequest) -> str:
        """The address a request comes from: the last one in X-Forwarded-For that is no trusted proxy's."""
        peer = request.peer
        if not self.trusts(peer):
            return peer
        for hop in reversed(request.listed(b"x-forwarded-for")):
            peer = _without_port(hop.decode("latin-1"))
            if not self.trusts(peer):
                break
        return peer[:64]

    def is_secure(self, request: HTTPRequest) -> bool:
        """Whether nobody could read along: what a trusted proxy says of its client, or what is seen here.
        Of what another proxy forwards, one on this machine, too, nothing is known."""
        if self.trusts(request.peer):
            return [one.lower() for one in request.listed(b"x-forwarded-proto")][-1:] == [b"https"]
        return request.secure and not any(name in FORWARDED for name, _ in request.headers)

    def trusts(self, address: str) -> bool:
        """Whether the address is a trusted proxy's; an empty one is a Unix socket's other side."""
        if not address:
            return self._unix
        if not self._networks:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def _without_port(hop: str) -> str:
    """The address alone, where a proxy adds the client's port: with it each connection would be another
    client, whose failures count anew."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
