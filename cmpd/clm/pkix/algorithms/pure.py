"""What algorithms have in common whose OID says it all, for the key and for its signatures alike.

The message is signed as it is, without a hash function or parameters to choose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cmpd.clm.pkix.algorithms.definitions import KeyAlgorithm, SignatureAlgorithm, SigningKey


def rows(
    name: str,
    oid: str,
    public: type[Any],
    make: Callable[[], SigningKey],
    *,
    strength: int,
    rank: int,
    certificate_hash: str | None = None,
    default: bool = False,
) -> tuple[KeyAlgorithm, SignatureAlgorithm]:
    """The key's row, certified where a policy does not say as `default` has it, and the signature's."""
    key = KeyAlgorithm(
        name, name, oid, public, strength, make=make, signature=name, default=default, rank=rank
    )
    return key, SignatureAlgorithm(name, oid, name, _verify, _sign, certificate_hash=certificate_hash)


def _verify(key: Any, signature: bytes, data: bytes) -> None:
    key.verify(signature, data)


def _sign(key: Any, data: bytes) -> bytes:
    signature: bytes = key.sign(data)
    return signature
