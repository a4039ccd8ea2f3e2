"""The table of protection algorithms by OID. Each family's module brings its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from cmpd.cmp.failure import CMPFailure, FailInfo

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["mac", "signature"]


@dataclass(frozen=True, slots=True)
class Family:
    """One row: an algorithm that may protect a message."""

    kind: Kind
    oid: str
    name: str
    """As the field spells it, and as policies name it."""
    parse: Callable[..., Any]
    """Reads an AlgorithmIdentifier; `mac.parse` and `signature.parse` say what it takes and gives."""


_table: dict[str, Family] = {}

WEAK: Final = {
    "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
    "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
    "1.2.840.10045.4.1": "ecdsa-with-SHA1",
    "1.2.840.10040.4.3": "dsa-with-sha1",
    "1.3.14.3.2.26": "SHA-1",
    "1.2.840.113549.2.5": "MD5",
    "1.2.840.113549.2.6": "HMAC-MD5",
    "1.3.6.1.5.5.8.1.1": "HMAC-MD5",
    "1.2.840.113549.2.7": "HMAC-SHA1",
    "1.3.6.1.5.5.8.1.2": "HMAC-SHA1",
}
"""Names, for the refusal, of what is too weak to be served."""


def register(row: Family) -> None:
    """Add a row. Raises ValueError where the OID has a meaning already."""
    if row.oid in _table:
        raise ValueError(f"{row.oid} is registered already, as {_table[row.oid].name}")
    _table[row.oid] = row


def families() -> tuple[Family, ...]:
    """Every row, in the order of registration."""
    return tuple(_table.values())


def family(oid: str) -> Kind | None:
    """Whether the OID names a MAC or a signature algorithm; None: neither that is served."""
    row = _table.get(oid)
    return row.kind if row is not None else None


def lookup(kind: Kind, oid: str) -> Family:
    """The row of `oid`. Raises CMPFailure badAlg where there is none of that kind."""
    row = _table.get(oid)
    if row is None or row.kind != kind:
        raise CMPFailure(FailInfo.badAlg, f"the {kind} algorithm {describe(oid)} is not supported")
    return row


def describe(oid: str) -> str:
    """An OID for a refusal, with its name where it is known."""
    name = _table[oid].name if oid in _table else WEAK.get(oid)
    return f"{name} ({oid})" if name else oid
