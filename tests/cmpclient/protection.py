"""Making and verifying message protection (RFC 9810, section 5.1.3)."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.cmp.wire import schema
from tests.cmpclient import algorithms
from tests.cmpclient.algorithms import HASHES, HMACS, NULL, identifier

Protect = Callable[[bytes], bytes]
"""From the DER of ProtectedPart to the protection bits."""


class Protection(Protocol):
    """One way to protect messages, with the secret or key that it takes."""

    @property
    def sender(self) -> x509.Name:
        """The sender's name that goes with it (RFC 9483, section 3.1)."""

    @property
    def sender_kid(self) -> bytes | None:
        """senderKID: the reference, or the certificate's subjectKeyIdentifier."""

    @property
    def extra_certs(self) -> tuple[bytes, ...]:
        """The signer's certificate and its chain, as DER."""

    def start(self) -> tuple[dict[str, Any], Protect]:
        """The protectionAlg of one message, and what protects it."""


@dataclass(frozen=True)
class SharedSecret:
    """What all MACs have: a reference that names the secret, and the secret."""

    reference: str
    secret: str

    @property
    def sender(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.reference)])

    @property
    def sender_kid(self) -> bytes | None:
        return self.reference.encode()

    @property
    def extra_certs(self) -> tuple[bytes, ...]:
        return ()


@dataclass(frozen=True)
class PBM(SharedSecret):
    """Password-based MAC (RFC 9810, section 5.1.3.1)."""

    owf: str = "sha256"
    mac: str = "sha256"
    iterations: int = 500
    salt: bytes | None = None
    """Fixed, or a fresh one of 16 octets for each message."""

    def start(self) -> tuple[dict[str, Any], Protect]:
        salt = os.urandom(16) if self.salt is None else self.salt
        parameter = {
            "salt": salt,
            "owf": identifier(HASHES[self.owf]),
            "iterationCount": self.iterations,
            "mac": identifier(HMACS[self.mac]),
        }
        algorithm = identifier(algorithms.PASSWORD_BASED_MAC, schema.encode("PBMParameter", parameter))
        return algorithm, replace(self, salt=salt).protect

    def protect(self, data: bytes) -> bytes:
        key = self.secret.encode() + (self.salt or b"")
        for _ in range(max(1, min(self.iterations, 100_000))):
            key = hashlib.new(self.owf, key).digest()
        return hmac.digest(key, data, self.mac)


@dataclass(frozen=True)
class PBMAC1(SharedSecret):
    """PBMAC1 with PBKDF2 (RFC 8018, section 7.1; RFC 9481, section 6.1.2)."""

    prf: str = "sha256"
    mac: str = "sha256"
    iterations: int = 1000
    salt: bytes | None = None
    key_length: int = 32

    def start(self) -> tuple[dict[str, Any], Protect]:
        salt = os.urandom(16) if self.salt is None else self.salt
        derivation = {
            "salt": ("specified", salt),
            "iterationCount": self.iterations,
            "keyLength": self.key_length,
            "prf": identifier(HMACS[self.prf], NULL),
        }
        parameters = {
            "keyDerivationFunc": identifier(algorithms.PBKDF2, schema.encode("PBKDF2-params", derivation)),
            "messageAuthScheme": identifier(HMACS[self.mac], NULL),
        }
        algorithm = identifier(algorithms.PBMAC1_OID, schema.encode("PBMAC1-params", parameters))
        return algorithm, replace(self, salt=salt).protect

    def protect(self, data: bytes) -> bytes:
        rounds = max(1, min(self.iterations, 1_000_000))
        key = hashlib.pbkdf2_hmac(self.prf, self.secret.encode(), self.salt or b"", rounds, self.key_length)
        return hmac.digest(key, data, self.mac)


@dataclass(frozen=True)
class SharedKey(SharedSecret):
    """HMAC with the secret itself as the key (RFC 9481, section 6.2.1)."""

    mac: str = "sha256"

    def start(self) -> tuple[dict[str, Any], Protect]:
        return identifier(HMACS[self.mac], NULL), self.protect

    def protect(self, data: bytes) -> bytes:
        return hmac.digest(self.secret.encode(), data, self.mac)


@dataclass(frozen=True)
class Signature:
    """A signature with the key of a certificate (RFC 9810, section 5.1.3.3)."""

    certificate: x509.Certificate
    key: PrivateKeyTypes
    digest: str = "sha256"
    pss: bool = False
    chain: tuple[x509.Certificate, ...] = ()
    """What goes into extraCerts after the certificate."""

    @property
    def sender(self) -> x509.Name:
        return self.certificate.subject

    @property
    def sender_kid(self) -> bytes | None:
        try:
            identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            return None
        return identifier.value.digest

    @property
    def extra_certs(self) -> tuple[bytes, ...]:
        return tuple(each.public_bytes(Encoding.DER) for each in (self.certificate, *self.chain))

    def start(self) -> tuple[dict[str, Any], Protect]:
        return algorithms.signature_algorithm(self.key, self.digest, pss=self.pss), self.protect

    def protect(self, data: bytes) -> bytes:
        return algorithms.sign(self.key, data, self.digest, pss=self.pss)


def verify_mac(algorithm: dict[str, Any], bits: bytes, data: bytes, secret: str) -> None:
    """Raises InvalidSignature where the MAC is another, LookupError for algorithms unknown here."""
    oid = algorithm["algorithm"]
    if oid == algorithms.PASSWORD_BASED_MAC:
        expected = _pbm_of(algorithm["parameters"], secret).protect(data)
    elif oid == algorithms.PBMAC1_OID:
        expected = _pbmac1_of(algorithm["parameters"], secret).protect(data)
    else:
        expected = SharedKey("", secret, algorithms.name_of(HMACS, oid)).protect(data)
    if not hmac.compare_digest(bits, expected):
        raise InvalidSignature("the MAC is another")


def _pbm_of(der: bytes, secret: str) -> PBM:
    value = schema.decode("PBMParameter", der)
    return PBM(
        "",
        secret,
        owf=algorithms.name_of(HASHES, value["owf"]["algorithm"]),
        mac=algorithms.name_of(HMACS, value["mac"]["algorithm"]),
        iterations=value["iterationCount"],
        salt=value["salt"],
    )


def _pbmac1_of(der: bytes, secret: str) -> PBMAC1:
    value = schema.decode("PBMAC1-params", der)
    derivation = schema.decode("PBKDF2-params", value["keyDerivationFunc"]["parameters"])
    mac = algorithms.name_of(HMACS, value["messageAuthScheme"]["algorithm"])
    prf = derivation.get("prf", identifier(HMACS["sha1"]))
    return PBMAC1(
        "",
        secret,
        prf=algorithms.name_of(HMACS, prf["algorithm"]),
        mac=mac,
        iterations=derivation["iterationCount"],
        salt=derivation["salt"][1],
        key_length=derivation.get("keyLength", hashlib.new(mac).digest_size),
    )
