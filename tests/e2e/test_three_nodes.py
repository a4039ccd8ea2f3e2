"""The set-up of docs/scaling.md as a whole: three nodes, a database and its standby, a balancer."""

from __future__ import annotations

import random
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.store.postgres.sql import MIGRATIONS
from tests.e2e.harness import PROJECT, Daemon, Device, have, run
from tests.e2e.soak import Findings, Soak
from tests.support.postgres import MISSING, PostgresServer, binaries

NAMES = ("a", "b", "c")
PASSWORD = "GTTgcdagW-OGJ73"
LATER = ("ALTER TABLE certificates ADD COLUMN later text",)
LATER_SCHEMA = (*MIGRATIONS, LATER)
LATER_VERSION = f"""
from cmpd.clm.store.postgres import migrations

migrations.MIGRATIONS = (*migrations.MIGRATIONS, {LATER!r})
"""
"""As sitecustomize.py, it makes of this cmpd one with a later schema."""
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  {documented}
}}
"""


def _documented(opening: str) -> str:
    """The indented block of docs/scaling.md that begins so."""
    text = (PROJECT / "docs" / "scaling.md").read_text("utf-8")
    (found,) = (
        block for block in re.findall(r"(?:^ {4}.*\n)+", text, re.M) if block.lstrip().startswith(opening)
    )
    return str(found)


@dataclass
class SetUp:
    """All of it, running."""

    folder: Path
    primary: PostgresServer
    standby: PostgresServer
    nodes: list[Daemon]
    balancer: Daemon
    """Not one, but where clients find one: a folder with ca.pem, and nginx's address."""

    def promote(self) -> None:
        """The primary is gone, all at once; its standby takes its place."""
        self.primary.stop()
        self.standby.promote()


def _databases(stack: list[PostgresServer]) -> tuple[str, str]:
    """A primary and its standby, as the documentation has them; gives their authorities and the CA file."""
    primary = PostgresServer()
    stack.append(primary)
    certificate = primary.certify()
    primary.start()
    primary.execute(f"CREATE ROLE cmpd LOGIN PASSWORD '{PASSWORD}'")
    primary.execute("CREATE DATABASE cmpd OWNER cmpd")
    primary.execute(f"CREATE ROLE standby REPLICATION LOGIN PASSWORD '{PASSWORD}'")
    everybody = "127.0.0.1/32 scram-sha-256"
    primary.demand((f"hostssl cmpd cmpd {everybody}", f"hostssl replication standby {everybody}"))
    stack.append(primary.standby(f"standby:{PASSWORD}"))
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in stack)
    return hosts, str(certificate)


@pytest.fixture
def set_up(tmp_path: Path) -> Iterator[SetUp]:
    """As docs/scaling.md says, on loopback."""
    if binaries() is None:
        pytest.skip(MISSING)
    if not have("nginx"):
        pytest.skip("there is no nginx here (apt-get install nginx)")
    servers: list[PostgresServer] = []
    nodes = [
        Daemon(tmp_path / name, environment={"CMPD_HTTP_TRUSTED_PROXIES": '["127.0.0.1"]'}) for name in NAMES
    ]
    balancer = Daemon(tmp_path / "balancer")
    nginx = None
    try:
        hosts, certificate = _databases(servers)
        (tmp_path / "pgpass").write_text(f"*:*:cmpd:cmpd:{PASSWORD}\n", "utf-8")
        (tmp_path / "pgpass").chmod(0o600)
        options = f"sslmode=verify-full&sslrootcert={certificate}&passfile={tmp_path / 'pgpass'}"
        for one in (*nodes, balancer):
            one.folder.mkdir()
        nodes[0].init(f"postgresql://cmpd@{hosts}/cmpd?{options}", "--url", f"http://{balancer.address}")
        for name, node in zip(NAMES, nodes, strict=True):
            if node is not nodes[0]:
                node.join(nodes[0])
            node.configure('# node = ""' if node is nodes[0] else 'node = "a"', f'node = "{name}"')
            node.start()
        (balancer.folder / "ca.pem").write_bytes((nodes[0].folder / "ca.pem").read_bytes())
        nginx = _balance(balancer, nodes)
        yield SetUp(tmp_path, servers[0], servers[1], nodes, balancer)
    finally:
        if nginx is not None:
            nginx.terminate()
            nginx.wait(10)
        for node in nodes:
            if node.process is not None and node.process.poll() is None:
                node.process.kill()
                node.process.wait()
        for server in servers:
            server.remove()


