"""Ports of tests are nobody else's: no outgoing connection gets one, and no other process takes it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.support import ports


def test_a_port_is_outside_the_range_of_outgoing_connections_and_given_once() -> None:
    low, high = ports.local_range()
    given = [ports.free_port() for _ in range(20)]
    assert len(set(given)) == 20
    assert [port for port in given if low <= port <= high] == []


def test_a_port_somebody_listens_on_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken, free = listener.getsockname()[1], ports.free_port()
        ports.release(free)
        monkeypatch.setattr(ports, "candidates", lambda: [taken, free])
        assert ports.free_port() == free


def test_two_processes_get_no_port_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """As two workers of one run would, or two runs on one machine."""
    port = ports.free_port()
    monkeypatch.setattr(ports, "candidates", lambda: [port])
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            ports.free_port()
        except AssertionError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    assert b"are taken" in os.read(reading, 1000)
    os.close(reading)


def test_a_range_that_leaves_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "range").write_text("1024\t65535\n", "ascii")
    monkeypatch.setattr(ports, "LOCAL_RANGE", tmp_path / "range")
    with pytest.raises(AssertionError, match="make it narrower"):
        ports.free_port()
