"""How many failures of unauthenticated peers are written to the audit.

Who has proved nothing can fail as often as the network carries it. Each failure in the audit would let
them fill the store's disk, and make each of theirs cost a commit. So a flood is sampled: the first
`BURST` failures are written down, then one every `INTERVAL` seconds, which says how many were left out.
Failures of those who proved who they are, and all acts, are written down always; but for what is refused
for lack of room (`cmpd.clm.entities.transaction_quota`), which is sampled with those.
"""

from __future__ import annotations

from collections.abc import Callable

BURST = 100
"""Failures written down at once, after a quiet time."""
INTERVAL = 2.0
"""Seconds after which one more may be: 43,200 a day and process at the most."""


class AuditRateLimit:
    """A token bucket for one process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds that never run backwards."""
        self._clock = clock
        self._tokens = float(BURST)
        self._filled = clock()
        self._left_out = 0

    def take(self) -> int | None:
        """How many failures were left out since the last one written, if this one is to be written;
        None: leave it out."""
        now = self._clock()
        self._tokens = min(float(BURST), self._tokens + (now - self._filled) / INTERVAL)
        self._filled = now
        if self._tokens < 1:
            self._left_out += 1
            return None
        self._tokens -= 1
        left_out, self._left_out = self._left_out, 0
        return left_out
