"""Hash functions and HMACs at work, and by OID, as messages name them.

Which there are is for `cmpd.clm.pkix.algorithms.digests` to say; names are its names.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.hazmat.primitives import hmac

from cmpd.clm.pkix import algorithms

NULL: Final = b"\x05\x00"
"""DER of NULL, the empty parameters of the older algorithms."""

HASHES: Final = {row.oid: row.name for row in algorithms.HASHES.values()}
"""OID → hash function."""

HASH_OIDS: Final = {name: oid for oid, name in HASHES.items()}

SIGNED: Final = frozenset(row.name for row in algorithms.HASHES.values() if row.collision_free)
"""The hash functions fit for signatures, and so for certHash."""

HMACS: Final = {oid: row.name for row in algorithms.HMACS.values() for oid in row.oid_names}
"""OID → HMAC (both names that HMAC-SHA1 goes by)."""

HMAC_OIDS: Final = {name: oid for oid, name in HMACS.items()}

MACS: Final = {oid: name for oid, name in HMACS.items() if algorithms.HMACS[name].protects}
"""OID → HMAC that may be a MAC; SHA-1 may be PBKDF2's prf, where it is the default, but no MAC."""

_IN_HMAC: Final = {row.name: algorithms.HASHES[row.hash].make() for row in algorithms.HMACS.values()}
"""The hash function inside each HMAC of `HMACS`."""

HASHLIB: Final = {row.name: row.make().name.replace("-", "_") for row in algorithms.HASHES.values()}
HASHLIB.update({row.name: HASHLIB[row.hash] for row in algorithms.HMACS.values()})
"""What hashlib calls a hash function of `HASHES`, or the one inside an HMAC of `HMACS`."""

SHAKE256_OCTETS: Final = 64
"""Of SHAKE256 output where RFC 9481, section 3.3, uses it as a hash function."""


def digest(name: str, data: bytes) -> bytes:
    """The hash of `data`, `name` being of `HASHES`, or ``SHAKE256`` with 512 bits of output."""
    if name == "SHAKE256":
        return hashlib.shake_256(data).digest(SHAKE256_OCTETS)
    return hashlib.new(HASHLIB[name], data, usedforsecurity=False).digest()


def hmac_digest(name: str, key: bytes, data: bytes) -> bytes:
    """The HMAC of `data` under `key`; `name` is of `HMACS`."""
    mac = hmac.HMAC(key, _IN_HMAC[name])
    mac.update(data)
    return mac.finalize()


def hmac_size(name: str) -> int:
    """Octets of an HMAC."""
    return hashlib.new(HASHLIB[name], usedforsecurity=False).digest_size
