"""Daemons and devices: one daemon shared by the tests that leave no trace, or a fresh one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Daemon, Device
from tests.support.postgres import PostgresServer


def _serving(daemon: Daemon) -> Iterator[Daemon]:
    daemon.start()
    try:
        yield daemon
    finally:
        status = daemon.stop()
    assert status == 0, daemon.log
    assert "Traceback" not in daemon.log


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """A daemon with the demo PKI, shared: change neither its configuration nor the demo entity.

    With E2E_STORE=postgresql its store is in PostgreSQL: `make test-postgresql`.
    """
    daemon = Daemon(tmp_path_factory.mktemp("daemon"))
    if os.environ.get("E2E_STORE") == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        daemon.init(server.new_database())
    else:
        daemon.init()
    yield from _serving(daemon)


@pytest.fixture
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for one test alone, set up and not started; it does not outlive the test."""
    daemon = Daemon(tmp_path_factory.mktemp("own-daemon"))
    daemon.init()
    yield daemon
    if daemon.process is not None and daemon.process.poll() is None:
        daemon.stop(signal.SIGKILL)


@pytest.fixture
def own_daemon(stopped: Daemon) -> Iterator[Daemon]:
    """A daemon with the demo PKI for one test alone."""
    yield from _serving(stopped)


@pytest.fixture(scope="module")
def lenient_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon whose policy lets a request choose its key usages, and makes keys for devices."""
    daemon = Daemon(tmp_path_factory.mktemp("lenient-daemon"))
    daemon.init()
    done = daemon.cmpd("policy", "set", "default", "template=device", "central_key_generation=true")
    assert done.status == 0, done.output
    yield from _serving(daemon)


@pytest.fixture
def device(daemon: Daemon, tmp_path: Path) -> Device:
    """A client of the shared daemon, in an empty folder."""
    return Device(tmp_path, daemon)
