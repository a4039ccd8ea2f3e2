"""CMP over HTTPS with `openssl cmp -tls_used`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Daemon, Device


@pytest.fixture
def tls_daemon(stopped: Daemon) -> Iterator[Daemon]:
    """A daemon that listens with TLS alone, its certificate in tls.pem."""
    daemon = stopped
    maker = Device(daemon.folder, daemon)
    maker.key(name="tls-key.pem")
    maker.openssl(
        *("req", "-x509", "-key", "tls-key.pem", "-subj", "/CN=localhost", "-out", "tls.pem"),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
    )
    (daemon.folder / "tls-key.pem").chmod(0o600)
    listen = f'address = "{daemon.address}"'
    daemon.configure(listen, f'{listen}\ntls_certificate = "tls.pem"\ntls_key = "tls-key.pem"')
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()


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
