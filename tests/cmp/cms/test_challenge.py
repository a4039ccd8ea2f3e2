"""The challenge to decrypt: popdecc and popdecr (RFC 9810, section 5.2.8.3.3)."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import NameOID

from cmpd.cmp.cms import challenge as challenges
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.general_names import directory_name, null_dn
from tests.clm.pki import key, name
from tests.cmp.cms import reader

if TYPE_CHECKING:
    from pathlib import Path

SENDER = directory_name(name("ca").public_bytes())
LONG = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x" * 64) for _ in range(4)])


def make(kind: str, pvno: int, sender: bytes = SENDER) -> challenges.Challenge:
    return challenges.challenge(key(kind).public_key(), 0, sender, pvno, os.urandom)


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521"])
def test_under_version_3_rand_comes_enveloped(tmp_path: Path, kind: str) -> None:
    made = make(kind, 3)
    assert made.content["challenge"] == b""
    value = schema.decode("RawEnvelopedData", made.content["encryptedRand"])
    rand = schema.decode("RawRand", reader.openssl_decrypt(tmp_path, value, key(kind)))
    assert rand == {"int": made.answer, "sender": SENDER}


@pytest.mark.parametrize("kind", ["RSA", "P-256"])
def test_the_recipient_is_the_null_dn_and_the_certReqId(kind: str) -> None:
    value = schema.decode("RawEnvelopedData", make(kind, 3).content["encryptedRand"])
    [(_, info)] = value["recipientInfos"]
    rid = info["rid"] if kind == "RSA" else info["recipientEncryptedKeys"][0]["rid"]
    assert rid == ("issuerAndSerialNumber", {"issuer": b"\x30\x00", "serialNumber": 0})


def decrypt(content: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = schema.decode(
        "RawRand", key("RSA").decrypt(content["challenge"], padding.PKCS1v15())
    )
    return value


def test_under_version_2_rand_is_encrypted_with_rsa() -> None:
    made = make("RSA", 2)
    assert "encryptedRand" not in made.content
    assert decrypt(made.content) == {"int": made.answer, "sender": SENDER}


def test_under_version_2_a_name_too_long_for_the_key_gives_way() -> None:
    made = make("RSA", 2, directory_name(LONG.public_bytes()))
    assert decrypt(made.content) == {"int": made.answer, "sender": null_dn()}


def test_under_version_2_only_rsa_decrypts() -> None:
    with pytest.raises(CMPFailure) as raised:
        make("P-256", 2)
    assert raised.value.fail_info is FailInfo.badPOP


@pytest.mark.parametrize("pvno", [2, 3])
def test_the_witness_is_the_hash_of_the_integer(pvno: int) -> None:
    made = make("RSA", pvno)
    assert made.content["owf"]["algorithm"] == "2.16.840.1.101.3.4.2.1"
    encoded = schema.encode("ChallengeInteger", made.answer)
    assert made.content["witness"] == hashlib.sha256(encoded).digest()


def test_the_content_encodes_as_a_popdecc() -> None:
    for pvno in (2, 3):
        assert schema.encode("RawBody", ("popdecc", [make("RSA", pvno).content]))


@pytest.mark.parametrize(
    ("response", "right"),
    [([5], True), ([6], False), ([-5], False), ([], False), ([5, 5], False), ([1 << 200], False)],
)
def test_only_the_integer_asked_for_answers(response: list[int], right: bool) -> None:
    assert challenges.answers(5, response) is right
