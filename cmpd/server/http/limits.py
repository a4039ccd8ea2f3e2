"""Bounds on what all connections of a process take together: their number, their requests, their time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from cmpd.networks import network_of

if TYPE_CHECKING:
    from cmpd.config import HTTPConfig

SWEEP = 0.5
"""Seconds between two looks at the deadlines. One timer serves all connections, which costs an idle one
nothing but its row."""
SPARE = 64
"""Connections above the bound that are told so; further ones are closed without a word."""


class Bounded(Protocol):
    """A connection, as far as its bounds are concerned."""

    peer: str
    """Address of the other side; empty on a Unix socket."""
    deadline: float
    """When `overdue` is due, on the loop's clock."""

    def overdue(self) -> None:
        """Its time is over."""

    def close_if_idle(self, now: float) -> None:
        """Close where no request is under way, nor likely to be; `now` is by the loop's clock."""

    def abort(self) -> None:
        """Close at once, whatever is under way."""


class Limits:
    """Counts connections and requests, and ends those whose time is over."""

    def __init__(self, config: HTTPConfig, trusted: Callable[[str], bool] = lambda peer: False) -> None:
        """`trusted`: whether an address is a reverse proxy's, which speaks for many peers."""
        self.config = config
        """May be replaced while it runs."""
        self._trusted = trusted
        self._connections: set[Bounded] = set()
        self._peers: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.requests = 0
        self.refused = 0
        """Connections and requests that got 503."""
        self.draining = False

    @property
    def connections(self) -> int:
        return len(self._connections)

    @property
    def flooded(self) -> bool:
        """Whether there are so many connections that not even a refusal is worth one."""
        return len(self._connections) > self.config.max_connections + SPARE

    def admit(self, connection: Bounded) -> str | None:
        """Count a new connection. Gives why it is refused, or None; it is to be released either way."""
        self._connections.add(connection)
        network = network_of(connection.peer)
        self._peers[network] += 1
        if self._timer is None:
            self._arm()
        if len(self._connections) > self.config.max_connections:
            self.refused += 1
            return "too many connections, try again"
        most = self.config.max_connections_per_peer
        if most and network and self._peers[network] > most and not self._trusted(connection.peer):
            self.refused += 1
            return "too many connections from this address, try again"
        return None

    def release(self, connection: Bounded) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        network = network_of(connection.peer)
        self._peers[network] -= 1
        if not self._peers[network]:
            del self._peers[network]

    def begin(self) -> bool:
        """Count a request; False where there are too many under way."""
        if self.requests >= self.config.max_requests:
            self.refused += 1
            return False
        self.requests += 1
        return True

    def end(self) -> None:
        self.requests -= 1

    def hold(self, task: asyncio.Task[None]) -> None:
        """Keep a request's task alive until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Close what is silent, let what is under way finish, within the configured bound."""
        self.draining = True
        loop = asyncio.get_running_loop()
        until = loop.time() + self.config.drain_timeout
        while self._connections and loop.time() < until:
            for connection in tuple(self._connections):
                connection.close_if_idle(loop.time())
            await asyncio.sleep(0.02)
        for connection in tuple(self._connections):
            connection.abort()
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for connection in [one for one in self._connections if one.deadline < now]:
            connection.overdue()
        if self._connections:
            self._arm()
