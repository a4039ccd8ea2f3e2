"""The direct proof of possession by decryption: popdecc and popdecr (RFC 9810, section 5.2.8.3.3)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cmpd.cmp.cms.enveloped import DATA, envelop
from cmpd.cmp.cms.recipients import CertificateId, for_key
from cmpd.cmp.protection import hashing
from cmpd.cmp.protection.key_title import key_title
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.general_names import null_dn
from cmpd.cmp.wire.message import CMP2021

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmpd.cmp.protection import PublicKey

INTEGER_OCTETS: Final = 20
PKCS1_OVERHEAD: Final = 11
"""Octets of PKCS #1 v1.5 padding at the least (RFC 8017, section 7.2.1)."""
OWF: Final = "SHA-256"


@dataclass(frozen=True, slots=True)
class Challenge:
    """One Challenge, and what answers it."""

    content: dict[str, Any]
    """Shaped as `RawChallenge`."""
    answer: int
    """The INTEGER that popdecr must bring back; to be kept with the transaction."""


def challenge(
    key: PublicKey, cert_req_id: int, sender: bytes, pvno: int, random: Callable[[int], bytes]
) -> Challenge:
    """A challenge that only the holder of a private key can read.

    `sender` is the DER of the GeneralName of popdecc's sender, `pvno` the message's. Raises CMPFailure
    where the key cannot decrypt, or not in that version.
    """
    answer = int.from_bytes(random(INTEGER_OCTETS), "big")
    content: dict[str, Any] = {
        "owf": {"algorithm": hashing.HASH_OIDS[OWF]},
        "witness": hashing.digest(OWF, schema.encode("ChallengeInteger", answer)),
    }
    if pvno >= CMP2021:
        recipient = for_key(key, CertificateId(x509.Name([]).public_bytes(), cert_req_id))
        enveloped = envelop(_rand(answer, sender), DATA, recipient, random)
        content |= {"challenge": b"", "encryptedRand": schema.encode("RawEnvelopedData", enveloped)}
    else:
        content["challenge"] = _encrypt(key, answer, sender)
    return Challenge(content, answer)


def answers(expected: int, response: list[int]) -> bool:
    """Whether a popdecr's integers are the one asked for; takes the same time wherever they differ."""
    if len(response) != 1 or response[0] < 0 or response[0].bit_length() > 8 * INTEGER_OCTETS:
        return False
    told, right = (number.to_bytes(INTEGER_OCTETS, "big") for number in (response[0], expected))
    return hmac.compare_digest(told, right)


def _rand(answer: int, sender: bytes) -> bytes:
    return schema.encode("RawRand", {"int": answer, "sender": sender})


def _encrypt(key: PublicKey, answer: int, sender: bytes) -> bytes:
    """Version 2's way, for RSA; a sender's name too long for the key gives way to none."""
    if not isinstance(key, rsa.RSAPublicKey):
        raise CMPFailure(
            FailInfo.badPOP, f"a challenge for a key of kind {key_title(key)} is made under pvno 3 only"
        )
    room = (key.key_size + 7) // 8 - PKCS1_OVERHEAD
    rand = _rand(answer, sender)
    return key.encrypt(rand if len(rand) <= room else _rand(answer, null_dn()), padding.PKCS1v15())
