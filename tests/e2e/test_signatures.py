"""Requests signed with a certificate cmpd issued: every algorithm, in both directions."""

from __future__ import annotations

import pytest

from tests.e2e.harness import DEMO_SUBJECT, Device, cmp_trace

# Key of the certificate that signs, and the digests it signs with (none: the algorithm has its own).
SIGNERS = [
    ("RSA:2048", "sha256"),
    ("RSA:2048", "sha384"),
    ("RSA:2048", "sha512"),
    ("EC:P-256", "sha256"),
    ("EC:P-384", "sha384"),
    ("EC:P-521", "sha512"),
]


@pytest.mark.parametrize(("kind", "digest"), SIGNERS)
def test_a_key_update_signed_with_the_old_certificate(device: Device, kind: str, digest: str) -> None:
    device.key(kind)
    assert device.enrol().status == 0
    done = device.update("-digest", digest, kind=kind)
    assert done.status == 0, done.output
    assert cmp_trace(done) == ["KUR", "KUP", "CERTCONF", "PKICONF"]
    assert device.verify("new.pem").status == 0
    old, new = device.certificate(), device.certificate("new.pem")
    assert new.subject == old.subject
    assert new.public_key() != old.public_key()
    assert device.daemon.standing(new) == "active"


@pytest.mark.parametrize("command", ["ir", "cr"])
def test_a_certificate_asks_for_another(device: Device, command: str) -> None:
    assert device.enrol().status == 0
    device.key(name="second-key.pem")
    wishes = ["-newkey", "second-key.pem", "-subject", DEMO_SUBJECT, "-certout", "second.pem"]
    done = device.signed(command, *wishes)
    assert done.status == 0, done.output
    assert device.verify("second.pem").status == 0
    assert device.daemon.standing(device.certificate()) == "active"
    assert device.daemon.standing(device.certificate("second.pem")) == "active"


def test_a_signed_request_is_answered_with_a_signature_a_stranger_cannot_give(device: Device) -> None:
    assert device.enrol().status == 0
    device.key(name="other-key.pem")
    device.openssl("req", "-x509", "-key", "other-key.pem", "-subj", "/CN=Other", "-out", "other.pem")
    device.key(name="new-key.pem")
    words = ["-cert", "cert.pem", "-key", "key.pem", "-newkey", "new-key.pem", "-certout", "new.pem"]
    done = device.cmp("kur", *words, "-trusted", "other.pem", secret=False)
    assert done.status != 0
    assert not (device.folder / "new.pem").exists()


def test_a_request_signed_by_a_self_made_certificate_is_refused(device: Device) -> None:
    device.key(name="other-key.pem")
    extension = "keyUsage=critical,digitalSignature"
    device.openssl(
        "req",
        "-x509",
        "-key",
        "other-key.pem",
        "-subj",
        "/CN=User",
        "-addext",
        extension,
        "-out",
        "other.pem",
    )
    device.key(name="new-key.pem")
    before = len(device.daemon.certificates())
    wishes = ["-newkey", "new-key.pem", "-subject", DEMO_SUBJECT, "-certout", "new.pem"]
    done = device.signed("ir", *wishes, "-extracerts", "other.pem", identity="other")
    assert done.status != 0
    assert "signerNotTrusted" in done
    assert len(device.daemon.certificates()) == before


def test_sha1_does_not_protect_a_message(device: Device) -> None:
    assert device.enrol().status == 0
    done = device.update("-digest", "sha1")
    assert done.status != 0
    assert "badAlg" in done
