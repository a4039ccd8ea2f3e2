"""Keys made by the server for `openssl cmp -centralkeygen`, which OpenSSL has from 3.5 on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.e2e.harness import DEMO_SUBJECT, Daemon, Device, Run, cmp_trace, openssl_version

pytestmark = [
    pytest.mark.may_skip("OpenSSL 3.0 cannot ask for keys"),
    pytest.mark.skipif(openssl_version() < (3, 5), reason="this OpenSSL cannot ask for keys"),
]
ASK = ("-centralkeygen", "-newkeyout", "made.pem", "-certout", "made-cert.pem")
RECEIVES = "[both]\nkeyUsage = critical, digitalSignature, keyEncipherment, keyAgreement\n"


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that makes keys."""
    daemon = Daemon(tmp_path_factory.mktemp("maker"))
    daemon.init()
    assert daemon.cmpd("policy", "set", "default", "central_key_generation=true").status == 0
    daemon.start()
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture
def device(maker: Daemon, tmp_path: Path) -> Device:
    return Device(tmp_path, maker)


def check(device: Device, done: Run) -> None:
    """The key that came is that of the certificate, which is confirmed."""
    assert done.status == 0, done.output
    assert cmp_trace(done)[-2:] == ["CERTCONF", "PKICONF"]
    private = load_pem_private_key((device.folder / "made.pem").read_bytes(), None)
    certificate = device.certificate("made-cert.pem")
    assert private.public_key() == certificate.public_key()
    assert device.daemon.standing(certificate) == "active"


def trust(device: Device) -> tuple[str, str]:
    """Whom the client trusts to have made a key; without, it takes none."""
    return "-trusted", str(device.daemon.folder / "ca.pem")


@pytest.mark.parametrize("kind", ["EC:P-256", "EC:P-384", "EC:P-521", "ED25519", "ED448", "RSA:2048"])
def test_a_key_of_the_kind_of_newkey_comes_for_the_password(device: Device, kind: str) -> None:
    device.key(kind)
    words = ["-newkey", "key.pem", "-subject", DEMO_SUBJECT, *ASK, *trust(device)]
    check(device, device.cmp("ir", *words))


def test_without_newkey_the_server_chooses(device: Device) -> None:
    check(device, device.cmp("ir", "-subject", DEMO_SUBJECT, *ASK, *trust(device)))


@pytest.mark.parametrize("command", ["cr", "kur"])
@pytest.mark.parametrize("kind", ["EC:P-256", "EC:P-521", "RSA:2048"])
def test_a_key_comes_for_the_certificate_that_signs(device: Device, kind: str, command: str) -> None:
    (device.folder / "request.cnf").write_text(RECEIVES, "utf-8")
    device.key(kind)
    assert device.enrol("ir", "-config", "request.cnf", "-reqexts", "both").status == 0
    check(device, device.signed(command, *ASK))
