"""Signature protection (RFC 9810, section 5.1.3.3; RFC 9481, section 3), and the hash that goes with it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cmpd.cmp.failure import CMPFailure, FailInfo
from cmpd.cmp.protection import digests, ecdsa, keys, pure, rsa, scheme, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from cmpd.cmp.message import Algorithm

SignatureAlgorithm = scheme.SignatureAlgorithm

_FAMILIES: Final = (rsa, ecdsa, pure)


def parse(algorithm: Algorithm) -> SignatureAlgorithm:
    """The signature algorithm of an AlgorithmIdentifier.

    Raises CMPFailure badAlg where it is none that is served (SHA-1 and MD5 are not) or its parameters are
    inadmissible.
    """
    parsed: SignatureAlgorithm = table.lookup("signature", algorithm.oid).parse(algorithm)
    return parsed


@lru_cache(maxsize=64)
def signer_algorithm(key: keys.PrivateKey, name: str | None = None) -> tuple[bytes, Callable[[bytes], bytes]]:
    """(DER of the AlgorithmIdentifier, function that signs) for a private key.

    In the algorithm of that `name` where it fits the key, otherwise the one that suits it best: the hash
    function as strong as the curve, SHA-256 with RSA. Raises ValueError where nothing fits the key.

    Worked out once for the few keys a server signs with: it takes longer than the signature.
    """
    public_key = key.public_key()
    fitting = [algorithm for family in _FAMILIES for algorithm in family.schemes(public_key)]
    if not fitting:
        raise ValueError(f"no signature algorithm is known for a {keys.name(public_key)} key")
    chosen = next((algorithm for algorithm in fitting if algorithm.name == name), fitting[0])
    return chosen.identifier(), lambda data: chosen.sign(key, data)


def certificate_hash(certificate: x509.Certificate) -> str | None:
    """The hash function for certHash over a certificate (RFC 9810, section 5.3.18), a name for
    `digests.digest`; None where hashAlg has to name one."""
    oid = certificate.signature_algorithm_oid.dotted_string
    if oid == rsa.PSS_OID:
        used = certificate.signature_hash_algorithm
        return next((name for name, make in digests.SHA2.items() if used and make().name == used.name), None)
    row = rsa.PKCS1.get(oid) or ecdsa.ALGORITHMS.get(oid)
    if row is not None:
        return row[1]
    return pure.ALGORITHMS[oid].certificate_hash if oid in pure.ALGORITHMS else None


def hash_algorithm(algorithm: Algorithm) -> str:
    """The hash function a CertStatus' hashAlg names. Raises CMPFailure badAlg; SHA-1 is none."""
    name = digests.HASHES.get(algorithm.oid)
    if name not in digests.SHA2:
        raise CMPFailure(FailInfo.badAlg, f"hashAlg {table.describe(algorithm.oid)} is not supported")
    return name
