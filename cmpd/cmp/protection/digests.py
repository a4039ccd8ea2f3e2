"""Hash functions and HMACs by OID: the small tables that every family of algorithms shares.

Names are the field's, as policies have them: ``SHA-256``, ``HMAC-SHA256``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes, hmac

if TYPE_CHECKING:
    from collections.abc import Callable

NULL: Final = b"\x05\x00"
"""DER of NULL, the empty parameters of the older algorithms."""

HASHES: Final = {
    "1.3.14.3.2.26": "SHA-1",
    "2.16.840.1.101.3.4.2.4": "SHA-224",
    "2.16.840.1.101.3.4.2.1": "SHA-256",
    "2.16.840.1.101.3.4.2.2": "SHA-384",
    "2.16.840.1.101.3.4.2.3": "SHA-512",
}
"""OID → hash function (RFC 9481, section 2.1, and SHA-1 for PasswordBasedMac's owf)."""

HASH_OIDS: Final = {name: oid for oid, name in HASHES.items()}

HMACS: Final = {
    "1.3.6.1.5.5.8.1.2": "HMAC-SHA1",
    "1.2.840.113549.2.7": "HMAC-SHA1",
    "1.2.840.113549.2.8": "HMAC-SHA224",
    "1.2.840.113549.2.9": "HMAC-SHA256",
    "1.2.840.113549.2.10": "HMAC-SHA384",
    "1.2.840.113549.2.11": "HMAC-SHA512",
}
"""OID → HMAC (RFC 9481, section 6.2.1; both names that HMAC-SHA1 goes by)."""

HMAC_OIDS: Final = {name: oid for oid, name in HMACS.items()}

SHA2: Final[dict[str, Callable[[], hashes.HashAlgorithm]]] = {
    "SHA-224": hashes.SHA224,
    "SHA-256": hashes.SHA256,
    "SHA-384": hashes.SHA384,
    "SHA-512": hashes.SHA512,
}
"""The hash functions fit for signatures, as `cryptography` has them."""

_IN_HMAC: Final[dict[str, hashes.HashAlgorithm]] = {
    "HMAC-SHA1": hashes.SHA1(),  # noqa: S303 - an HMAC needs no hash without collisions
    **{f"HMAC-{name.replace('-', '')}": maker() for name, maker in SHA2.items()},
}
"""The hash function inside each HMAC of `HMACS`."""

SHAKE256_OCTETS: Final = 64
"""Of SHAKE256 output where RFC 9481, section 3.3, uses it as a hash function."""


def digest(name: str, data: bytes) -> bytes:
    """The hash of `data`, `name` being of `HASHES`, or ``SHAKE256`` with 512 bits of output."""
    if name == "SHAKE256":
        return hashlib.shake_256(data).digest(SHAKE256_OCTETS)
    return hashlib.new(hashlib_name(name), data, usedforsecurity=False).digest()


def hmac_digest(name: str, key: bytes, data: bytes) -> bytes:
    """The HMAC of `data` under `key`; `name` is of `HMACS`."""
    mac = hmac.HMAC(key, _IN_HMAC[name])
    mac.update(data)
    return mac.finalize()


def hmac_size(name: str) -> int:
    """Octets of an HMAC."""
    return hashlib.new(hashlib_name(name), usedforsecurity=False).digest_size


def hashlib_name(name: str) -> str:
    """What hashlib calls a hash function of `HASHES`, or the one inside an HMAC of `HMACS`."""
    return name.removeprefix("HMAC-").replace("-", "").lower()
