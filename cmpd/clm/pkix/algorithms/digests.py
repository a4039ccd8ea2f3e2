"""Hash functions and HMACs, a row each: by name, as policies have them, ``SHA-256`` and ``HMAC-SHA256``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes


@dataclass(frozen=True, slots=True)
class HashFunction:
    """A hash function."""

    name: str
    """In configuration, and in what operators and clients are told."""
    oid: str
    oid_name: str
    """What the RFC calls `oid`."""
    make: Callable[[], hashes.HashAlgorithm]
    collision_free: bool = True
    """Whether it is fit for signatures; one that is not is good for key derivation alone."""


@dataclass(frozen=True, slots=True)
class Hmac:
    """An HMAC (RFC 2104)."""

    name: str
    """In configuration, and in what operators and clients are told."""
    hash: str
    """The hash function inside, a name of `HASHES`."""
    oid_names: Mapping[str, str]
    """OID → what the RFC calls it; one of them may have two."""
    protects: bool = True
    """Whether it may be the MAC of PBMAC1, or protect by itself (RFC 9481, section 6.2)."""


_NIST = "2.16.840.1.101.3.4.2"
_RSADSI = "1.2.840.113549.2"

HASHES: Final = {
    row.name: row
    for row in (
        HashFunction("SHA-1", "1.3.14.3.2.26", "sha1", hashes.SHA1, collision_free=False),
        HashFunction("SHA-224", f"{_NIST}.4", "sha224", hashes.SHA224),
        HashFunction("SHA-256", f"{_NIST}.1", "sha256", hashes.SHA256),
        HashFunction("SHA-384", f"{_NIST}.2", "sha384", hashes.SHA384),
        HashFunction("SHA-512", f"{_NIST}.3", "sha512", hashes.SHA512),
    )
}
"""RFC 9481, section 2.1, and SHA-1 for PasswordBasedMac's owf."""

HMACS: Final = {
    row.name: row
    for row in (
        Hmac(
            "HMAC-SHA1",
            "SHA-1",
            {"1.3.6.1.5.5.8.1.2": "hmac-SHA1", f"{_RSADSI}.7": "hmacWithSHA1"},
            protects=False,
        ),
        Hmac("HMAC-SHA224", "SHA-224", {f"{_RSADSI}.8": "hmacWithSHA224"}),
        Hmac("HMAC-SHA256", "SHA-256", {f"{_RSADSI}.9": "hmacWithSHA256"}),
        Hmac("HMAC-SHA384", "SHA-384", {f"{_RSADSI}.10": "hmacWithSHA384"}),
        Hmac("HMAC-SHA512", "SHA-512", {f"{_RSADSI}.11": "hmacWithSHA512"}),
    )
}
"""RFC 9481, section 6.2.1."""

OID_NAMES: Final = {row.oid: row.oid_name for row in HASHES.values()} | {
    oid: name for row in HMACS.values() for oid, name in row.oid_names.items()
}
"""OID → name of every hash function and HMAC."""
