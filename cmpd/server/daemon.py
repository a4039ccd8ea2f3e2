"""`cmpd serve`: one process, or a parent that keeps workers on shared ports."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from typing import TYPE_CHECKING

from cmpd.server import listeners, logs, service, systemd

if TYPE_CHECKING:
    import socket

    from cmpd.config import Config

log = logging.getLogger(__name__)

QUICK = 1.0
"""A worker that lives shorter, in seconds, is started again only after as long a pause."""


def serve(config: Config) -> int:
    """Serve until a signal ends it; gives the exit status. Raises what a start fails with."""
    os.umask(0o077)
    logs.set_up(config.log)
    given = systemd.listen_fds()
    service.load()
    if config.workers == 1:
        asyncio.run(_run(config, given or listeners.open_all(config.listen, shared=False)))
        return os.EX_OK
    seats = [given or listeners.open_all(config.listen, shared=True) for _ in range(config.workers)]
    return Supervisor(config, seats).run()


async def _run(config: Config, sockets: list[socket.socket], lifeline: int | None = None) -> None:
    await service.Service(config, sockets, lifeline).run()


class Supervisor:
    """The parent of the workers: starts them, starts them again, passes signals on.

    Each worker has a seat: listening sockets of its own at the shared ports. The parent keeps them open,
    so that connections that wait at the seat of a worker that died are served by the next one in it.
    """

    def __init__(self, config: Config, seats: list[list[socket.socket]]) -> None:
        self._config = config
        self._seats = seats
        self._workers: dict[int, tuple[int, float]] = {}
        """Process id → (seat, when it was started)."""
        self._stopping = False
        self._lifeline, self._held = os.pipe()
        """Only the parent holds the other end: its workers read the end of it when it dies."""

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._reload)
        for seat in range(len(self._seats)):
            self._start(seat)
        while self._workers:
            pid, status = os.wait()
            self._ended(pid, os.waitstatus_to_exitcode(status))
        return os.EX_OK

    def _start(self, seat: int) -> None:
        pid = os.fork()
        if pid:
            self._workers[pid] = (seat, time.monotonic())
            return
        status = os.EX_SOFTWARE
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            os.close(self._held)
            asyncio.run(_run(self._config, self._seats[seat], self._lifeline))
            status = os.EX_OK
        except Exception:
            log.exception("a worker failed")
        finally:
            os._exit(status)

    def _ended(self, pid: int, status: int) -> None:
        seat, started = self._workers.pop(pid, (None, 0.0))
        if seat is None or self._stopping:
            return
        log.warning("worker %d ended with status %d, starting another", pid, status)
        if time.monotonic() - started < QUICK:
            time.sleep(QUICK)
        self._start(seat)

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True
        self._pass_on(signal.SIGTERM)

    def _reload(self, number: int, frame: object) -> None:
        self._pass_on(signal.SIGHUP)

    def _pass_on(self, number: int) -> None:
        for pid in tuple(self._workers):
            os.kill(pid, number)
