"""CMP over HTTPS with `openssl cmp -tls_used`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Daemon, Device


@pytest.fixture
def tls_daemon(stopped: Daemon) -> Iterator[Daemon]:
    """A daemon that listens with TLS alone, its certificate in tls.pem."""
    _secure(stopped)
    stopped.start()
    try:
        yield stopped
    finally:
        stopped.stop()


def _secure(daemon: Daemon) -> None:
    maker = Device(daemon.folder, daemon)
    maker.key(name="tls-key.pem")
    maker.openssl(
        *("req", "-x509", "-key", "tls-key.pem", "-subj", "/CN=localhost", "-out", "tls.pem"),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
    )
    (daemon.folder / "tls-key.pem").chmod(0o600)
    listen = f'address = "{daemon.address}"'
    daemon.configure(listen, f'{listen}\ntls_certificate = "tls.pem"\ntls_key = "tls-key.pem"')


def test_enrolment_over_tls(tls_daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> None:
    device = Device(tmp_path_factory.mktemp("device"), tls_daemon)
    trust = ["-tls_used", "-tls_trusted", str(tls_daemon.folder / "tls.pem"), "-tls_host", "localhost"]
    done = device.enrol("ir", *trust)
    assert done.status == 0, done.output
    assert "https://" in done
    assert device.verify().status == 0


def test_plain_http_gets_nothing_from_a_tls_listener(
    tls_daemon: Daemon, tmp_path_factory: pytest.TempPathFactory
) -> None:
    device = Device(tmp_path_factory.mktemp("device"), tls_daemon)
    assert device.enrol("ir").status != 0
    assert not [one for one in tls_daemon.certificates() if one.entity]


def test_a_reload_takes_other_client_cas_and_another_certificate(
    tls_daemon: Daemon, tmp_path_factory: pytest.TempPathFactory
) -> None:
    device = Device(tmp_path_factory.mktemp("device"), tls_daemon)
    trust = ["-tls_used", "-tls_trusted", str(tls_daemon.folder / "tls.pem"), "-tls_host", "localhost"]
    folder = str(tls_daemon.folder)
    identity = ["-tls_cert", f"{folder}/tls.pem", "-tls_key", f"{folder}/tls-key.pem"]
    assert device.enrol("ir", *trust).status == 0
    tls_daemon.configure('# tls_client_ca = "tls-clients.pem"', 'tls_client_ca = "tls.pem"')
    tls_daemon.configure("# tls_client_required = false", "tls_client_required = true")
    tls_daemon.hang_up(f"changed: listen {tls_daemon.address}: tls_client_ca, listen ")
    assert device.enrol("ir", *trust).status != 0
    assert device.enrol("ir", *trust, *identity).status == 0


def test_a_reload_with_client_cas_that_cannot_be_used_changes_nothing(
    tls_daemon: Daemon, tmp_path_factory: pytest.TempPathFactory
) -> None:
    device = Device(tmp_path_factory.mktemp("device"), tls_daemon)
    trust = ["-tls_used", "-tls_trusted", str(tls_daemon.folder / "tls.pem"), "-tls_host", "localhost"]
    tls_daemon.configure('# tls_client_ca = "tls-clients.pem"', 'tls_client_ca = "cmpd.conf"')
    tls_daemon.hang_up("the configuration stays as it was: listen.tls_client_ca")
    assert device.enrol("ir", *trust).status == 0


def test_a_reload_turns_tls_on(own_daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> None:
    device = Device(tmp_path_factory.mktemp("device"), own_daemon)
    assert device.enrol("ir").status == 0
    _secure(own_daemon)
    own_daemon.hang_up("tls_certificate")
    trust = ["-tls_used", "-tls_trusted", str(own_daemon.folder / "tls.pem"), "-tls_host", "localhost"]
    assert device.enrol("ir").status != 0
    assert device.enrol("ir", *trust).status == 0
