"""Addresses of peers, as they are counted: a leaf."""

from __future__ import annotations

import ipaddress


def network_of(peer: str) -> str:
    """What counts as one peer: an IPv4 address, or the /64 an IPv6 host takes its addresses from. What is
    no address, as a proxy may report it, stands for itself."""
    if ":" not in peer:
        return peer
    try:
        address = ipaddress.IPv6Address(peer.partition("%")[0])
    except ValueError:
        return peer
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(address) >> 64 << 64))
