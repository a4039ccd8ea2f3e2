"""Slowing down who guesses secrets: after a few failures each next try waits longer, up to a cap.

Failures are counted per end entity and per peer address, in bounded space. A peer that has proved an
entity's secret before is judged by its own failures alone: neither a stranger who guesses at the entity
from elsewhere, nor a misconfigured neighbour behind the same address, locks it out. Everybody else waits
`CAP` seconds at the most.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

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

    def wait(self, entity: str, peer: str) -> int:
        """Whole seconds until `peer` may try again to speak for `entity`; 0: now."""
        now = self._clock()
        pair = _pair(entity, peer)
        keys = (pair,) if pair in self._proved else (f"entity {entity}", f"peer {peer}")
        return max(self._remaining(key, now) for key in keys)

    def failed(self, entity: str, peer: str) -> None:
        now = self._clock()
        for key in (_pair(entity, peer), f"entity {entity}", f"peer {peer}"):
            known = self._failures.pop(key, None)
            if known is None or now - known.last > FORGET:
                known = _Failures(0, now)
            known.count += 1
            known.last = now
            self._failures[key] = known
        while len(self._failures) > MOST:
            self._failures.popitem(last=False)

    def succeeded(self, entity: str, peer: str) -> None:
        pair = _pair(entity, peer)
        if self._failures:
            for key in (pair, f"entity {entity}", f"peer {peer}"):
                self._failures.pop(key, None)
        self._proved.pop(pair, None)
        self._proved[pair] = None
        if len(self._proved) > MOST:
            self._proved.popitem(last=False)

    def _remaining(self, key: str, now: float) -> int:
        known = self._failures.get(key)
        if known is None or known.count <= FREE:
            return 0
        delay = min(CAP, 1 << min(known.count - FREE - 1, 16))
        remaining = known.last + delay - now
        return int(remaining) + 1 if remaining > 0 else 0


def _pair(entity: str, peer: str) -> str:
    return f"entity {entity} from {peer}"
