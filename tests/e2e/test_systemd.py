"""systemd's protocols driven without systemd: readiness, watchdog, sockets handed over, restarts."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.e2e.crowd import client_of, crowd
from tests.e2e.harness import Daemon

HAND_OVER = (
    sys.executable,
    "-c",
    "import os, sys; os.dup2(int(os.environ['FD']), 3); os.environ['LISTEN_PID'] = str(os.getpid());"
    "os.execv(sys.argv[1], sys.argv[1:])",
)
"""Makes the descriptor $FD number 3, as systemd does, and becomes the daemon, whose pid is in LISTEN_PID."""


class Systemd:
    """The other end of the notify socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(20)

    def hears(self, line: str) -> None:
        """Wait for that line."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if line in self._socket.recv(4096).decode().splitlines():
                return
        raise AssertionError(f"{line} was not said")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    """Somebody who listens at $NOTIFY_SOCKET."""
    listens = Systemd(tmp_path / "notify")
    yield listens
    listens.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_systemd_is_told_of_readiness_life_reload_and_stop(
    systemd: Systemd, workers: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = {"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": "400000", "CMPD_WORKERS": workers}
    daemon = Daemon(tmp_path_factory.mktemp("notifying"), environment=environment)
    daemon.init()
    daemon.start()
    systemd.hears("READY=1")
    client_of(daemon).enrol("ir", ec.generate_private_key(ec.SECP256R1()))
    systemd.hears("WATCHDOG=1")
    systemd.hears("WATCHDOG=1")
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    systemd.hears("RELOADING=1")
    systemd.hears("READY=1")
    daemon.process.send_signal(signal.SIGTERM)
    systemd.hears("STOPPING=1")
    assert daemon.process.wait(20) == 0


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A listening socket as systemd would hold it open."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as held:
        yield held


def _activated(listening: socket.socket, folder: Path, **environment: str) -> Daemon:
    return Daemon(
        folder,
        port=listening.getsockname()[1],
        environment={"LISTEN_FDS": "1", "FD": str(listening.fileno()), **environment},
        launcher=HAND_OVER,
        descriptors=[listening.fileno()],
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_restart_under_load_loses_no_connection_when_systemd_holds_the_port(
    listening: socket.socket, workers: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    daemon = _activated(listening, tmp_path_factory.mktemp("activated"), CMPD_WORKERS=workers)
    daemon.init()
    daemon.start()
    with crowd(daemon) as clients:
        for _ in range(3):
            enrolled = clients.enrolled
            until = time.monotonic() + 20
            while clients.enrolled < enrolled + 5 and time.monotonic() < until:
                time.sleep(0.02)
            assert daemon.stop() == 0, daemon.log
            daemon.start()
    assert daemon.stop() == 0
    assert clients.failures == []
    assert clients.enrolled >= 15
    held = [one for one in daemon.certificates() if one.entity]
    assert len(held) == clients.enrolled
    assert {str(one.state) for one in held} == {"active"}


def test_sockets_that_do_not_match_the_listeners_are_refused(
    listening: socket.socket, tmp_path_factory: pytest.TempPathFactory
) -> None:
    daemon = _activated(listening, tmp_path_factory.mktemp("mismatch"))
    daemon.init()
    text = daemon.config.read_text("utf-8")
    daemon.config.write_text(text + '\n[[listen]]\naddress = "127.0.0.1:0"\n', "utf-8")
    refusal = f"ended with {os.EX_CONFIG}:\n.*2 listeners are configured, and the socket unit has 1"
    with pytest.raises(AssertionError, match=refusal):
        daemon.start()
