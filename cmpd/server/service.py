"""One serving process: the lifecycle, the responder and the listeners on one event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from cmpd.clm.client import Client
from cmpd.clm.housekeeping import expire_transactions, forget_transactions
from cmpd.clm.secrets import MasterKey, read_secret
from cmpd.clm.store import open_store
from cmpd.clm.store.base import StoreError
from cmpd.cmp import schema
from cmpd.cmp.responder import Responder
from cmpd.config import ConfigError
from cmpd.server import listeners, logs, systemd
from cmpd.server.basic import BasicAuthentication
from cmpd.server.endpoints import Endpoints
from cmpd.server.http import Connection
from cmpd.server.limits import Limits
from cmpd.server.proxies import Proxies
from cmpd.server.publications import Publications

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmpd.clm.store.base import Store
    from cmpd.cmp.exchange import Record
    from cmpd.cmp.protection.mac import MacAlgorithm
    from cmpd.config import Config
    from cmpd.server.messages import HTTPRequest, HTTPResponse

log = logging.getLogger(__name__)

HOUSEKEEPING = 5.0
"""Seconds between two looks at what is overdue."""


def load() -> None:
    """Compile the ASN.1: what takes long and can be shared by processes that fork afterwards."""
    schema.load()


async def derive(algorithm: MacAlgorithm, secret: bytes) -> bytes:
    """A MAC key; a long derivation runs in a thread, since it lets go of the interpreter."""
    if algorithm.heavy:
        return await asyncio.to_thread(algorithm.derive, secret)
    return algorithm.derive(secret)


class Service:
    """Everything between the sockets and the store."""

    def __init__(self, config: Config, sockets: Sequence[socket.socket], lifeline: int | None = None) -> None:
        """`lifeline`: a descriptor that ends when the parent does, and this process with it."""
        self._config = config
        self._lifeline = lifeline
        self._sockets = sockets
        self._limits = Limits(config.http)
        self._servers: list[asyncio.Server] = []
        self._contexts: list[ssl.SSLContext | None] = []
        self._jobs: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then finish what is under way.

        Raises StoreError, SecretError, LoginRefused, ConfigError: the daemon cannot start.
        """
        master_key = MasterKey.load(self._config.master_key)
        store = open_store(self._config.store, synchronous=self._config.synchronous)
        await store.open()
        try:
            client = await Client.login(
                store,
                master_key,
                self._config.client.id,
                read_secret(self._config.client.secret_file),
                clock=time.time,
                random=os.urandom,
            )
            await self._serve(store, client)
        finally:
            await store.close()

    async def _serve(self, store: Store, client: Client) -> None:
        handler = self._endpoints(client)
        loop = asyncio.get_running_loop()
        for config, listener in zip(self._config.listen, self._sockets, strict=True):
            context = listeners.tls_context(config)
            self._contexts.append(context)
            server = await loop.create_server(
                lambda: Connection(handler, self._config.http, self._limits),
                sock=listener,
                ssl=context,
                backlog=listeners.BACKLOG,
            )
            self._servers.append(server)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        if self._lifeline is not None:
            loop.add_reader(self._lifeline, self._orphaned, self._lifeline)
        self._jobs.append(loop.create_task(self._keep_house(client)))
        interval = systemd.watchdog_interval()
        if interval is not None:
            self._jobs.append(loop.create_task(_signs_of_life(interval)))
        addresses = ", ".join(config.address for config in self._config.listen)
        log.info("serving CMP at %s", addresses)
        systemd.notify("READY=1", f"STATUS=serving CMP at {addresses}")
        await self._stop.wait()
        systemd.notify("STOPPING=1")
        log.info("stopping")
        await self._finish()

    def _endpoints(self, client: Client) -> Endpoints:
        return Endpoints(
            Responder(client, self._config.cmp, derive),
            BasicAuthentication(client, over_http=self._config.http.basic_over_http),
            Publications(client),
            self._observe,
            Proxies(self._config.http.trusted_proxies).client_of,
        )

    def _observe(self, request: HTTPRequest, response: HTTPResponse, record: Record) -> None:
        logs.log_request(record, 1000 * sum(record.phases.values()))

    def _orphaned(self, lifeline: int) -> None:
        asyncio.get_running_loop().remove_reader(lifeline)
        self._stop.set()

    def _reload(self) -> None:
        for config, context in zip(self._config.listen, self._contexts, strict=True):
            if context is not None:
                try:
                    listeners.load_certificate(context, config)
                except ConfigError as error:
                    log.error("the TLS certificate stays as it was: %s", error)
        log.info("reloaded")

    async def _keep_house(self, client: Client) -> None:
        """What is due by time, again and again; a store that fails is asked again next time."""
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            try:
                await expire_transactions(client, self._config.cmp.transaction_memory)
                await forget_transactions(client)
            except StoreError as error:
                log.warning("housekeeping waits: %s", error)

    async def _finish(self) -> None:
        for server in self._servers:
            server.close()
        await self._limits.drain()
        for job in self._jobs:
            job.cancel()
            with suppress(asyncio.CancelledError):
                await job


async def _signs_of_life(interval: float) -> None:
    while True:
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(interval)
