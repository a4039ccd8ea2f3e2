"""Whom content is encrypted for, each by a key management technique (RFC 9810, section 5.2.2; RFC 9481).

RSA keys get key transport with OAEP; the older PKCS #1 v1.5 is never used in EnvelopedData. EC keys get
key agreement, ephemeral-static ECDH. A shared secret gets PBKDF2 and AES key wrap, or PWRI-KEK.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cmpd.clm.pkix.algorithms import KEYS
from cmpd.clm.pkix.algorithms.ec import OID as EC_PUBLIC_KEY
from cmpd.cmp.cms.identifiers import (
    AES256_CBC,
    AES256_WRAP,
    BLOCK_OCTETS,
    KEY_OCTETS,
    encrypt_blocks,
    identifier,
)
from cmpd.cmp.protection import hashing, pbmac1
from cmpd.cmp.protection.key_title import key_title
from cmpd.cmp.protection.pss import MGF1
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmpd.clm.pkix.algorithms.definitions import Agreement
    from cmpd.cmp.protection import PublicKey

RSAES_OAEP: Final = "1.2.840.113549.1.1.7"
PWRI_KEK: Final = "1.2.840.113549.1.9.16.3.9"
PBKDF2_ITERATIONS: Final = 100_000
"""Some 30 milliseconds here, and for whoever guesses at each of their guesses."""
PBKDF2_SALT_OCTETS: Final = 16


@dataclass(frozen=True, slots=True)
class Recipient(ABC):
    """Someone who can recover a content-encryption key."""

    @property
    @abstractmethod
    def version(self) -> int:
        """Of an EnvelopedData for this recipient alone (RFC 5652, section 6.1)."""

    @abstractmethod
    def wrap(self, content_key: bytes, random: Callable[[int], bytes]) -> tuple[str, Any]:
        """The content-encryption key for the recipient alone, shaped as `RawRecipientInfo`."""


@dataclass(frozen=True, slots=True)
class CertificateId:
    """issuerAndSerialNumber: which of a recipient's certificates, and so which key."""

    issuer: bytes
    """DER of the Name."""
    serial_number: int

    @classmethod
    def of(cls, certificate: x509.Certificate) -> CertificateId:
        return cls(certificate.issuer.public_bytes(), certificate.serial_number)

    @property
    def choice(self) -> tuple[str, Any]:
        value = {"issuer": self.issuer, "serialNumber": self.serial_number}
        return "issuerAndSerialNumber", value


@dataclass(frozen=True, slots=True)
class KeyTransport(Recipient):
    """RSAES-OAEP with SHA-256 (RFC 5652, section 6.2.1; RFC 3560)."""

    key: rsa.RSAPublicKey
    id: CertificateId

    @property
    def version(self) -> int:
        return 0

    def wrap(self, content_key: bytes, random: Callable[[int], bytes]) -> tuple[str, Any]:
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        return "ktri", {
            "version": 0,
            "rid": self.id.choice,
            "keyEncryptionAlgorithm": identifier(RSAES_OAEP, _oaep_parameters()),
            "encryptedKey": self.key.encrypt(content_key, oaep),
        }


def _oaep_parameters() -> bytes:
    sha256 = identifier(hashing.HASH_OIDS["SHA-256"], hashing.NULL)
    parameters = {"hashFunc": sha256, "maskGenFunc": identifier(MGF1, sha256)}
    return schema.encode("RawRSAES-OAEP-params", parameters)


@dataclass(frozen=True, slots=True)
class KeyAgreement(Recipient):
    """Ephemeral-static ECDH with the X9.63 KDF and AES key wrap (RFC 5652, section 6.2.2; RFC 5753)."""

    key: ec.EllipticCurvePublicKey
    id: CertificateId
    scheme: Agreement

    @property
    def version(self) -> int:
        return 2

    def wrap(self, content_key: bytes, random: Callable[[int], bytes]) -> tuple[str, Any]:
        ephemeral = ec.generate_private_key(self.key.curve)
        wrapping = identifier(AES256_WRAP)
        info = schema.encode(
            "RawECC-CMS-SharedInfo", {"keyInfo": wrapping, "suppPubInfo": (8 * KEY_OCTETS).to_bytes(4, "big")}
        )
        secret = ephemeral.exchange(ec.ECDH(), self.key)
        wrapping_key = X963KDF(self.scheme.hash(), KEY_OCTETS, info).derive(secret)
        point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        public_key = {"algorithm": identifier(EC_PUBLIC_KEY), "publicKey": (point, 8 * len(point))}
        return "kari", {
            "version": 3,
            "originator": ("originatorKey", public_key),
            "keyEncryptionAlgorithm": identifier(self.scheme.oid, wrapping),
            "recipientEncryptedKeys": [
                {"rid": self.id.choice, "encryptedKey": aes_key_wrap(wrapping_key, content_key)}
            ],
        }


