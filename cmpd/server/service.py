"""One serving process: the lifecycle, the responder and the listeners on one event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

from cmpd import issuers  # noqa: F401 - register themselves
from cmpd.clm.client import Client
from cmpd.clm.entities import transaction_quota
from cmpd.clm.housekeeping import expire_transactions, forget_transactions
from cmpd.clm.lifecycle.retention import archive_ended
from cmpd.clm.model import Act
from cmpd.clm.secrets import MasterKey, read_secret
from cmpd.clm.store import open_store
from cmpd.clm.store.base import StoreError
from cmpd.cmp.responder import Responder
from cmpd.cmp.wire import schema
from cmpd.config import Config, ConfigError, HTTPConfig
from cmpd.server import preconditions
from cmpd.server.admin.metrics import Metrics, MetricsUnavailable
from cmpd.server.admin.pages import Admin
from cmpd.server.admin.readiness import Readiness
from cmpd.server.http.basic import BasicAuthentication
from cmpd.server.http.endpoints import Endpoints
from cmpd.server.http.handshake import Handshake
from cmpd.server.http.limits import Limits
from cmpd.server.http.protocol import Connection
from cmpd.server.http.proxies import Proxies
from cmpd.server.http.publications import Publications
from cmpd.server.http.tls import ListenerTLS, tls_of
from cmpd.server.process import hardening, listeners, logs
from cmpd.server.process.reloading import reloaded

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Iterable

    from cmpd.cmp.protection.mac import MacAlgorithm
    from cmpd.cmp.transaction.exchange import RequestLogEntry
    from cmpd.server.admin.scoreboard import Scoreboard
    from cmpd.server.http.semantics import HTTPRequest, HTTPResponse
    from cmpd.server.process.tracing import MessageTrace

log = logging.getLogger(__name__)

DAY = 86400
ARCHIVING = 3600.0
"""Seconds between two looks at what ended long ago."""
HOUSEKEEPING = 5.0
"""Seconds between two looks at what is overdue."""
SETTLE = 0.1
"""Seconds that accepted sockets have to become connections before the listeners close."""
BEAT = 1.0
"""Seconds between two entries on the scoreboard."""


class ServiceManager(Protocol):
    """Who a serving process tells how it is: systemd, or the parent of the workers."""

    interval: float | None
    """Seconds between signs of life; None: none are wanted."""

    def ready(self, status: str) -> None: ...

    def reloading(self) -> None: ...

    def stopping(self) -> None: ...

    def alive(self) -> None: ...


def load() -> None:
    """Compile the ASN.1: what takes long and can be shared by processes that fork afterwards."""
    schema.load()


def description(config: Config) -> str:
    """What is served where, in words."""
    return "serving CMP at " + ", ".join(one.address for one in config.listen)


async def derive(algorithm: MacAlgorithm, secret: bytes) -> bytes:
    """A MAC key; a long derivation runs in a thread, since it lets go of the interpreter."""
    if algorithm.heavy:
        return await asyncio.to_thread(algorithm.derive, secret)
    return algorithm.derive(secret)


async def _lasting(job: Callable[[], Coroutine[None, None, None]]) -> None:
    """Do a job that has no end, and begin again should it fail: it must not stop in silence."""
    while True:
        try:
            await job()
        except Exception:
            log.exception("a background job failed, it begins again in %.0f seconds", HOUSEKEEPING)
        await asyncio.sleep(HOUSEKEEPING)


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel the jobs until all have ended, also one that missed it the first time."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1)


class Service:
    """Everything between the sockets and the store."""

    def __init__(
        self,
        config: Config,
        sockets: listeners.WorkerSockets,
        manager: ServiceManager,
        scoreboard: Scoreboard,
        trace: MessageTrace,
        number: int = 0,
    ) -> None:
        """`number` is the worker's slot; the first one keeps house for all."""
        self._config = config
        self._sockets = sockets
        self._manager = manager
        self._scoreboard = scoreboard
        self._row = scoreboard.row(number)
        self._trace = trace
        self._keeps_house = number == 0
        self._metrics: Metrics | None = None
        self._proxies = Proxies(config.http.trusted_proxies)
        self._limits = Limits(config.http, lambda peer: self._proxies.trusts(peer))
        self._tls: list[ListenerTLS | None] = []
        """Of each [[listen]]; None: it speaks plain HTTP."""
        self._servers: list[asyncio.Server] = []
        self._stop = asyncio.Event()

    async def run(self, parent: socket.socket | None = None) -> None:
        """Serve until SIGTERM or SIGINT, or the parent's end, then finish what is under way.

        Raises StoreError, SecretError, LoginRefused, ConfigError: the daemon cannot start.
        """
        self._row.begin(os.getpid(), int(time.time()))
        master_key = MasterKey.load(self._config.master_key)
        store = open_store(self._config.store, synchronous=self._config.synchronous, node=self._config.node)
        await store.open()
        try:
            async with store.serving():
                client = await Client.login(
                    store,
                    master_key,
                    self._config.client.id,
                    read_secret(self._config.client.secret_file),
                    clock=time.time,
                    random=os.urandom,
                )
                await self._serve(client, parent)
        finally:
            await store.close()

    async def _serve(self, client: Client, parent: socket.socket | None) -> None:
        self._client = client
        self._handler = self._endpoints()
        await client.credentials.attempts.exchange()  # what was failed at before the start counts
        await self._look_for_room(per_party=0)  # who has begun them may take time to count
        self._heed_signals(parent)  # before the first connection: none is to be lost to an early stop
        await self._listen()
        if self._sockets.admin is not None:
            await self._listen_for_operators(self._sockets.admin)
        jobs = [self._beat, self._watch_certificates, client.upkeep.run]
        jobs += [client.credentials.attempts.run, self._watch_room]
        if self._keeps_house:
            jobs += [self._keep_house, self._archive]
        if self._manager.interval is not None:
            jobs.append(partial(self._signs_of_life, self._manager.interval))
        tasks = [asyncio.create_task(_lasting(job)) for job in jobs]
        if parent is None:
            log.info(description(self._config))
        self._manager.ready(description(self._config))
        await self._stop.wait()
        self._manager.stopping()
        log.info("finishing what is under way")
        await self._accept_no_more()
        await self._limits.drain()
        await _end(tasks)
        await client.credentials.attempts.finish()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._tls = [tls_of(config) for config in self._config.listen]
        for number, listener in enumerate(self._sockets.own):
            server = await loop.create_server(
                partial(self._protocol, number), sock=listener, backlog=listeners.BACKLOG
            )
            self._servers.append(server)

    async def _accept_no_more(self) -> None:
        """Stop listening, without losing what was accepted.

        asyncio makes a transport of an accepted socket some turns of the loop later, and drops the socket
        where its server was closed meanwhile. So the listeners are only left alone at first.
        """
        loop = asyncio.get_running_loop()
        for server in self._servers:
            for listener in server.sockets:
                loop.remove_reader(listener.fileno())
        await asyncio.sleep(SETTLE)
        for server in self._servers:
            server.close()

    def _protocol(self, number: int) -> Connection | Handshake:
        """What a new connection at that [[listen]] meets, as it is configured now."""
        connection = Connection(self._handler, self._config.http, self._limits)
        tls = self._tls[number]
        return Handshake(connection, tls.context, self._config.http, self._limits) if tls else connection

    async def _listen_for_operators(self, listener: socket.socket) -> None:
        metrics: Metrics | MetricsUnavailable
        try:
            metrics = self._metrics = Metrics()
        except MetricsUnavailable as unavailable:
            metrics = unavailable
            log.warning("%s", unavailable)
        readiness = Readiness(self._client)
        admin = Admin(lambda: self._config, self._client, readiness, metrics, self._scoreboard)
        config = HTTPConfig()  # whose bounds are wide enough for operators, whatever devices are given
        limits = Limits(config)
        self._servers.append(
            await asyncio.get_running_loop().create_server(
                lambda: Connection(admin, config, limits), sock=listener
            )
        )

    def _heed_signals(self, parent: socket.socket | None) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        if parent is not None:
            loop.add_reader(parent, self._orphaned, parent)

    def _orphaned(self, parent: socket.socket) -> None:
        """The parent says nothing: what can be read is its end."""
        asyncio.get_running_loop().remove_reader(parent)
        log.warning("the parent process is gone")
        self._stop.set()

    def _endpoints(self) -> Endpoints:
        return Endpoints(
            Responder(self._client, self._config.cmp, derive),
            BasicAuthentication(self._client, over_http=self._config.http.basic_over_http),
            Publications(self._client),
            self._observe,
            self._proxies,
        )

    def _observe(self, request: HTTPRequest, response: HTTPResponse, record: RequestLogEntry) -> None:
        self._row.count(int(time.time()), refused=bool(record.fail_info))
        if self._metrics is not None:
            for one in record.each():
                self._metrics.count(one)
        self._trace.write(record.transaction, request.body, response.body)
        for one in record.each():
            logs.log_request(one, 1000 * sum(one.phases.values()))

    # Changes while it runs

    def _reload(self) -> None:
        """Begin and end of a reload are said, whatever becomes of it: systemd waits for the end."""
        self._manager.reloading()
        try:
            self._read_again()
        finally:
            self._manager.ready(description(self._config))

    def _read_again(self) -> None:
        """Read the configuration and the TLS files again; where one cannot be used, nothing changes."""
        try:
            result = reloaded(self._config, Config.load(self._config.path))
            preconditions.require_live(result.config)
            proxies = Proxies(result.config.http.trusted_proxies)
            tls = [tls_of(one) for one in result.config.listen]
        except ConfigError as error:
            log.error("the configuration stays as it was: %s", error)
        else:
            self._config, self._proxies, self._tls = result.config, proxies, tls
            self._limits.config = result.config.http
            logs.set_up(result.config.log)
            hardening.allow_files(result.config.http.max_connections)
            self._handler = self._endpoints()
            log.info("reloaded; changed: %s", ", ".join(result.changed) or "nothing")
            if result.waiting:
                log.warning("these require a restart, and stay as they were: %s", ", ".join(result.waiting))

    # What goes on beside requests

    async def _beat(self) -> None:
        while True:
            limits = self._limits
            self._row.occupy(limits.connections, limits.requests)
            if self._metrics is not None:
                failures = self._client.credentials.throttle.failures
                self._metrics.occupy(limits.connections, limits.requests, limits.refused, failures)
            await asyncio.sleep(BEAT)

    async def _signs_of_life(self, interval: float) -> None:
        while True:
            self._manager.alive()
            await asyncio.sleep(interval)

    async def _watch_certificates(self) -> None:
        """Use a renewed TLS certificate soon, without being told."""
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            for tls in self._tls:
                if tls is not None:
                    tls.refresh()

    async def _watch_room(self) -> None:
        while True:
            await asyncio.sleep(transaction_quota.INTERVAL)
            await self._look_for_room(self._config.cmp.transactions_per_party)

    async def _look_for_room(self, per_party: int) -> None:
        try:
            await self._client.quota.look(self._config.cmp.transactions_max, per_party)
        except StoreError as error:
            log.debug("how many transactions are remembered is not known: %s", error)

    async def _archive(self) -> None:
        """Put away what ended long ago, as the configuration says."""
        while True:
            if self._config.archive_after:
                await self._archive_ended(self._config.archive_after * DAY)
            await asyncio.sleep(ARCHIVING)

    async def _archive_ended(self, after: int) -> None:
        try:
            count = await archive_ended(self._client.store, Act("cmpd", self._client.now()), after)
        except StoreError as error:
            log.warning("the archive waits: %s", error)
        else:
            if count:
                log.info("archived %d certificates that ended long ago", count)

    async def _keep_house(self) -> None:
        """What is due by time, again and again; a store that fails is asked again next time."""
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            try:
                await expire_transactions(self._client, self._config.cmp.transaction_memory)
                await forget_transactions(self._client)
            except StoreError as error:
                log.warning("housekeeping waits: %s", error)
