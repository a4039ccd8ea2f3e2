"""Requests that wait for an operator: `openssl cmp` polls until one has decided."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.e2e.harness import DEMO_SUBJECT, Daemon, Device

PATIENCE = 60


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, list[str]]]:
    """A daemon that has clients ask again after a second, and the options of an entity that has to wait."""
    daemon = Daemon(tmp_path_factory.mktemp("patient"))
    daemon.init()
    daemon.configure("# check_after = 60", "check_after = 1")
    daemon.start()
    words = ["--ca", "issuing", "--template", "device", "--set", "approvals=1"]
    policy = daemon.json("policy", "add", "watched", *words)["id"]
    entity = daemon.json("entity", "add", "watched", "--policy", policy)
    secret = ["-ref", entity["id"], "-secret", f"pass:{entity['new_password']}"]
    yield daemon, ["-path", f"cmp/{policy}", *secret]
    assert daemon.stop() == 0


def _ask(device: Device, options: list[str], *more: str) -> subprocess.Popen[str]:
    device.key()
    words = ["openssl", "cmp", "-cmd", "ir", "-server", device.daemon.address, *options, "-newkey", "key.pem"]
    words += ["-subject", DEMO_SUBJECT, "-certout", "cert.pem", "-total_timeout", str(PATIENCE), *more]
    return subprocess.Popen(
        words, cwd=device.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _waiting(daemon: Daemon) -> str:
    """The transactionID of the one request that waits."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        pending = daemon.json("cert", "list", "--pending")
        if pending:
            (one,) = pending
            transaction: str = one["request"]
            return transaction
        time.sleep(0.2)
    raise AssertionError(f"no request waits:\n{daemon.log}")


def test_an_approved_request_gets_its_certificate(
    patient: tuple[Daemon, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    daemon, options = patient
    device = Device(tmp_path_factory.mktemp("device"), daemon)
    client = _ask(device, options)
    done = daemon.cmpd("cert", "approve", _waiting(daemon))
    assert done.status == 0, done.output
    output, _ = client.communicate(timeout=PATIENCE)
    assert client.returncode == 0, output
    assert "POLLREQ" in output
    assert output.index("POLLREP") < output.index("CERTCONF")
    assert device.verify().status == 0


def test_a_rejected_request_gets_none(
    patient: tuple[Daemon, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    daemon, options = patient
    device = Device(tmp_path_factory.mktemp("device"), daemon)
    client = _ask(device, options)
    done = daemon.cmpd("cert", "reject", _waiting(daemon), "--reason", "not ours")
    assert done.status == 0, done.output
    output, _ = client.communicate(timeout=PATIENCE)
    assert client.returncode != 0
    assert "rejection" in output
    assert not (device.folder / "cert.pem").exists()
