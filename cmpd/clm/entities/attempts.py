"""Failed attempts to prove a secret, shared by all processes of all nodes, and kept across restarts.

A failure is counted in memory at once (`throttle`). Once a second, off the way of requests, each
process writes what it has counted to a small table of the store, and reads what the others wrote: where
nobody fails, that is one read. In a flood it writes at most `MOST_TOLD` rows in a second, and `LASTING` when
it goes on, those that matter most; the rest stays its own. Where the store does not answer, each process
goes on by what it knows, and tells the others later.

A process is thus behind the others by two seconds at most: so long may a guesser at N processes have as
many tries as at N servers, and then no more.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from cmpd.clm.entities.throttle import FORGET
from cmpd.clm.store.base import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmpd.clm.entities.throttle import Throttle
    from cmpd.clm.model import FailedAttempts
    from cmpd.clm.store.base import Store

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two exchanges."""
LAST_WORDS = 1.0
"""Seconds that a stop has for what is untold."""
MOST_TOLD = 100
"""Keys written in one exchange: 4 ms of work."""
BURST = 500
"""Keys that may be written at that pace, after a quiet time."""
LASTING = 5
"""Keys written in one exchange of a flood that lasts: 36 KB on the disk, where 100 are 400 KB, which would
wear out a gateway's flash."""


class Attempts:
    """Tells the throttles of other processes what one has counted, and it what they have."""

    def __init__(
        self,
        store: Store,
        throttle: Throttle,
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        """`clock`: seconds since the epoch; `steady`: the throttle's clock."""
        self._store = store
        self._throttle = throttle
        self._clock = clock
        self._steady = steady
        self._heard = 0
        self._room = BURST
        """How many keys may be written now."""

    async def run(self) -> None:
        """Exchange until cancelled."""
        while True:
            await self.exchange()
            await asyncio.sleep(INTERVAL)

    async def exchange(self) -> None:
        """Tell and hear once; a store that fails is asked again the next time."""
        try:
            await self._tell()
            await self._hear()
        except StoreError as error:
            log.debug("failed attempts stay untold: %s", error)

    async def finish(self) -> None:
        """Tell what is untold, at a stop, which must not wait for a store that is away."""
        try:
            async with asyncio.timeout(LAST_WORDS):
                await self._tell()
        except (StoreError, TimeoutError) as error:
            log.debug("failed attempts stay untold: %s", error)

    async def _tell(self) -> None:
        self._room = min(BURST, self._room + LASTING)
        told = self._throttle.untold(min(MOST_TOLD, self._room))
        if not told:
            return
        self._room -= len(told)
        now, steady = self._clock(), self._steady()
        try:
            await self._store.note_attempts([_moved(one, now - steady) for one in told], now - FORGET)
        except BaseException:
            self._throttle.not_told(told)
            raise

    async def _hear(self) -> None:
        heard, self._heard = await self._store.attempts(self._heard)
        ahead = self._steady() - self._clock()
        self._throttle.hear(_moved(one, ahead) for one in heard)


def _moved(one: FailedAttempts, seconds: float) -> FailedAttempts:
    """From one clock to the other."""
    return replace(one, last=one.last + seconds, turn=None if one.turn is None else one.turn + seconds)
