"""The parent of the workers: starts them, watches them, starts them again, passes signals on.

Each worker has a slot: listening sockets of its own at the shared ports. The parent keeps all of them
open, so that connections that wait at the slot of a worker that died are served by the next one in it.
Parent and worker hold the two ends of a channel: the worker says over it that it serves and that it
lives; its end tells the worker that the parent is gone.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmpd.server.process import systemd

if TYPE_CHECKING:
    from types import FrameType

log = logging.getLogger(__name__)

READY, ALIVE = b"r", b"."
QUICK = 1.0
"""A worker that lives shorter, in seconds, is started again only after as long a pause."""
BEAT = 1.0
"""Seconds between a worker's signs of life."""
HUNG = 30.0
"""A worker without a sign of life for so many seconds is killed."""
KILL_AFTER = 5.0
"""Seconds beyond the time to drain after which a stop is no longer polite."""
TICK = 0.5


@dataclass(slots=True)
class Worker:
    """A child, as the parent sees it."""

    pid: int
    slot: int
    channel: socket.socket
    started: float
    beat: float
    ready: bool = False


class Channel:
    """The worker's end: to its service the parent is a `cmpd.server.service.ServiceManager`."""

    interval: float | None = BEAT

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def ready(self, status: str) -> None:
        self._say(READY)

    def reloading(self) -> None:
        """The parent has said so already."""

    def stopping(self) -> None:
        """The parent knows: it passed the signal on."""

    def alive(self) -> None:
        self._say(ALIVE)

    def _say(self, word: bytes) -> None:
        try:
            self.end.send(word)
        except OSError:
            return  # full, or the parent is gone: the service watches for that


class Supervisor:
    """Keeps a worker in every slot."""

    def __init__(
        self,
        slots: int,
        work: Callable[[int, Channel], int],
        notifier: systemd.StatusNotifier,
        *,
        drain: float,
        status: str,
        forget: Callable[[int], None] = lambda pid: None,
    ) -> None:
        """`work` is what a worker does in its slot, and gives its exit status; `drain` is how many seconds
        it may take to stop; `forget` is told the process ids of workers that ended."""
        self._work = work
        self._notifier = notifier
        self._drain = drain
        self._status = status
        self._forget = forget
        self._workers: dict[int, Worker] = {}
        self._due: dict[int, float] = dict.fromkeys(range(slots), 0.0)
        """Empty slots, and when a worker may be started there."""
        self._selector = selectors.DefaultSelector()
        self._proved = False
        """Whether a worker was ready once."""
        self._serving = False
        """Whether all workers were ready once: from then on the service runs, whatever becomes of one."""
        self._stop_by: float | None = None
        self._result = os.EX_OK
        self._said = 0.0

    def run(self) -> int:
        """Until SIGTERM or SIGINT; the exit status is that of a worker that could not start, or 0."""
        wake, self._wake = socket.socketpair()
        wake.setblocking(False)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(wake, selectors.EVENT_READ)
        self._wake_end = wake
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._reload)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        while self._workers or (self._due and self._stop_by is None):
            self._fill_slots()
            for key, _ in self._selector.select(TICK):
                self._listen(key)
            self._reap()
            self._look_after()
        return self._result

    def _fill_slots(self) -> None:
        """Start what is due. Before anything else one worker alone: what keeps it from starting would keep
        all of them, and is to be said once."""
        now = time.monotonic()
        self._proved = self._proved or any(worker.ready for worker in self._workers.values())
        due = [slot for slot, when in self._due.items() if when <= now]
        if not self._proved:
            due = due[:1] if not self._workers else []
        for slot in due:
            if self._stop_by is None:
                del self._due[slot]
                self._start(slot)

    def _start(self, slot: int) -> None:
        ours, theirs = socket.socketpair()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
        pid = os.fork()
        if pid:
            theirs.close()
            ours.setblocking(False)
            now = time.monotonic()
            self._workers[pid] = Worker(pid, slot, ours, now, now)
            self._selector.register(ours, selectors.EVENT_READ, pid)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            return
        status = os.EX_SOFTWARE
        try:
            self._become_worker(ours)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            theirs.setblocking(False)
            status = self._work(slot, Channel(theirs))
        except KeyboardInterrupt:
            status = os.EX_OK
        except BaseException:
            log.exception("worker %d failed", os.getpid())
        finally:
            logging.shutdown()
            os._exit(status)

    def _become_worker(self, ours: socket.socket) -> None:
        """Let go of what is the parent's: above all the other ends of other workers' channels, or they
        would not notice that the parent is gone."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._selector.close()
        self._wake.close()
        self._wake_end.close()
        ours.close()
        for worker in self._workers.values():
            worker.channel.close()

    def _listen(self, key: selectors.SelectorKey) -> None:
        try:
            said = key.fileobj.recv(4096)  # type: ignore[union-attr] # only sockets are registered
        except OSError:
            return
        worker = self._workers.get(key.data)
        if worker is None:
            return
        if not said:
            self._selector.unregister(key.fileobj)
            return
        worker.beat = time.monotonic()
        worker.ready = worker.ready or READY in said

    def _reap(self) -> None:
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            worker = self._workers.pop(pid, None)
            if worker is not None:
                self._ended(worker, os.waitstatus_to_exitcode(status))

    def _ended(self, worker: Worker, status: int) -> None:
        if worker.channel in self._selector.get_map():
            self._selector.unregister(worker.channel)
        worker.channel.close()
        self._forget(worker.pid)
        if self._stop_by is not None:
            return
        if not self._serving and status > 0:
            self._result = status  # it has said why it cannot start, and the next one could not either
            self._stop(signal.SIGTERM, None)
            return
        now = time.monotonic()
        short = now - worker.started < QUICK
        self._due[worker.slot] = now + QUICK if short else now
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        log.warning("worker %d ended with %s; another one is started", worker.pid, how)

    def _look_after(self) -> None:
        now = time.monotonic()
        if self._stop_by is not None:
            if now > self._stop_by:
                self._pass_on(signal.SIGKILL)
            return
        for worker in self._workers.values():
            if now - worker.beat > HUNG:
                log.error("worker %d gives no sign of life, killing it", worker.pid)
                worker.beat = now
                os.kill(worker.pid, signal.SIGKILL)
        if not self._serving and not self._due and all(worker.ready for worker in self._workers.values()):
            self._serving = True
            log.info("%s, with %d workers", self._status, len(self._workers))
            self._notifier.ready(self._status)
        if self._notifier.interval is not None and now - self._said > self._notifier.interval:
            self._said = now
            self._notifier.alive()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._stop_by is None:
            self._stop_by = time.monotonic() + self._drain + KILL_AFTER
            self._notifier.stopping()
        self._pass_on(signal.SIGTERM)

    def _reload(self, number: int, frame: FrameType | None) -> None:
        self._notifier.reloading()
        self._pass_on(signal.SIGHUP)
        self._notifier.ready(self._status)

    def _pass_on(self, number: int) -> None:
        for pid in tuple(self._workers):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue  # it is about to be reaped
