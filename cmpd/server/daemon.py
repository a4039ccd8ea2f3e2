"""`cmpd serve`: one process, or a parent that keeps workers on shared ports."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from cmpd.clm.client import LoginRefused
from cmpd.clm.secrets import SecretError
from cmpd.clm.store.base import StoreError, StoreUnavailable
from cmpd.config import ConfigError
from cmpd.server import calendar, listeners, logs, process, promises, service, systemd
from cmpd.server.insight import Insight
from cmpd.server.metrics import SharedFolder
from cmpd.server.scoreboard import Scoreboard
from cmpd.server.supervisor import Channel, Supervisor

if TYPE_CHECKING:
    from cmpd.config import Config

log = logging.getLogger(__name__)


NOTHING = Insight()
COLLECTING = (10_000, 20, 50)
"""Thresholds of garbage collection: a request leaves some hundred objects, and hardly a cycle among them."""


def serve(config: Config, insight: Insight = NOTHING) -> int:
    """Serve until a signal ends it; gives the exit status.

    Raises what a start fails with: ConfigError, ListenError, SecretError, OutOfTime, LoginRefused,
    StoreError.
    """
    signal.signal(
        signal.SIGHUP, signal.SIG_IGN
    )  # until it can be heeded: it must not end a daemon that starts
    logs.set_up(config.log)
    process.harden()
    process.allow_files(config.http.max_connections)
    notifier = systemd.Notifier()
    promises.require(config)
    seats = listeners.take_seats(config, systemd.listen_fds())
    asyncio.run(calendar.look(config))
    service.load()
    gc.set_threshold(*COLLECTING)
    gc.freeze()  # what is loaded now stays: collections need not look at it, nor write to pages workers share
    scoreboard = Scoreboard(config.workers)
    if config.workers == 1:
        asyncio.run(service.Service(config, seats[0], notifier, scoreboard, insight).run())
        return os.EX_OK
    folder = SharedFolder() if seats[0].admin is not None else None

    def work(number: int, channel: Channel) -> int:
        for other, seat in enumerate(seats):
            if other != number:
                seat.close_own()
        return _work(service.Service(config, seats[number], channel, scoreboard, insight, number), channel)

    supervisor = Supervisor(
        len(seats),
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


def _work(serving: service.Service, channel: Channel) -> int:
    """A worker's life; what keeps it from starting is one line, as the parent would have said it."""
    try:
        asyncio.run(serving.run(parent=channel.end))
    except (ConfigError, SecretError, LoginRefused, StoreError) as error:
        print(f"cmpd: {error}", file=sys.stderr)  # noqa: T201 - the user's line, as the command line has it
        return os.EX_TEMPFAIL if isinstance(error, StoreUnavailable) else os.EX_CONFIG
    return os.EX_OK
