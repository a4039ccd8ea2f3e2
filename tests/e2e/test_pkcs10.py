"""PKCS #10 requests through CMP: p10cr, under a shared secret and under a signature."""

from __future__ import annotations

import pytest
from cryptography import x509

from tests.e2e.harness import Device, cmp_trace


def _request(device: Device, kind: str = "EC:P-256", name: str = "key.pem") -> None:
    device.key(kind, name)
    subject = ["-subj", "/CN=Ten/O=MTG/C=DE", "-addext", "subjectAltName=DNS:ten.example"]
    device.openssl("req", "-new", "-key", name, *subject, "-out", "request.pem")


@pytest.mark.parametrize("kind", ["EC:P-256", "RSA:2048", "ED25519"])
def test_p10cr_under_a_shared_secret(device: Device, kind: str) -> None:
    _request(device, kind)
    done = device.cmp("p10cr", "-csr", "request.pem", "-certout", "cert.pem")
    assert done.status == 0, done.output
    assert cmp_trace(done) == ["P10CR", "CP", "CERTCONF", "PKICONF"]
    assert device.verify().status == 0
    certificate = device.certificate()
    san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["ten.example"]
    assert [attribute.value for attribute in certificate.subject] == ["Ten", "MTG", "DE"]


def test_p10cr_signed_with_a_certificate(device: Device) -> None:
    assert device.enrol().status == 0
    _request(device, name="ten-key.pem")
    done = device.signed("p10cr", "-csr", "request.pem", "-certout", "ten.pem")
    assert done.status == 0, done.output
    assert device.verify("ten.pem").status == 0


def test_a_request_whose_signature_is_broken_is_refused(device: Device) -> None:
    _request(device)
    device.openssl("req", "-in", "request.pem", "-outform", "DER", "-out", "request.der")
    broken = bytearray((device.folder / "request.der").read_bytes())
    broken[-1] ^= 1
    (device.folder / "broken.der").write_bytes(broken)
    done = device.cmp("p10cr", "-csr", "broken.der", "-certout", "cert.pem")
    assert done.status != 0
    assert not (device.folder / "cert.pem").exists()


def test_genm_is_answered_with_what_it_asks(device: Device) -> None:
    done = device.cmp("genm", "-infotype", "signKeyPairTypes")
    assert done.status == 0, done.output
    assert cmp_trace(done) == ["GENM", "GENP"]
    assert "signKeyPairTypes" in done.output.replace("id-it-", "")
