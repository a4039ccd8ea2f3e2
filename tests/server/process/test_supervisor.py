"""The parent of the workers, with workers that do what a test wants, in a process of its own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cmpd.server.process import supervisor
from cmpd.server.process.supervisor import Channel, Supervisor
from cmpd.server.process.systemd import StatusNotifier

Work = Callable[[int, Channel], int]


class Supervised:
    """A supervisor that runs in a child process; its workers leave a line each time they start."""

    def __init__(self, folder: Path, work: Work, slots: int = 2) -> None:
        self.starts = folder / "starts"
        self.starts.touch()
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(self._supervise(work, slots))

    def _supervise(self, work: Work, slots: int) -> int:
        supervisor.TICK = 0.02
        supervisor.QUICK = 0.3
        supervisor.HUNG = 1.0
        supervisor.KILL_AFTER = 0.5

        def noted(slot: int, channel: Channel) -> int:
            with self.starts.open("a", encoding="ascii") as starts:
                starts.write(f"{slot} {os.getpid()}\n")
            return work(slot, channel)

        return Supervisor(slots, noted, StatusNotifier(), drain=0.2, status="serving").run()

    def started(self) -> list[tuple[int, int]]:
        """(slot, process id) of each start, in order."""
        lines = self.starts.read_text("ascii").splitlines()
        return [(int(slot), int(pid)) for slot, pid in map(str.split, lines)]

    def until(self, starts: int) -> None:
        """Wait for that many starts."""
        deadline = time.monotonic() + 15
        while len(self.started()) < starts:
            assert time.monotonic() < deadline, self.started()
            time.sleep(0.02)

    def end(self, number: int | None = signal.SIGTERM) -> int:
        """Its exit status, after that signal."""
        if number is not None:
            os.kill(self.pid, number)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _serve(slot: int, channel: Channel) -> int:
    channel.ready("")
    while True:
        channel.alive()
        time.sleep(0.1)


def test_every_seat_is_filled_and_a_stop_empties_them(tmp_path: Path) -> None:
    supervised = Supervised(tmp_path, _serve, slots=3)
    supervised.until(3)
    assert {slot for slot, _ in supervised.started()} == {0, 1, 2}
    assert supervised.end() == 0


@pytest.mark.parametrize("status", [1, 75, 78])
def test_a_first_worker_that_cannot_start_ends_all_with_its_status_and_no_second_one_tries(
    tmp_path: Path, status: int
) -> None:
    supervised = Supervised(tmp_path, lambda slot, channel: status, slots=3)
    assert supervised.end(None) == status
    assert len(supervised.started()) == 1


def test_a_worker_that_is_killed_or_fails_later_is_replaced_in_its_seat(tmp_path: Path) -> None:
    supervised = Supervised(tmp_path, _serve)
    supervised.until(2)
    slot, pid = supervised.started()[1]
    os.kill(pid, signal.SIGKILL)
    supervised.until(3)
    assert supervised.started()[2][0] == slot
    assert supervised.end() == 0


def test_a_worker_that_ends_at_once_again_and_again_is_not_started_in_a_rush(tmp_path: Path) -> None:
    def crash(slot: int, channel: Channel) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    supervised = Supervised(tmp_path, crash, slots=1)
    time.sleep(1.0)
    assert 2 <= len(supervised.started()) <= 5
    assert supervised.end() == 0


def test_a_worker_that_hangs_is_killed_and_replaced(tmp_path: Path) -> None:
    def hang(slot: int, channel: Channel) -> int:
        channel.ready("")
        while not (tmp_path / "hung").exists():
            if slot == 1:
                (tmp_path / "hung").touch()
                time.sleep(60)
            channel.alive()
            time.sleep(0.1)
        return _serve(slot, channel)

    supervised = Supervised(tmp_path, hang)
    supervised.until(3)
    assert supervised.started()[2][0] == 1
    assert supervised.end() == 0


def test_a_worker_that_does_not_stop_is_killed_in_the_end(tmp_path: Path) -> None:
    def stubborn(slot: int, channel: Channel) -> int:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return _serve(slot, channel)

    supervised = Supervised(tmp_path, stubborn)
    supervised.until(2)
    time.sleep(0.2)
    begun = time.monotonic()
    assert supervised.end() == 0
    assert 0.5 < time.monotonic() - begun < 5


def test_a_worker_learns_of_the_end_of_its_parent(tmp_path: Path) -> None:
    def watch(slot: int, channel: Channel) -> int:
        channel.ready("")
        channel.end.setblocking(True)
        assert channel.end.recv(1) == b""
        (tmp_path / f"orphan-{slot}").touch()
        return 0

    supervised = Supervised(tmp_path, watch)
    supervised.until(2)
    time.sleep(0.2)
    supervised.end(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while len(list(tmp_path.glob("orphan-*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
