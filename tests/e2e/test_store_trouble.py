"""A store that is full, locked, gone or damaged: clients are told so, nothing half done stays, it passes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cmpclient import requests
from tests.e2e.crowd import client_of
from tests.e2e.harness import Daemon
from tests.support.ports import free_port

UNAVAILABLE = {"systemUnavail", "systemFailure"}


@contextlib.contextmanager
def _full(folder: Path) -> Iterator[None]:
    """Not one more octet fits on the disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Another process writes, and does not come to an end."""
    other = sqlite3.connect(folder / "cmpd.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@contextlib.contextmanager
def _gone(folder: Path) -> Iterator[None]:
    """The file is not where it was."""
    (folder / "cmpd.db").rename(folder / "away.db")
    try:
        yield
    finally:
        (folder / "away.db").rename(folder / "cmpd.db")


@contextlib.contextmanager
def _damaged(folder: Path) -> Iterator[None]:
    """Somebody put a copy in its place that did not come through whole."""
    with contextlib.closing(sqlite3.connect(folder / "cmpd.db")) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    octets = (folder / "cmpd.db").read_bytes()
    with _gone(folder):
        (folder / "cmpd.db").write_bytes(octets[:4096] + bytes(len(octets) - 4096))
        yield


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def _ready(daemon: Daemon) -> bool:
    url = f"http://{daemon.environment['CMPD_ADMIN_LISTEN']}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            status: int = answer.status
    except urllib.error.HTTPError as refusal:
        status = refusal.code
    assert status in (200, 503)
    return status == 200


def _becomes(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.1)
    return False


def _go_through(folder: Path, trouble: Callable[[Path], AbstractContextManager[None]]) -> None:
    daemon = Daemon(folder, environment={"CMPD_ADMIN_LISTEN": f"127.0.0.1:{free_port()}"})
    daemon.init()
    daemon.start()
    try:
        key = ec.generate_private_key(ec.SECP256R1())
        held = [client_of(daemon).enrol("ir", key).certificate]
        waiting = client_of(daemon).begin()
        unconfirmed = waiting.send(("ir", [requests.certificate_request(key, "CN=waiting")]))
        assert unconfirmed.status == "accepted"
        assert _becomes(lambda: _ready(daemon))
        with trouble(folder):
            assert _becomes(lambda: not _ready(daemon))
            request = client_of(daemon).begin().compose(("ir", [requests.certificate_request(key, "CN=x")]))
            refused = client_of(daemon).begin().send_as_is(request)
            assert refused.kind == "error"
            assert set(refused.fail_info) <= UNAVAILABLE
            confirmation = waiting.compose(requests.confirmation(unconfirmed.certificate))
            assert set(client_of(daemon).begin().send_as_is(confirmation).fail_info) <= UNAVAILABLE
        assert _becomes(lambda: _ready(daemon))
        assert waiting.send_as_is(confirmation).kind == "pkiconf"
        held += [unconfirmed.certificate, client_of(daemon).enrol("ir", key).certificate]
        again = client_of(daemon).begin().send_as_is(request)
        assert again.status == "accepted"
        assert [daemon.standing(certificate) for certificate in held] == ["active"] * 3
        assert daemon.standing(again.certificate) == "unconfirmed"
        verified = daemon.cmpd("audit", "verify")
        assert verified.status == 0, verified.output
    finally:
        daemon.stop()
    assert "Traceback" not in daemon.log


@pytest.mark.may_skip("only root may mount, and not in every container")
def test_a_full_disk_refuses_requests_and_is_over_when_there_is_room(small_disk: Path) -> None:
    _go_through(small_disk, _full)


@pytest.mark.parametrize("trouble", [_locked, _gone, _damaged])
def test_a_store_in_trouble_refuses_requests_and_is_over_when_the_trouble_is(
    tmp_path: Path, trouble: Callable[[Path], AbstractContextManager[None]]
) -> None:
    _go_through(tmp_path, trouble)
