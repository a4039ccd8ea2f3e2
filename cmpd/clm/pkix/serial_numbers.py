"""Serial numbers of certificates (RFC 5280, section 4.1.2.2)."""

from __future__ import annotations

from collections.abc import Callable

Random = Callable[[int], bytes]
"""That many random octets."""


def new_serial(random: Random) -> int:
    """A serial number: random, positive, at most 20 octets (RFC 5280, section 4.1.2.2)."""
    while not (serial := int.from_bytes(random(20), "big") >> 1):
        continue
    return serial
