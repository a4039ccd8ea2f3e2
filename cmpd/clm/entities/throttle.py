"""Slowing down who guesses secrets: after a few failures each next try waits longer, up to a cap.

Failures are counted per end entity and per peer address, in bounded space. A peer that has proved an entity's
secret before is judged by its own failures alone: neither an unauthenticated peer who guesses at the entity
from elsewhere, nor a misconfigured neighbour behind the same address, locks it out. A peer that has not, and
meets the failures of unauthenticated peers, is told to wait once, and then has its turn however often they
fails meanwhile. Nobody is told to wait longer than `CAP` seconds.

One process's throttle is here; what it tells those of others, and is told, passes through
`attempts`. Keys are digests, so that what an unauthenticated peer sends takes no more memory than any other.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil
from typing import Any

from cmpd.clm.model import FailedAttempts
from cmpd.networks import network_of

FREE = 5
"""Failures that cost nothing: people mistype, devices are configured wrong."""
CAP = 60
"""The longest wait, in seconds."""
FORGET = 3600
"""A key without failures for so many seconds is forgotten."""
MOST = 10_000
"""Keys remembered; the one that failed longest ago goes first."""
MOST_TURNS = 100_000
"""Turns remembered, 23 MB: more pairs than a process can tell to wait within `CAP`, so that a flood
from many addresses takes no turn from a device that waits for it."""
SPARED = 16
"""How many keys that are being slowed down are passed over, in search of one to forget that is not."""
_KEY_OCTETS = 16


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


@dataclass(slots=True)
class _UnsharedFailures:
    """What changed of a key since other processes were told."""

    failures: int = 0
    proved: bool = False


class Throttle:
    """Counts failures to prove a secret, and says who has to wait."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds that never run backwards."""
        self._clock = clock
        self._failures: OrderedDict[bytes, _Failures] = OrderedDict()
        self._proved: OrderedDict[bytes, None] = OrderedDict()
        self._turns: OrderedDict[bytes, float] = OrderedDict()
        """Pairs told to wait for what others failed at → when each may try."""
        self._untold: OrderedDict[bytes, _UnsharedFailures] = OrderedDict()
        self.failures = 0
        """How many there were, in this process, since it began."""

    def wait(self, entity: str, peer: str) -> int:
        """Whole seconds until `peer` may try again to speak for `entity`; 0: now."""
        if not self._failures:
            return 0
        now = self._clock()
        pair = _pair(entity, peer)
        own = self._remaining(pair, now)
        if pair in self._proved:
            return own
        others = self._turn(pair, self._remaining(_entity(entity), now), now)
        return max(own, others, self._remaining(_peer(peer), now))

    def failed(self, entity: str, peer: str) -> None:
        now = self._clock()
        self.failures += 1
        for key in _keys(entity, peer):
            known = self._failures.pop(key, None)
            if known is None or now - known.last > FORGET:
                known = _Failures(0, now)
            known.count += 1
            known.last = now
            self._failures[key] = known
            self._to_tell(key).failures += 1
        self._turns.pop(_pair(entity, peer), None)
        while len(self._failures) > MOST:
            self._forget_one(now)

    def succeeded(self, entity: str, peer: str) -> None:
        """Forgive what the peer and the entity failed at. Others are told only where that mattered: of
        the usual success, which meets no failures, they learn nothing, and nothing is written."""
        pair = _pair(entity, peer)
        if self._failures:
            self._forgive(entity, peer, pair)
        self._prove(pair)

    def untold(self, most: int) -> list[FailedAttempts]:
        """What others are to be told, at most of so many keys; those that matter most first. It counts as
        told from now on: give it back to `not_told` where it was not. Times are those of the clock."""
        now = self._clock()
        keys = heapq.nlargest(most, self._untold, key=self._weight)
        told = []
        for key in keys:
            change, known = self._untold.pop(key), self._failures.get(key)
            last = known.last if known else now
            told.append(FailedAttempts(key, change.failures, last, self._turns.get(key), change.proved))
        return told

    def not_told(self, told: Iterable[FailedAttempts]) -> None:
        """What `untold` gave could not be told, and is to be told with what came since."""
        for one in told:
            change = self._to_tell(one.key)
            change.failures += one.failures
            change.proved = change.proved or one.proved

    def hear(self, heard: Iterable[FailedAttempts]) -> None:
        """Take up what all processes together know of some keys; what they were not told yet is added.
        Times are those of the clock; none later than now, or, of turns, than `CAP`, is believed."""
        now = self._clock()
        for one in heard:
            change, known = self._untold.get(one.key), self._failures.pop(one.key, None)
            count = max(0, one.failures + (change.failures if change else 0))
            last = min(now, max(one.last, known.last) if known and change else one.last)
            if count and now - last <= FORGET:
                self._failures[one.key] = _Failures(count, last)
                if len(self._failures) > MOST:
                    self._forget_one(now)
            if one.proved:
                self._prove(one.key)
            if change is None:
                self._take_turn(one.key, one.turn, now)

    def _take_turn(self, pair: bytes, due: float | None, now: float) -> None:
        if due is None:
            self._turns.pop(pair, None)
        else:
            self._turns[pair] = min(due, now + CAP)
            _bound(self._turns, MOST_TURNS)

    def _forgive(self, entity: str, peer: str, pair: bytes) -> None:
        mattered = self._turns.pop(pair, None) is not None
        for key in _keys(entity, peer):
            known = self._failures.pop(key, None)
            if known is not None:
                self._to_tell(key).failures -= known.count
                mattered = True
        if mattered:
            self._to_tell(pair).proved = True

    def _prove(self, pair: bytes) -> None:
        self._proved.pop(pair, None)
        self._proved[pair] = None
        _bound(self._proved)

    def _turn(self, pair: bytes, remaining: int, now: float) -> int:
        """Seconds until the pair's turn. `remaining`: what the entity's last failure would make it wait."""
        if not remaining:
            self._turns.pop(pair, None)
            return 0
        due = self._turns.get(pair)
        if due is None:
            due = self._turns[pair] = now + remaining
            _bound(self._turns, MOST_TURNS)
            self._to_tell(pair)
        return _seconds(due - now)

    def _to_tell(self, key: bytes) -> _UnsharedFailures:
        change = self._untold.setdefault(key, _UnsharedFailures())
        _bound(self._untold)
        return change

    def _weight(self, key: bytes) -> tuple[bool, int]:
        """What matters most to others: who has proved the secret, then what is guessed at most; a turn is
        worth as much as the first failure that is slowed down."""
        known = self._failures.get(key)
        return self._untold[key].proved, known.count if known else FREE + 1

    def _forget_one(self, now: float) -> None:
        for _ in range(SPARED):
            key, known = self._failures.popitem(last=False)
            if known.count <= FREE or now - known.last > CAP:
                return
            self._failures[key] = known
        self._failures.popitem(last=False)

    def _remaining(self, key: bytes, now: float) -> int:
        known = self._failures.get(key)
        if known is None or known.count <= FREE:
            return 0
        delay = min(CAP, 1 << min(known.count - FREE - 1, 16))
        return _seconds(known.last + delay - now)


def _keys(entity: str, peer: str) -> tuple[bytes, bytes, bytes]:
    return _pair(entity, peer), _entity(entity), _peer(peer)


def _pair(entity: str, peer: str) -> bytes:
    return _digest(f"entity {entity} from {network_of(peer)}")


def _entity(entity: str) -> bytes:
    return _digest(f"entity {entity}")


def _peer(peer: str) -> bytes:
    return _digest(f"peer {network_of(peer)}")


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY_OCTETS).digest()


def _bound(remembered: OrderedDict[bytes, Any], most: int = MOST) -> None:
    if len(remembered) > most:
        remembered.popitem(last=False)


def _seconds(remaining: float) -> int:
    """Whole seconds, rounded up."""
    return ceil(remaining) if remaining > 0 else 0
