"""Keys that decrypt and do not sign: the encrypted certificate (RFC 9810, section 5.2.8.3.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding

from cmpd.clm.model import CertificateState
from cmpd.cmp.protection.hashing import NULL
from cmpd.cmp.wire import schema
from tests.clm import pki
from tests.cmp.cms import reader
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import World, ra_holder, signed_by
from tests.cmpclient import requests
from tests.cmpclient.client import IMPLICIT_CONFIRM
from tests.cmpclient.response import Response

ENCRYPTED_CERTIFICATE = ("subsequentMessage", 0)
CHOICES = {
    "RSA": "keyEncipherment",
    "P-256": "keyAgreement",
    "P-384": "keyAgreement",
    "P-521": "keyAgreement",
}


def usage(*names: str) -> x509.KeyUsage:
    known = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in names for name in known})


def asked(kind: str, key: str, proof: Any = None, *, number: int = 70, **fields: Any) -> tuple[str, Any]:
    """A request for a certificate over an encryption key; by default the certificate is to come encrypted."""
    proof = proof or (CHOICES[key], ENCRYPTED_CERTIFICATE)
    return kind, [requests.certificate_request(pki.key(key, number), proof=proof, **fields)]


def encrypted(response: Response) -> bytes:
    choice, value = response.content["response"][0]["certifiedKeyPair"]["certOrEncCert"]
    assert choice == "encryptedCert"
    return bytes(value)


def opened(folder: Path, response: Response, key: Any) -> x509.Certificate:
    """The certificate, by OpenSSL's decryption."""
    return x509.load_der_x509_certificate(
        reader.openssl_decrypt(folder, reader.enveloped(encrypted(response)), key)
    )


def opened_value(response: Response, key: Any) -> x509.Certificate:
    """The certificate in an EncryptedValue, as clients of CMP version 2 open it."""
    choice, value = schema.decode("RawEncryptedKey", encrypted(response))
    assert choice == "encryptedValue"
    content_key = key.decrypt(value["encSymmKey"][0], padding.PKCS1v15())
    der = reader.aes_decrypt(content_key, value["symmAlg"]["parameters"], value["encValue"][0])
    return x509.load_der_x509_certificate(der)


@pytest.mark.parametrize("kind", ["ir", "cr"])
@pytest.mark.parametrize("key", CHOICES)
def test_the_certificate_comes_encrypted_and_certConf_proves_possession(
    world: World, tmp_path: Path, kind: str, key: str
) -> None:
    transaction = world.client(pvno=3).begin()
    response = transaction.send(asked(kind, key))
    assert response.status == "accepted"
    certificate = opened(tmp_path, response, pki.key(key, 70))
    assert world.state(certificate) is CertificateState.UNCONFIRMED
    assert transaction.send(requests.confirmation(certificate)).kind == "pkiconf"
    assert world.state(certificate) is CertificateState.ACTIVE


def test_under_pvno_2_it_comes_as_EncryptedValue(world: World) -> None:
    transaction = world.client(pvno=2).begin()
    response = transaction.send(asked("ir", "RSA"))
    certificate = opened_value(response, pki.key("RSA", 70))
    assert transaction.send(requests.confirmation(certificate)).kind == "pkiconf"
    assert world.state(certificate) is CertificateState.ACTIVE


def test_a_key_update_can_be_for_an_encryption_key(world: World, tmp_path: Path) -> None:
    signer = world.device("CN=updated", 71)
    transaction = world.client(signer, pvno=3).begin()
    response = transaction.send(asked("kur", "RSA", subject="CN=updated"))
    assert response.kind == "kup"
    certificate = opened(tmp_path, response, pki.key("RSA", 70))
    transaction.send(requests.confirmation(certificate))
    assert world.state(certificate) is CertificateState.ACTIVE


def test_the_certificate_stands_nowhere_in_the_response(world: World, tmp_path: Path) -> None:
    response = world.client(pvno=3).begin().send(asked("ir", "RSA"))
    certificate = opened(tmp_path, response, pki.key("RSA", 70))
    assert certificate.signature not in response.der


def test_implicit_confirmation_is_not_granted(world: World, tmp_path: Path) -> None:
    transaction = world.client(pvno=3).begin(general_info={IMPLICIT_CONFIRM: NULL})
    response = transaction.send(asked("ir", "RSA"))
    assert IMPLICIT_CONFIRM not in response.general_info
    certificate = opened(tmp_path, response, pki.key("RSA", 70))
    assert world.state(certificate) is CertificateState.UNCONFIRMED


def test_a_certConf_without_the_certificate_proves_nothing(world: World, tmp_path: Path) -> None:
    transaction = world.client(pvno=3).begin()
    certificate = opened(tmp_path, transaction.send(asked("ir", "RSA")), pki.key("RSA", 70))
    guess = transaction.send(requests.confirmation(certificate, certHash=bytes(32)))
    assert guess.fail_info == ("badCertId",)
    assert world.state(certificate) is CertificateState.UNCONFIRMED


