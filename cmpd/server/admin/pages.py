"""The listener for operators: health, readiness, metrics, and what the workers are at."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cmpd.clm.secrets import SecretError
from cmpd.clm.store.base import StoreError
from cmpd.server.admin.metrics import Metrics, MetricsUnavailable, State, read_state
from cmpd.server.http.semantics import HTTPRequest, HTTPResponse, plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cmpd.clm.client import Client
    from cmpd.config import Config
    from cmpd.server.admin.readiness import Readiness
    from cmpd.server.admin.scoreboard import Scoreboard

NO_STORE = (b"cache-control", b"no-store")
PATIENCE = 3.0
"""Seconds that metrics wait for the store; without it they say what they know."""


class Admin:
    """Answers operators and their tools."""

    def __init__(
        self,
        config: Callable[[], Config],
        client: Client,
        readiness: Readiness,
        metrics: Metrics | MetricsUnavailable,
        scoreboard: Scoreboard,
    ) -> None:
        """`config` gives the configuration as it is now."""
        self._config = config
        self._client = client
        self._readiness = readiness
        self._metrics = metrics
        self._scoreboard = scoreboard
        self._pages: dict[str, Callable[[], Awaitable[HTTPResponse]]] = {
            "/healthz": self._health,
            "/readyz": self._ready,
            "/metrics": self._exposition,
            "/status": self._status,
        }

    async def __call__(self, request: HTTPRequest) -> HTTPResponse:
        page = self._pages.get(request.target.partition("?")[0])
        if page is None:
            return plain(404, f"here are {', '.join(self._pages)}")
        if request.method not in ("GET", "HEAD"):
            return plain(405, "this is for GET and HEAD", (b"allow", b"GET, HEAD"))
        return await page()

    async def _health(self) -> HTTPResponse:
        """The loop that serves answers: the process lives."""
        return plain(200, "alive", NO_STORE)

    async def _ready(self) -> HTTPResponse:
        obstacles = await self._readiness.obstacles()
        if obstacles:
            return plain(503, "; ".join(obstacles), NO_STORE)
        return plain(200, "ready", NO_STORE)

    async def _exposition(self) -> HTTPResponse:
        if isinstance(self._metrics, MetricsUnavailable):
            return plain(501, str(self._metrics))
        state = State()
        if not await self._readiness.obstacles():
            try:
                async with asyncio.timeout(PATIENCE):
                    state = await read_state(self._client, self._config().cmp.transactions_max)
            except (StoreError, SecretError, TimeoutError):
                pass  # told as cmpd_ready 0; what the workers counted is told all the same
        kind, body = self._metrics.expose(state)
        return HTTPResponse(200, ((b"content-type", kind), NO_STORE), body)

    async def _status(self) -> HTTPResponse:
        """What the workers of this daemon are at: a JSON object."""
        config, now = self._config(), int(time.time())
        obstacles = await self._readiness.obstacles()
        value: dict[str, Any] = {
            "listeners": [
                {"address": one.address, "tls": one.tls_certificate is not None} for one in config.listen
            ],
            "ready": not obstacles,
            "obstacles": list(obstacles),
            "workers": [asdict(worker) for worker in self._scoreboard.workers()],
            "minutes": [asdict(minute) for minute in self._scoreboard.minutes(now)],
        }
        body = json.dumps(value).encode() + b"\n"
        return HTTPResponse(200, ((b"content-type", b"application/json"), NO_STORE), body)
