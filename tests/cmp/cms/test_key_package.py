"""Generated private keys on their way: AsymmetricKeyPackage, SignedData, EnvelopedData (RFC 9483, 4.1.6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_der_private_key

from cmpd.cmp.cms import key_package, recipients
from cmpd.cmp.cms.enveloped import DATA, SIGNED_DATA, envelop
from cmpd.cmp.cms.signed import ContentSigner, sign
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from tests.clm.pki import Holder, Plan, key, name
from tests.cmp.cms import reader

if TYPE_CHECKING:
    from pathlib import Path

ID = recipients.CertificateId(name("ca").public_bytes(), 7)
CM_KGA = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.32")])
ALWAYS = (-10_000, 10_000)


def authority(kind: str) -> tuple[Holder, ContentSigner]:
    """A CA and the key generation authority it certified."""
    ca = Plan(name("ca"), key(kind, 1), ca=True, days=ALWAYS).issue(None)
    kga = Plan(name("kga"), key(kind, 2), days=ALWAYS, extensions=((CM_KGA, False),)).issue(ca)
    key_id = kga.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    return ca, ContentSigner(kga.key, key_id, (kga.der,))


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521", "Ed25519", "ML-DSA-44"])
def test_a_key_package_holds_the_private_key_and_its_public_half(kind: str) -> None:
    package = key_package.key_package(key(kind))
    assert reader.read_package(package).public_key() == key(kind).public_key()
    [one] = schema.decode("RawAsymmetricKeyPackage", package)
    assert one["publicKey"][1] == 8 * len(one["publicKey"][0])


@pytest.mark.parametrize("kga", ["RSA", "P-256", "P-384"])
@pytest.mark.parametrize("recipient", ["RSA", "P-256", "P-384", "P-521"])
def test_openssl_recovers_a_delivered_key(tmp_path: Path, kga: str, recipient: str) -> None:
    ca, signer = authority(kga)
    generated = key("P-256", 50)
    delivered = key_package.deliver(
        generated, signer, recipients.for_key(key(recipient).public_key(), ID), os.urandom, 3
    )
    value = reader.enveloped(delivered)
    assert value["encryptedContentInfo"]["contentType"] == SIGNED_DATA
    signed = reader.openssl_decrypt(tmp_path, value, key(recipient))
    package = reader.openssl_verify(tmp_path, signed, ca)
    assert reader.read_package(package).public_key() == generated.public_key()


def test_a_shared_secret_opens_what_was_enveloped_for_it(tmp_path: Path) -> None:
    ca, signer = authority("P-256")
    delivered = key_package.deliver(
        key("RSA", 50), signer, recipients.PasswordRecipient(b"secret"), os.urandom, 3
    )
    signed = reader.password_decrypt(reader.enveloped(delivered), b"secret")
    package = reader.openssl_verify(tmp_path, signed, ca)
    assert reader.read_package(package).public_key() == key("RSA", 50).public_key()


@pytest.mark.parametrize("kind", ["RSA", "P-256", "Ed448", "ML-DSA-44"])
def test_under_pvno_2_the_key_is_alone_and_openssl_opens_it_with_the_secret(
    tmp_path: Path, kind: str
) -> None:
    ca, signer = authority("P-256")
    delivered = key_package.deliver(key(kind, 50), signer, recipients.PasswordKEK(b"secret"), os.urandom, 2)
    signed = reader.openssl_password_decrypt(tmp_path, reader.enveloped(delivered), b"secret")
    content = reader.openssl_verify(tmp_path, signed, ca)
    assert load_der_private_key(content, None).public_key() == key(kind, 50).public_key()


def test_pwri_kek_says_length_and_check_value_under_two_encryptions() -> None:
    content_key, wrapping_key, iv = bytes(range(32)), b"k" * 32, b"i" * 16
    wrapped = recipients.pwri_kek(wrapping_key, iv, content_key, lambda count: b"p" * count)
    last = _decrypt_blocks(wrapping_key, wrapped[-32:-16], wrapped[-16:])
    once = _decrypt_blocks(wrapping_key, last, wrapped)
    block = _decrypt_blocks(wrapping_key, iv, once)
    assert block == b"\x20\xff\xfe\xfd" + content_key + b"p" * 12


def _decrypt_blocks(wrapping_key: bytes, iv: bytes, blocks: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(wrapping_key), modes.CBC(iv)).decryptor()
    return decryptor.update(blocks) + decryptor.finalize()


@pytest.mark.parametrize(
    ("recipient", "version", "choice"),
    [
        (recipients.for_key(key("RSA").public_key(), ID), 0, "ktri"),
        (recipients.for_key(key("P-256").public_key(), ID), 2, "kari"),
        (recipients.PasswordRecipient(b"secret", iterations=1000), 3, "pwri"),
        (recipients.PasswordKEK(b"secret", iterations=1000), 3, "pwri"),
    ],
)
def test_the_version_and_the_one_recipient_info_go_with_the_technique(
    recipient: recipients.Recipient, version: int, choice: str
) -> None:
    value = envelop(b"content", DATA, recipient, os.urandom)
    assert value["version"] == version
    assert [found for found, _ in value["recipientInfos"]] == [choice]


def test_key_transport_is_oaep_with_sha256() -> None:
    value = envelop(b"content", DATA, recipients.for_key(key("RSA").public_key(), ID), os.urandom)
    algorithm = value["recipientInfos"][0][1]["keyEncryptionAlgorithm"]
    assert schema.decode("AlgorithmIdentifier", algorithm)["algorithm"] == "1.2.840.113549.1.1.7"


def test_nothing_is_encrypted_twice_under_one_key() -> None:
    recipient = recipients.for_key(key("P-256").public_key(), ID)
    first, second = (envelop(b"content", DATA, recipient, os.urandom) for _ in range(2))
    assert first["encryptedContentInfo"] != second["encryptedContentInfo"]
    assert first["recipientInfos"] != second["recipientInfos"]


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 4096])
def test_content_of_any_length_comes_back(tmp_path: Path, length: int) -> None:
    content = os.urandom(length)
    value = envelop(content, DATA, recipients.for_key(key("P-256").public_key(), ID), os.urandom)
    assert reader.openssl_decrypt(tmp_path, value, key("P-256")) == content


@pytest.mark.parametrize("kind", ["Ed25519", "Ed448", "secp256k1", "ML-DSA-44"])
def test_a_key_that_cannot_decrypt_is_badRequest(kind: str) -> None:
    with pytest.raises(CMPFailure) as raised:
        recipients.for_key(key(kind).public_key(), ID)
    assert raised.value.fail_info is FailInfo.badRequest


def usage(**allowed: bool) -> x509.KeyUsage:
    names = (
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
    return x509.KeyUsage(**{**dict.fromkeys(names, False), **allowed})


@pytest.mark.parametrize(
    ("kind", "allowed", "admitted"),
    [
        ("RSA", {"key_encipherment": True}, True),
        ("RSA", {"digital_signature": True}, False),
        ("P-256", {"key_agreement": True}, True),
        ("P-256", {"digital_signature": True, "key_encipherment": True}, False),
    ],
)
def test_key_usage_of_the_protection_certificate_must_admit_it(
    kind: str, allowed: dict[str, bool], admitted: bool
) -> None:
    holder = Plan(name("device"), key(kind), extensions=((usage(**allowed), True),)).issue(None)
    if admitted:
        assert recipients.for_certificate(holder.certificate)
        return
    with pytest.raises(CMPFailure) as raised:
        recipients.for_certificate(holder.certificate)
    assert raised.value.fail_info is FailInfo.badRequest


def test_without_key_usage_the_kind_of_key_decides() -> None:
    holder = Plan(name("device"), key("RSA")).issue(None)
    recipient = recipients.for_certificate(holder.certificate)
    assert isinstance(recipient, recipients.KeyTransport)
    assert recipient.id.serial_number == holder.certificate.serial_number


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-521"])
def test_openssl_verifies_what_is_signed(tmp_path: Path, kind: str) -> None:
    ca, signer = authority(kind)
    assert reader.openssl_verify(tmp_path, sign(b"content", DATA, signer), ca) == b"content"


@pytest.mark.parametrize("kind", ["Ed25519", "Ed448", "ML-DSA-44"])
def test_signed_attributes_are_signed_in_der_order(kind: str) -> None:
    _, signer = authority(kind)
    value = schema.decode("RawSignedData", sign(b"content", DATA, signer))
    [info] = value["signerInfos"]
    encoded = [schema.encode("RawSignedAttribute", each) for each in info["signedAttrs"]]
    assert encoded == sorted(encoded)
    signed = schema.encode("RawSignedAttributes", info["signedAttrs"])
    assert signed[0] == 0x31
    public_key: Any = signer.key.public_key()
    public_key.verify(info["signature"], signed)
