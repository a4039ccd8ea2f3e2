"""Signature protection (RFC 9810, section 5.1.3.3; RFC 9481, section 3), and the hash that goes with it.

Which algorithms there are, and how each signs, is for `cmpd.clm.pkix.algorithms` to say; how CMP names them,
and what it says where one does not fit or does not verify, stands here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature

from cmpd.clm.pkix.algorithms import HASHES, KEYS, SIGNATURES, definitions
from cmpd.cmp.protection import hashing, mac_table, pss
from cmpd.cmp.protection.key_title import key_title
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from cmpd.clm.pkix.algorithms.definitions import PublicKey, SigningKey
    from cmpd.cmp.wire.message import Algorithm


Row = definitions.SignatureAlgorithm


@quick_dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """A signature algorithm as a message names it: verifies with a public key."""

    row: Row

    @property
    def name(self) -> str:
        """As the field spells it, and as policies name it."""
        return self.row.name

    def verifies(self, key: PublicKey, signature: bytes, data: bytes) -> bool:
        """Whether the signature is right. Raises CMPFailure badAlg where the key is of another kind, or
        costs more to verify with than is borne."""
        kind = KEYS.find(key)
        fits = kind is not None and kind.family == self.row.family
        if kind is None or not fits or (kind.bearable is not None and not kind.bearable(key)):
            raise CMPFailure(FailInfo.badAlg, f"{self.row.name} does not fit the {key_title(key)} key")
        try:
            self.row.verify(key, signature, data)
        except InvalidSignature:
            return False
        return True

    def verify(self, key: PublicKey, signature: bytes, data: bytes) -> None:
        """Raises CMPFailure: badAlg where the algorithm does not fit the key, badMessageCheck where the
        signature is wrong."""
        if not self.verifies(key, signature, data):
            raise CMPFailure(FailInfo.badMessageCheck, "the signature does not verify")


def _absent(row: Row, parameters: bytes | None) -> Row:
    """No parameters (RFC 8410, section 3; RFC 5758, section 3.2)."""
    if parameters is not None:
        raise CMPFailure(FailInfo.badAlg, f"{row.name} allows no parameters")
    return row


def _null(row: Row, parameters: bytes | None) -> Row:
    """NULL, or none, which is tolerated (RFC 4055, section 5)."""
    if parameters not in (None, hashing.NULL):
        raise CMPFailure(FailInfo.badAlg, f"{row.name} allows no parameters but NULL")
    return row


_READERS: Final[dict[definitions.Parameters, Callable[[Row, bytes | None], Row]]] = {
    definitions.Parameters.ABSENT: _absent,
    definitions.Parameters.NULL: _null,
    definitions.Parameters.PSS: pss.read,
}
"""Which parameters a row has → how DER of a message's is read: the row with them. Each raises CMPFailure
badAlg."""


def parse(algorithm: Algorithm) -> SignatureAlgorithm:
    """The signature algorithm of an AlgorithmIdentifier.

    Raises CMPFailure badAlg where it is none that is served (SHA-1 and MD5 are not) or its parameters are
    inadmissible.
    """
    row = mac_table.signature(algorithm.oid)
    return SignatureAlgorithm(_READERS[row.parameters](row, algorithm.parameters))


def identifier(row: Row) -> bytes:
    """DER of the AlgorithmIdentifier."""
    value: dict[str, Any] = {"algorithm": row.oid}
    if row.parameters is definitions.Parameters.NULL:
        value["parameters"] = hashing.NULL
    if row.pss is not None:
        value["parameters"] = pss.encode(row.pss)
    return schema.encode("AlgorithmIdentifier", value)


def suiting(key: SigningKey, asked: str | None = None) -> Row:
    """In what a private key signs: what suits it best, the hash function as strong as the curve.

    A key that answers in kind takes the algorithm that was `asked` in, by name, where it fits: any RSA
    signature suits an RSA key, and the request's own is one that the client can verify. Raises ValueError
    where nothing fits the key.
    """
    public_key = key.public_key()
    kind = KEYS.find(public_key)
    fitting = SIGNATURES.suiting(kind) if kind is not None else []
    if kind is None or not fitting:
        raise ValueError(f"no signature algorithm is known for a {key_title(public_key)} key")
    same = [row for row in fitting if row.name == asked] if kind.answers_in_kind else []
    return (same or fitting)[0]


@lru_cache(maxsize=64)
def signer_algorithm(key: SigningKey, asked: str | None = None) -> tuple[bytes, Callable[[bytes], bytes]]:
    """(DER of the AlgorithmIdentifier, function that signs) for a private key, as `suiting` chooses.

    Worked out once for the few keys a server signs with: it takes longer than the signature.
    """
    chosen = suiting(key, asked)
    return identifier(chosen), lambda data: chosen.sign(key, data)


def certificate_hash(certificate: x509.Certificate) -> str | None:
    """The hash function for certHash over a certificate (RFC 9810, section 5.3.18), a name for
    `hashing.digest`; None where hashAlg has to name one."""
    row = SIGNATURES.by_oid.get(certificate.signature_algorithm_oid.dotted_string)
    if row is None or row.parameters is not definitions.Parameters.PSS:
        return row.certificate_hash if row is not None else None
    used = certificate.signature_hash_algorithm
    return next(
        (one.name for one in HASHES.values() if one.collision_free and used and one.make().name == used.name),
        None,
    )


def hash_algorithm(algorithm: Algorithm) -> str:
    """The hash function a CertStatus' hashAlg names. Raises CMPFailure badAlg; SHA-1 is none."""
    name = hashing.HASHES.get(algorithm.oid)
    if name not in hashing.SIGNED:
        raise CMPFailure(FailInfo.badAlg, f"hashAlg {mac_table.describe(algorithm.oid)} is not supported")
    return name
