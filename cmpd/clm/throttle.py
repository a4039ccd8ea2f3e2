"""Slowing down who guesses secrets: after a few failures each next try waits longer, up to a cap.

Counted per end entity and per peer address, in bounded space. The cap keeps a stranger from locking an
honest device out for good: it waits `CAP` seconds at the most, and one success clears its count.
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
    """Failure counts by key, such as ``entity:<id>`` and ``peer:<address>``."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds that never run backwards."""
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, *keys: str) -> int:
        """Whole seconds until another try is looked at; 0: now."""
        now = self._clock()
        return max((self._remaining(key, now) for key in keys), default=0)

    def failed(self, *keys: str) -> None:
        now = self._clock()
        for key in keys:
            known = self._failures.pop(key, None)
            if known is None or now - known.last > FORGET:
                known = _Failures(0, now)
            known.count += 1
            known.last = now
            self._failures[key] = known
        while len(self._failures) > MOST:
            self._failures.popitem(last=False)

    def succeeded(self, *keys: str) -> None:
        for key in keys:
            self._failures.pop(key, None)

    def _remaining(self, key: str, now: float) -> int:
        known = self._failures.get(key)
        if known is None or known.count <= FREE:
            return 0
        delay = min(CAP, 1 << min(known.count - FREE - 1, 16))
        remaining = known.last + delay - now
        return int(remaining) + 1 if remaining > 0 else 0
