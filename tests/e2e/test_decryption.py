"""Certificates for keys that only decrypt, by `openssl cmp -popo 2`: the certificate comes encrypted."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from tests.e2e.harness import Daemon, Device, cmp_trace


@pytest.fixture
def device(lenient_daemon: Daemon, tmp_path: Path) -> Device:
    """A client that may have a certificate without digitalSignature, which the first policy gives nobody."""
    return Device(tmp_path, lenient_daemon)


@pytest.mark.parametrize(("command", "answer"), [("ir", "IP"), ("cr", "CP")])
@pytest.mark.parametrize("bits", ["2048", "4096"])
def test_openssl_decrypts_its_certificate_and_confirms_it(
    device: Device, command: str, answer: str, bits: str
) -> None:
    device.key(f"RSA:{bits}")
    done = device.enrol(command, "-popo", "2")
    assert done.status == 0, done.output
    assert cmp_trace(done) == [command.upper(), answer, "CERTCONF", "PKICONF"]
    assert device.verify().status == 0
    certificate = device.certificate()
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_encipherment
    assert not usage.digital_signature
    assert device.daemon.standing(certificate) == "active"


def test_an_encrypted_certificate_is_never_confirmed_implicitly(device: Device) -> None:
    device.key("RSA:2048")
    done = device.enrol("ir", "-popo", "2", "-implicit_confirm")
    assert done.status == 0, done.output
    assert cmp_trace(done) == ["IR", "IP", "CERTCONF", "PKICONF"]


def test_an_encrypted_certificate_nobody_confirms_stays_unconfirmed(device: Device) -> None:
    device.key("RSA:2048")
    assert device.enrol("ir", "-popo", "2", "-disable_confirm").status == 0
    assert device.daemon.standing(device.certificate()) == "unconfirmed"


def test_a_key_that_cannot_decrypt_is_badPOP(device: Device) -> None:
    device.key("EC:P-256")
    done = device.enrol("ir", "-popo", "2")
    assert done.status != 0
    assert "badPOP" in done