@dataclass(frozen=True, slots=True)
class PasswordRecipient(Recipient):
    """PBKDF2 with HMAC-SHA256 and AES key wrap (RFC 5652, section 6.2.4; RFC 9481, section 4.4).

    `wrap` takes tens of milliseconds and lets other threads run meanwhile.
    """

    secret: bytes
    iterations: int = PBKDF2_ITERATIONS

    @property
    def version(self) -> int:
        return 3

    def wrap(self, content_key: bytes, random: Callable[[int], bytes]) -> tuple[str, Any]:
        salt = random(PBKDF2_SALT_OCTETS)
        wrapping_key = hashlib.pbkdf2_hmac("sha256", self.secret, salt, self.iterations, KEY_OCTETS)
        prf = {"algorithm": hashing.HMAC_OIDS["HMAC-SHA256"], "parameters": hashing.NULL}
        parameters = schema.encode(
            "PBKDF2-params",
            {
                "salt": ("specified", salt),
                "iterationCount": self.iterations,
                "keyLength": KEY_OCTETS,
                "prf": prf,
            },
        )
        return "pwri", {
            "version": 0,
            "keyDerivationAlgorithm": {"algorithm": pbmac1.PBKDF2, "parameters": parameters},
            **self._wrapped(wrapping_key, content_key, random),
        }

    def _wrapped(
        self, wrapping_key: bytes, content_key: bytes, random: Callable[[int], bytes]
    ) -> dict[str, bytes]:
        return {
            "keyEncryptionAlgorithm": identifier(AES256_WRAP),
            "encryptedKey": aes_key_wrap(wrapping_key, content_key),
        }


@dataclass(frozen=True, slots=True)
class PasswordKEK(PasswordRecipient):
    """PBKDF2 and PWRI-KEK with AES-256-CBC (RFC 3211, section 2.3.1), which is all that OpenSSL takes from
    who knows a password: up to 3.6 it knows no other key encryption there."""

    def _wrapped(
        self, wrapping_key: bytes, content_key: bytes, random: Callable[[int], bytes]
    ) -> dict[str, bytes]:
        iv = random(BLOCK_OCTETS)
        cipher = identifier(AES256_CBC, schema.encode("InitializationVector", iv))
        return {
            "keyEncryptionAlgorithm": identifier(PWRI_KEK, cipher),
            "encryptedKey": pwri_kek(wrapping_key, iv, content_key, random),
        }


def pwri_kek(wrapping_key: bytes, iv: bytes, content_key: bytes, random: Callable[[int], bytes]) -> bytes:
    """Length, three octets to check, the key, padding; encrypted, and what comes out encrypted once more
    with its last block for an IV, so that each octet depends on all (RFC 3211, section 2.3.1)."""
    check = bytes(octet ^ 0xFF for octet in content_key[:3])
    block = bytes([len(content_key)]) + check + content_key
    block += random(-len(block) % BLOCK_OCTETS)
    once = encrypt_blocks(wrapping_key, iv, block)
    return encrypt_blocks(wrapping_key, once[-BLOCK_OCTETS:], once)


def for_key(key: PublicKey, identity: CertificateId) -> Recipient:
    """The recipient that holds a private key. Raises CMPFailure badRequest where the key cannot decrypt."""
    kind = KEYS.find(key)
    if kind is not None and kind.transports:
        return KeyTransport(cast("rsa.RSAPublicKey", key), identity)
    if kind is not None and kind.agreement is not None:
        return KeyAgreement(cast("ec.EllipticCurvePublicKey", key), identity, kind.agreement)
    raise CMPFailure(
        FailInfo.badRequest, f"nothing can be encrypted for a key of kind {key_title(key)}; RSA and EC can"
    )


def for_certificate(certificate: x509.Certificate) -> Recipient:
    """The holder of a certificate, as recipient of a private key (RFC 9483, section 4.1.6).

    Raises CMPFailure badRequest where the key or its keyUsage do not admit it.
    """
    recipient = for_key(certificate.public_key(), CertificateId.of(certificate))
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return recipient
    admitted, wanted = (
        (usage.key_encipherment, "keyEncipherment")
        if isinstance(recipient, KeyTransport)
        else (usage.key_agreement, "keyAgreement")
    )
    if not admitted:
        raise CMPFailure(
            FailInfo.badRequest,
            f"no key can be encrypted for the protection certificate: its keyUsage is without {wanted}",
        )
    return recipient
