"""`cmpd serve`: one process, or a parent that keeps workers on shared ports."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from typing import TYPE_CHECKING

from cmpd.clm.client import LoginRefused
from cmpd.clm.secrets import SecretError
from cmpd.clm.store.base import StoreError, StoreUnavailable
from cmpd.config import ConfigError
from cmpd.server import listeners, logs, process, service, systemd
from cmpd.server.scoreboard import Scoreboard
from cmpd.server.supervisor import Channel, Supervisor

if TYPE_CHECKING:
    from cmpd.config import Config

log = logging.getLogger(__name__)


def serve(config: Config) -> int:
    """Serve until a signal ends it; gives the exit status.

    Raises what a start fails with: ConfigError, ListenError, SecretError, LoginRefused, StoreError.
    """
    process.harden()
    process.allow_files(config.http.max_connections)
    logs.set_up(config.log)
    notifier = systemd.Notifier()
    seats = listeners.take_seats(config, systemd.listen_fds())
    service.load()
    scoreboard = Scoreboard(config.workers)
    if config.workers == 1:
        asyncio.run(service.Service(config, seats[0], notifier, scoreboard).run())
        return os.EX_OK
    gc.freeze()  # what is loaded now stays shared with the workers: collections would write to its pages

    def work(seat: int, channel: Channel) -> int:
        for number, taken in enumerate(seats):
            if number != seat:
                taken.close_own()
        return _work(service.Service(config, seats[seat], channel, scoreboard, seat), channel)

    return Supervisor(
        len(seats),
        work,
        notifier,
        drain=config.http.drain_timeout,
        status=service.description(config),
    ).run()


def _work(serving: service.Service, channel: Channel) -> int:
    """A worker's life; what keeps it from starting is one line, as the parent would have said it."""
    try:
        asyncio.run(serving.run(parent=channel.end))
    except (ConfigError, SecretError, LoginRefused, StoreError) as error:
        print(f"cmpd: {error}", file=sys.stderr)  # noqa: T201 - the user's line, as the command line has it
        return os.EX_TEMPFAIL if isinstance(error, StoreUnavailable) else os.EX_CONFIG
    return os.EX_OK
