"""The algorithms of message protection by OID: MAC algorithms, whose modules bring their rows, and the
signature algorithms of `cmpd.clm.pkix.algorithms`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from cmpd.clm.pkix.algorithms import HASHES, HMACS, SIGNATURES
from cmpd.cmp.wire.failure import CMPFailure, FailInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmpd.clm.pkix.algorithms import SignatureAlgorithm

Kind = Literal["mac", "signature"]


@dataclass(frozen=True, slots=True)
class MacFamily:
    """One row: a MAC algorithm that may protect a message."""

    oid: str
    name: str
    """As the field spells it, and as policies name it."""
    parse: Callable[..., Any]
    """Reads an AlgorithmIdentifier; `mac.parse` says what it takes and gives."""


_macs: dict[str, MacFamily] = {}

WEAK: Final = {
    "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
    "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
    "1.2.840.10045.4.1": "ecdsa-with-SHA1",
    "1.2.840.10040.4.3": "dsa-with-sha1",
    "1.2.840.113549.2.5": "MD5",
    "1.2.840.113549.2.6": "HMAC-MD5",
    "1.3.6.1.5.5.8.1.1": "HMAC-MD5",
    **{row.oid: row.name for row in HASHES.values() if not row.collision_free},
    **{oid: row.name for row in HMACS.values() if not row.protects for oid in row.oid_names},
}
"""Names, for the refusal, of what is too weak to be served."""


def register(row: MacFamily) -> None:
    """Add a row. Raises ValueError where the OID has a meaning already."""
    if family(row.oid) is not None:
        raise ValueError(f"{row.oid} is registered already, as {describe(row.oid)}")
    _macs[row.oid] = row


def macs() -> tuple[MacFamily, ...]:
    """Every MAC algorithm, in the order of registration."""
    return tuple(_macs.values())


def family(oid: str) -> Kind | None:
    """Whether the OID names a MAC or a signature algorithm; None: neither that is served."""
    if oid in _macs:
        return "mac"
    return "signature" if oid in SIGNATURES.by_oid else None


def mac(oid: str) -> MacFamily:
    """The MAC algorithm of that OID. Raises CMPFailure badAlg where there is none."""
    row = _macs.get(oid)
    return row if row is not None else _unsupported("mac", oid)


def signature(oid: str) -> SignatureAlgorithm:
    """The signature algorithm of that OID. Raises CMPFailure badAlg where there is none."""
    row = SIGNATURES.by_oid.get(oid)
    return row if row is not None else _unsupported("signature", oid)


def _unsupported(kind: Kind, oid: str) -> NoReturn:
    raise CMPFailure(FailInfo.badAlg, f"the {kind} algorithm {describe(oid)} is not supported")


def describe(oid: str) -> str:
    """An OID for a refusal, with its name where it is known."""
    row = _macs.get(oid) or SIGNATURES.by_oid.get(oid)
    name = row.name if row is not None else WEAK.get(oid)
    return f"{name} ({oid})" if name else oid
