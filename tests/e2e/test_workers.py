"""Several workers at one port: started together, started again one by one, and gone with their parent."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.e2e.crowd import client_of, crowd
from tests.e2e.harness import Daemon


@pytest.fixture
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with three workers."""
    daemon = Daemon(
        tmp_path_factory.mktemp("workers"), environment={"CMPD_WORKERS": "3", "CMPD_HTTP_DRAIN_TIMEOUT": "1"}
    )
    daemon.init()
    daemon.start()
    _until(lambda: "with 3 workers" in daemon.log)
    yield daemon
    assert daemon.process is not None
    if daemon.process.poll() is None:
        assert daemon.stop() == 0, daemon.log
    assert "Traceback" not in daemon.log


def _until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _children(daemon: Daemon) -> list[int]:
    assert daemon.process is not None
    pid = daemon.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_transaction_may_meet_another_worker_with_each_message(workers: Daemon) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    for _ in range(12):  # each on a connection of its own, so that all workers get some
        client_of(workers).enrol("ir", key)
    serving = set(re.findall(r"request=certConf response=(\w+)", workers.log))
    assert serving == {"pkiconf"}
    assert len([one for one in workers.certificates() if one.entity]) == 12


def test_a_worker_that_dies_is_replaced_and_the_others_go_on(workers: Daemon) -> None:
    before = _children(workers)
    assert len(before) == 3
    os.kill(before[0], signal.SIGKILL)
    _until(lambda: len(_children(workers)) == 3 and before[0] not in _children(workers))
    assert set(before[1:]) <= set(_children(workers))
    with crowd(workers) as clients:
        _until(lambda: clients.enrolled > 10)
    assert clients.failures == []
    assert f"worker {before[0]} ended with signal SIGKILL" in workers.log


def test_status_counts_the_workers_that_live(workers: Daemon) -> None:
    assert "3 alive" in workers.cmpd("status")
    victim = _children(workers)[1]
    os.kill(victim, signal.SIGKILL)
    _until(lambda: victim not in _children(workers) and workers.json("status")["alive"] == 3)
    workers.stop(signal.SIGKILL)
    _until(lambda: "none alive" in workers.cmpd("status"))


def test_a_stop_under_load_loses_no_answer_and_leaves_no_process(workers: Daemon) -> None:
    children = _children(workers)
    with crowd(workers) as clients:
        _until(lambda: clients.enrolled > 5)
        assert workers.stop() == 0
    # What came after the stop was refused as a connection; what was answered was answered whole.
    told = [one for one in clients.failures if not one.startswith(("ConnectionRefused", "ConnectionReset"))]
    assert told == []
    assert not any(_lives(child) for child in children)


def test_workers_end_with_their_parent(workers: Daemon) -> None:
    children = _children(workers)
    workers.stop(signal.SIGKILL)
    _until(lambda: not any(_lives(child) for child in children))


def test_a_worker_without_a_sign_of_life_is_not_a_worker_for_long(workers: Daemon) -> None:
    """Stopped, it holds connections that nobody answers; SIGKILL reaches it all the same."""
    victim = _children(workers)[0]
    os.kill(victim, signal.SIGSTOP)
    _until(lambda: victim in _children(workers))
    assert workers.stop() == 0
    assert not _lives(victim)


def test_what_keeps_a_worker_from_starting_ends_the_daemon_with_one_line(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    daemon = Daemon(tmp_path_factory.mktemp("refused"), environment={"CMPD_WORKERS": "2"})
    daemon.init()
    (daemon.folder / "client.secret").write_text("wrong\n", "utf-8")
    with pytest.raises(AssertionError, match=f"ended with {os.EX_CONFIG}"):
        daemon.start()
    lines = daemon.log.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("cmpd: API client 'cmpd'")
