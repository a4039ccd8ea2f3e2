"""`cmpd serve`: one process, or a parent that keeps workers on shared ports."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from cmpd.clm.authorities.lifetimes import faults_of_some
from cmpd.clm.client import LoginRefused
from cmpd.clm.configuration.catalog import Catalog
from cmpd.clm.secrets import MasterKey, SecretError
from cmpd.clm.store import open_store
from cmpd.clm.store.base import StoreError, StoreUnavailable
from cmpd.config import ConfigError
from cmpd.server import preconditions, service
from cmpd.server.admin.metrics import SharedFolder
from cmpd.server.admin.scoreboard import Scoreboard
from cmpd.server.process import hardening, listeners, logs, systemd
from cmpd.server.process.supervisor import Channel, Supervisor
from cmpd.server.process.tracing import MessageTrace

if TYPE_CHECKING:
    from cmpd.config import Config

log = logging.getLogger(__name__)


NOTHING = MessageTrace()
COLLECTING = (10_000, 20, 50)
"""Thresholds of garbage collection: a request leaves some hundred objects, and hardly a cycle among them."""


def serve(config: Config, trace: MessageTrace = NOTHING) -> int:
    """Serve until a signal ends it; gives the exit status.

    Raises what a start fails with: ConfigError, ListenError, SecretError, OutOfTime, LoginRefused,
    StoreError.
    """
    signal.signal(
        signal.SIGHUP, signal.SIG_IGN
    )  # until it can be heeded: it must not end a daemon that starts
    logs.set_up(config.log)
    hardening.harden()
    hardening.allow_files(config.http.max_connections)
    notifier = systemd.StatusNotifier()
    preconditions.require(config)
    sockets = listeners.open_sockets(config, systemd.listen_fds())
    asyncio.run(_look_at_calendar(config))
    service.load()
    gc.set_threshold(*COLLECTING)
    gc.freeze()  # what is loaded now stays: collections need not look at it, nor write to pages workers share
    scoreboard = Scoreboard(config.workers)
    if config.workers == 1:
        asyncio.run(service.Service(config, sockets[0], notifier, scoreboard, trace).run())
        return os.EX_OK
    folder = SharedFolder() if sockets[0].admin is not None else None

    def work(number: int, channel: Channel) -> int:
        for other, theirs in enumerate(sockets):
            if other != number:
                theirs.close_own()
        return _work(service.Service(config, sockets[number], channel, scoreboard, trace, number), channel)

    supervisor = Supervisor(
        len(sockets),
        work,
        notifier,
        drain=config.http.drain_timeout,
        status=service.description(config),
        forget=folder.forget if folder else lambda pid: None,
    )
    try:
        return supervisor.run()
    finally:
        if folder is not None:
            folder.remove()


async def _look_at_calendar(config: Config) -> None:
    """Before it serves: log which CAs of the served policies are out of their time.

    Raises OutOfTime where all of them are, and what else keeps the store from being read: StoreError,
    SecretError.
    """
    master_key = MasterKey.load(config.master_key)
    store = open_store(config.store, synchronous=config.synchronous, node=config.node)
    await store.open()
    try:
        catalog = Catalog(store, master_key, time.time)
        client = await catalog.client(config.client.id)
        served = [one for one in await catalog.policies() if client and client.may_use(one.policy.id)]
        for fault in faults_of_some((one.authority for one in served), int(time.time())):
            log.error("%s", fault)
    finally:
        await store.close()


def _work(serving: service.Service, channel: Channel) -> int:
    """A worker's life; what keeps it from starting is one line, as the parent would have said it."""
    try:
        asyncio.run(serving.run(parent=channel.end))
    except (ConfigError, SecretError, LoginRefused, StoreError) as error:
        print(f"cmpd: {error}", file=sys.stderr)  # noqa: T201 - the user's line, as the command line has it
        return os.EX_TEMPFAIL if isinstance(error, StoreUnavailable) else os.EX_CONFIG
    return os.EX_OK