@pytest.mark.parametrize(
    ("key", "bits"),
    [
        ("RSA", ("key_encipherment",)),
        ("RSA", ("digital_signature", "key_encipherment")),
        ("RSA", ("key_encipherment", "data_encipherment")),
        ("P-256", ("key_agreement",)),
        ("P-256", ("digital_signature", "key_agreement")),
    ],
)
def test_keyUsage_comes_as_asked(world: World, tmp_path: Path, key: str, bits: tuple[str, ...]) -> None:
    response = world.client(pvno=3).begin().send(asked("ir", key, extensions=[usage(*bits)]))
    certificate = opened(tmp_path, response, pki.key(key, 70))
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value == usage(*bits)


@pytest.mark.parametrize(("key", "bit"), [("RSA", "key_encipherment"), ("P-256", "key_agreement")])
def test_without_keyUsage_the_popo_says_what_the_key_is_for(
    world: World, tmp_path: Path, key: str, bit: str
) -> None:
    response = world.client(pvno=3).begin().send(asked("ir", key))
    certificate = opened(tmp_path, response, pki.key(key, 70))
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value == usage(bit)


MAC = {"algId": schema.encode("AlgorithmIdentifier", {"algorithm": "1.2.3"}), "value": (b"\1", 8)}
RSA, EC = "keyEncipherment", "keyAgreement"
SIGNS = {"extensions": [usage("digital_signature")]}


@pytest.mark.parametrize(
    ("key", "proof", "fields", "text"),
    [
        ("RSA", (RSA, ("thisMessage", (b"\1", 8))), {}, "keyEncipherment with thisMessage"),
        ("P-256", (EC, ("thisMessage", (b"\1", 8))), {}, "keyAgreement with thisMessage"),
        ("P-256", (EC, ("dhMAC", (b"\1", 8))), {}, "keyAgreement with dhMAC"),
        ("P-256", (EC, ("agreeMAC", MAC)), {}, "keyAgreement with agreeMAC"),
        ("RSA", (RSA, ("encryptedKey", [])), {}, "keyEncipherment with encryptedKey"),
        ("P-256", (EC, ("encryptedKey", [])), {}, "keyAgreement with encryptedKey"),
        ("RSA", (RSA, ("subsequentMessage", 2)), {}, "subsequentMessage 2"),
        ("RSA", (RSA, ("subsequentMessage", -1)), {}, "subsequentMessage -1"),
        ("RSA", (EC, ENCRYPTED_CERTIFICATE), {}, "keyAgreement is for EC keys"),
        ("P-256", (RSA, ENCRYPTED_CERTIFICATE), {}, "keyEncipherment is for RSA keys"),
        ("Ed25519", (RSA, ENCRYPTED_CERTIFICATE), {}, "keyEncipherment is for RSA keys"),
        ("Ed25519", (EC, ENCRYPTED_CERTIFICATE), {}, "keyAgreement is for EC keys"),
        ("RSA", (RSA, ENCRYPTED_CERTIFICATE), SIGNS, "without that key usage"),
        ("P-256", (EC, ENCRYPTED_CERTIFICATE), SIGNS, "without that key usage"),
        ("RSA", (EC, ("subsequentMessage", 1)), {}, "keyAgreement is for EC keys"),
        ("P-256", (EC, ("subsequentMessage", 1)), SIGNS, "without that key usage"),
    ],
)
def test_other_proofs_are_badPOP(
    world: World, key: str, proof: Any, fields: dict[str, Any], text: str
) -> None:
    before = len(world.certificates())
    response = world.client(pvno=3).begin().send(asked("ir", key, proof, **fields))
    assert (response.kind, response.fail_info) == ("ip", ("badPOP",))
    assert text in response.text
    assert len(world.certificates()) == before


def test_an_ec_key_under_pvno_2_is_badPOP(world: World) -> None:
    before = len(world.certificates())
    response = world.client(pvno=2).begin().send(asked("ir", "P-256"))
    assert response.fail_info == ("badPOP",)
    assert "pvno 3" in response.text
    assert len(world.certificates()) == before


def test_a_template_that_gives_signing_only_is_badPOP(make_world: MakeWorld) -> None:
    world = make_world({"template": "code-signing"})
    response = world.client(pvno=3).begin().send(asked("ir", "RSA"))
    assert response.fail_info == ("badPOP",)


def test_an_ra_may_say_that_it_verified_the_proof(world: World) -> None:
    """Then the certificate comes as it is, whatever the key is for."""
    client = world.client(signed_by(ra_holder()), pvno=3)
    body = asked("cr", "RSA", ("raVerified", None), extensions=[usage("key_encipherment")])
    response = client.begin().send(body)
    assert response.status == "accepted"
    assert response.certificate
