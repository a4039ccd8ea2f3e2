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
    sockets = given or listeners.open_all(config.listen, shared=config.workers > 1)
    service.load()
    if config.workers == 1:
        asyncio.run(_run(config, sockets))
        return os.EX_OK
    return Supervisor(config, sockets, shared=not given).run()


async def _run(config: Config, sockets: list[socket.socket]) -> None:
    await service.Service(config, sockets).run()


class Supervisor:
    """The parent of the workers: starts them, starts them again, passes signals on."""

    def __init__(self, config: Config, sockets: list[socket.socket], *, shared: bool) -> None:
        self._config = config
        self._sockets = sockets
        self._shared = shared
        self._workers: dict[int, float] = {}
        self._stopping = False

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._reload)
        for _ in range(self._config.workers):
            self._start()
        while self._workers:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            self._ended(pid, os.waitstatus_to_exitcode(status))
        return os.EX_OK

    def _start(self) -> None:
        pid = os.fork()
        if pid:
            self._workers[pid] = time.monotonic()
            return
        status = os.EX_SOFTWARE
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            asyncio.run(_run(self._config, self._own_sockets()))
            status = os.EX_OK
        except Exception:
            log.exception("a worker failed")
        finally:
            os._exit(status)

    def _own_sockets(self) -> list[socket.socket]:
        """Each worker has sockets of its own at shared ports; those of systemd are common to all."""
        if not self._shared:
            return self._sockets
        own = listeners.open_all(self._config.listen, shared=True)
        for inherited in self._sockets:
            inherited.close()
        return own

    def _ended(self, pid: int, status: int) -> None:
        started = self._workers.pop(pid, None)
        if started is None or self._stopping:
            return
        log.warning("worker %d ended with status %d, starting another", pid, status)
        if time.monotonic() - started < QUICK:
            time.sleep(QUICK)
        self._start()

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True
        self._pass_on(signal.SIGTERM)

    def _reload(self, number: int, frame: object) -> None:
        self._pass_on(signal.SIGHUP)

    def _pass_on(self, number: int) -> None:
        for pid in tuple(self._workers):
            os.kill(pid, number)