def _balance(balancer: Daemon, nodes: list[Daemon]) -> subprocess.Popen[bytes]:
    """nginx with the documented configuration, but for addresses."""
    documented = _documented("upstream cmpd")
    for name, node in zip(NAMES, nodes, strict=True):
        documented = documented.replace(f"node-{name}:8504", node.address)
    documented = documented.replace("listen 80;", f"listen {balancer.address};")
    path = balancer.folder / "nginx.conf"
    path.write_text(NGINX.format(folder=balancer.folder, documented=documented), "utf-8")
    process = subprocess.Popen(["nginx", "-e", str(balancer.folder / "nginx.log"), "-c", str(path)])
    until = time.monotonic() + 10
    while not (balancer.folder / "nginx.pid").exists():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    return process


def _lives(device: Device) -> x509.Certificate:
    """Enrol, update, and revoke the update's certificate, through the balancer; gives that certificate."""
    assert device.enrol().status == 0
    updated = device.update()
    assert updated.status == 0, updated.output
    revoked = device.signed("rr", "-oldcert", "new.pem", "-revreason", "1", identity="new")
    assert revoked.status == 0, revoked.output
    return device.certificate("new.pem")


def _point(certificate: x509.Certificate) -> str:
    (point,) = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name
    return str(point.full_name[0].value)


def test_a_device_s_life_goes_through_the_balancer_and_its_crl_too(set_up: SetUp) -> None:
    device = Device(set_up.balancer.folder, set_up.balancer)
    revoked = _lives(device)
    location = _point(revoked)
    assert location.startswith(f"http://{set_up.balancer.address}/crl/")
    until = time.monotonic() + 10
    while True:
        with urlopen(location) as response:
            crl = x509.load_der_x509_crl(response.read())
        if crl.get_revoked_certificate_by_serial_number(revoked.serial_number) is not None:
            break
        assert time.monotonic() < until
        time.sleep(0.1)
    (device.folder / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    checked = ("openssl", "verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "crl.pem")
    assert run([*checked, "cert.pem"], device.folder).status == 0
    assert "certificate revoked" in run([*checked, "new.pem"], device.folder)
    peers = {line for node in set_up.nodes for line in re.findall(r"peer=(\S+)", node.log)}
    assert peers == {"127.0.0.1"}
    assert not any(PASSWORD in node.log for node in set_up.nodes)


def test_nothing_is_lost_or_doubled_by_a_node_or_the_database_killed_or_an_upgrade_under_load(
    set_up: SetUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = Findings()
    soak = Soak(set_up.nodes, findings, random.Random(), fronts=[set_up.balancer])
    later = tmp_path / "later"
    later.mkdir()
    (later / "sitecustomize.py").write_text(LATER_VERSION, "utf-8")

    def disturb() -> None:
        soak.await_progress()
        killed = set_up.nodes[1]
        assert killed.process is not None
        killed.process.kill()
        killed.process.wait()
        soak.await_progress()
        # nginx asked another node instead, as the same request may be sent twice.
        assert not findings.interrupted
        killed.start()
        soak.await_progress()
        set_up.standby.stop()
        time.sleep(1)
        set_up.standby.start()
        soak.await_progress()
        set_up.promote()
        soak.await_progress()
        for number, node in enumerate(set_up.nodes):
            assert node.stop() == 0
            if number == 1:  # the first one has changed the schema
                refused = node.cmpd("check")
                assert refused.status == 78
                assert f"schema {len(MIGRATIONS) + 1} of a later cmpd" in refused
            node.environment["PYTHONPATH"] = str(later)
            node.start()
            soak.await_progress()
        # To look into the store from here, too.
        monkeypatch.setattr("cmpd.clm.store.postgres.migrations.MIGRATIONS", LATER_SCHEMA)

    soak.run(disturb, stubborn=2, openssl=1)
    assert findings.enrolled > 20
    assert findings.repeated
    assert not findings.wrong, "\n".join(findings.wrong)
    assert not any("Traceback" in node.log for node in set_up.nodes)
