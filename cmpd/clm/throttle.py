"""Slowing down who guesses secrets: after a few failures each next try waits longer, up to a cap.

Failures are counted per end entity and per peer address, in bounded space. A peer that has proved an
entity's secret before is judged by its own failures alone: neither a stranger who guesses at the entity
from elsewhere, nor a misconfigured neighbour behind the same address, locks it out. A peer that has not,
and meets a stranger's failures, is told to wait once, and then has its turn however often the stranger
fails meanwhile. Nobody is told to wait longer than `CAP` seconds.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

FREE = 5
"""Failures that cost nothing: people mistype, devices are configured wrong."""
CAP = 60
"""The longest wait, in seconds."""
FORGET = 3600
"""A key without failures for so many seconds is forgotten."""
MOST = 10_000
"""Keys remembered; the one that failed longest ago goes first."""


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class Throttle:
    """Counts failures to prove a secret, and says who has to wait."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds that never run backwards."""
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._proved: OrderedDict[str, None] = OrderedDict()
        self._turns: OrderedDict[str, float] = OrderedDict()
        """Pairs told to wait for what others failed at → when each may try."""

    def wait(self, entity: str, peer: str) -> int:
        """Whole seconds until `peer` may try again to speak for `entity`; 0: now."""
        now = self._clock()
        pair = _pair(entity, peer)
        own = self._remaining(pair, now)
        if pair in self._proved:
            return own
        others = self._turn(pair, self._remaining(f"entity {entity}", now), now)
        return max(own, others, self._remaining(f"peer {network_of(peer)}", now))

    def failed(self, entity: str, peer: str) -> None:
        now = self._clock()
        for key in _keys(entity, peer):
            known = self._failures.pop(key, None)
            if known is None or now - known.last > FORGET:
                known = _Failures(0, now)
            known.count += 1
            known.last = now
            self._failures[key] = known
        self._turns.pop(_pair(entity, peer), None)
        while len(self._failures) > MOST:
            self._failures.popitem(last=False)

    def succeeded(self, entity: str, peer: str) -> None:
        pair = _pair(entity, peer)
        if self._failures:
            for key in _keys(entity, peer):
                self._failures.pop(key, None)
            self._turns.pop(pair, None)
        self._proved.pop(pair, None)
        self._proved[pair] = None
        if len(self._proved) > MOST:
            self._proved.popitem(last=False)

    def _turn(self, pair: str, remaining: int, now: float) -> int:
        """Seconds until the pair's turn. `remaining`: what the entity's last failure would make it wait."""
        if not remaining:
            self._turns.pop(pair, None)
            return 0
        due = self._turns.setdefault(pair, now + remaining)
        if len(self._turns) > MOST:
            self._turns.popitem(last=False)
        return _seconds(due - now)

    def _remaining(self, key: str, now: float) -> int:
        known = self._failures.get(key)
        if known is None or known.count <= FREE:
            return 0
        delay = min(CAP, 1 << min(known.count - FREE - 1, 16))
        return _seconds(known.last + delay - now)


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


def _keys(entity: str, peer: str) -> tuple[str, str, str]:
    return _pair(entity, peer), f"entity {entity}", f"peer {network_of(peer)}"


def _pair(entity: str, peer: str) -> str:
    return f"entity {entity} from {network_of(peer)}"


def _seconds(remaining: float) -> int:
    """Whole seconds, rounded up."""
    return ceil(remaining) if remaining > 0 else 0
