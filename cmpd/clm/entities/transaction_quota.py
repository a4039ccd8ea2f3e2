"""Room for transactions: how many are remembered, as far as a process knows, and whether one more may begin.

What was answered is remembered for a day, or a replay would issue again: so nothing is forgotten early, and
what is bounded is what begins. A store that is full of transactions takes no more, and no single party can
fill it.

Requests ask what is in memory alone. Every few seconds, off their way, the process looks at the store: the
span of row numbers says in no time how many there are at most, and only where that would be too many are
they counted. Who has begun them is counted from a half of what one party may have; below, nobody can have
too many. Between two looks each process adds what it begins itself. Others' transactions are thus seen
seconds later, and the bounds are kept to within what the processes begin meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cmpd.clm.store.base import Store

INTERVAL = 5.0
"""Seconds between two looks at the store."""
RECOUNT = 60.0
"""Seconds after which a store that seems full is counted again."""
RETALLY = 600.0
"""Seconds after which it is counted anew who has begun them: by then many may be forgotten."""
MOST_PARTIES = 10_000
"""Parties whose transactions are counted. With more, each seems to have as many fewer as the whole has for
each of these parties (the count of Misra and Gries)."""

FULL = "the server remembers as many transactions as it may"
TOO_MANY = "too many transactions were begun for the same end entity or certificate"


class Tally:
    """Who has begun how many of the transactions up to a row number, in bounded memory."""

    def __init__(self) -> None:
        self.upto = 0
        self._counts: Counter[str] = Counter()

    def of(self, party: str) -> int:
        return self._counts.get(party, 0)

    def add(self, found: Mapping[str, int]) -> None:
        self._counts.update(found)
        if len(self._counts) > 2 * MOST_PARTIES:
            least = sorted(self._counts.values())[-MOST_PARTIES]
            self._counts = Counter(
                {party: count - least for party, count in self._counts.items() if count > least}
            )


class TransactionQuota:
    """What one process knows of the transactions in the store."""

    def __init__(self, store: Store, steady: Callable[[], float] = time.monotonic) -> None:
        """`steady`: seconds that never run backwards."""
        self._store = store
        self._steady = steady
        self._stored = 0
        """How many there were at the last look, at most."""
        self._begun = 0
        """How many this process began since; by party in the two below."""
        self._begun_by: Counter[str] = Counter()
        self._looked_for: Counter[str] = Counter()
        """Those that the look under way finds in the store."""
        self._counted: tuple[float, int, int] | None = None
        """When they were counted last, how many there were, and the highest row number then."""
        self._tally = Tally()
        self._tallied = 0.0

    @property
    def remembered(self) -> int:
        """How many transactions are remembered, at most."""
        return self._stored + self._begun

    def lacking(self, party: str, most: int, per_party: int) -> str | None:
        """Why none may begin, in words; None where one may. A bound of 0 is none."""
        if most and self._stored + self._begun >= most:
            return FULL
        if per_party and self._held_by(party) >= per_party:
            return TOO_MANY
        return None

    def begin(self, party: str) -> None:
        """Count one that is about to be committed."""
        self._begun += 1
        self._begun_by[party] += 1

    async def look(self, most: int, per_party: int) -> None:
        """See what the store holds by now. Raises StoreError; what was known before holds on then."""
        self._looked_for += self._begun_by
        self._begun_by = Counter()
        begun = self._begun
        lowest, highest = await self._store.transaction_numbers()
        self._stored = await self._at_most(lowest, highest, most)
        self._begun -= begun
        self._tally = await self._tally_up_to(highest, per_party)
        self._looked_for = Counter()

    def _held_by(self, party: str) -> int:
        return self._tally.of(party) + self._begun_by.get(party, 0) + self._looked_for.get(party, 0)

    async def _at_most(self, lowest: int, highest: int, most: int) -> int:
        """How many there are, at most: as many as there are row numbers from the lowest to the highest, or,
        since they were counted, as many as there were then and as numbers were given since."""
        span = highest - lowest + 1
        if not most or span < most:
            return span
        now = self._steady()
        if self._counted is None or now - self._counted[0] >= RECOUNT:
            self._counted = now, await self._store.count_remembered(), highest
        _, count, number = self._counted
        return min(span, count + max(0, highest - number))

    async def _tally_up_to(self, highest: int, per_party: int) -> Tally:
        """Who has begun them, where somebody may have begun too many."""
        if not per_party or self._stored <= per_party // 2:
            return Tally()
        now, tally = self._steady(), self._tally
        if tally.upto == 0 or tally.upto > highest or now - self._tallied >= RETALLY:
            self._tallied, tally = now, Tally()
        while tally.upto < highest:
            found, upto = await self._store.transactions_by_party(tally.upto)
            if not found:
                break
            tally.add(found)
            tally.upto = upto
            await asyncio.sleep(0)
        return tally
