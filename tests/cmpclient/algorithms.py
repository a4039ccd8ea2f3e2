"""The algorithm identifiers the client speaks (RFC 9481), by the names tests call them."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from cmpd.cmp.wire import schema

NULL = b"\x05\x00"

HASHES = {
    "sha1": "1.3.14.3.2.26",
    "sha224": "2.16.840.1.101.3.4.2.4",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
HMACS = {
    "sha1": "1.3.6.1.5.5.8.1.2",
    "sha224": "1.2.840.113549.2.8",
    "sha256": "1.2.840.113549.2.9",
    "sha384": "1.2.840.113549.2.10",
    "sha512": "1.2.840.113549.2.11",
}
RSA = {
    "sha224": "1.2.840.113549.1.1.14",
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
}
ECDSA = {
    "sha224": "1.2.840.10045.4.3.1",
    "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3",
    "sha512": "1.2.840.10045.4.3.4",
}
ED25519 = "1.3.101.112"
ED448 = "1.3.101.113"
RSASSA_PSS = "1.2.840.113549.1.1.10"
MGF1 = "1.2.840.113549.1.1.8"
PASSWORD_BASED_MAC = "1.2.840.113533.7.66.13"
PBMAC1_OID = "1.2.840.113549.1.5.14"
PBKDF2 = "1.2.840.113549.1.5.12"
MACS = (PASSWORD_BASED_MAC, PBMAC1_OID, *HMACS.values())


def name_of(table: dict[str, str], oid: str) -> str:
    """The name of an OID in one of the tables above; LookupError where it is not there."""
    return {value: key for key, value in table.items()}[oid]


def identifier(oid: str, parameters: bytes | None = None) -> dict[str, Any]:
    """An AlgorithmIdentifier; `parameters` as DER."""
    return {"algorithm": oid} if parameters is None else {"algorithm": oid, "parameters": parameters}


def hash_algorithm(name: str) -> hashes.HashAlgorithm:
    """`cryptography`'s hash of a name."""
    algorithm: hashes.HashAlgorithm = getattr(hashes, name.upper())()
    return algorithm


def signature_algorithm(key: PrivateKeyTypes, digest: str = "sha256", *, pss: bool = False) -> dict[str, Any]:
    """The AlgorithmIdentifier of signatures by that key."""
    match key:
        case rsa.RSAPrivateKey() if pss:
            return identifier(RSASSA_PSS, _pss_parameters(digest))
        case rsa.RSAPrivateKey():
            return identifier(RSA[digest], NULL)
        case ec.EllipticCurvePrivateKey():
            return identifier(ECDSA[digest])
        case ed25519.Ed25519PrivateKey():
            return identifier(ED25519)
        case ed448.Ed448PrivateKey():
            return identifier(ED448)
    raise TypeError(f"the client signs with no {type(key).__name__}")


def _pss_parameters(digest: str) -> bytes:
    hashed = identifier(HASHES[digest])
    return schema.encode(
        "RSASSA-PSS-params",
        {
            "hashAlgorithm": hashed,
            "maskGenAlgorithm": identifier(MGF1, schema.encode("AlgorithmIdentifier", hashed)),
            "saltLength": hash_algorithm(digest).digest_size,
        },
    )


def sign(key: PrivateKeyTypes, data: bytes, digest: str = "sha256", *, pss: bool = False) -> bytes:
    """A signature as `signature_algorithm` of the same arguments names it."""
    match key:
        case rsa.RSAPrivateKey():
            return key.sign(data, _padding(digest, pss=pss), hash_algorithm(digest))
        case ec.EllipticCurvePrivateKey():
            return key.sign(data, ec.ECDSA(hash_algorithm(digest)))
        case ed25519.Ed25519PrivateKey() | ed448.Ed448PrivateKey():
            return key.sign(data)
    raise TypeError(f"the client signs with no {type(key).__name__}")


def _padding(digest: str, *, pss: bool) -> padding.AsymmetricPadding:
    if not pss:
        return padding.PKCS1v15()
    algorithm = hash_algorithm(digest)
    return padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)


def verify(key: PublicKeyTypes, algorithm: dict[str, Any], signature: bytes, data: bytes) -> None:
    """Raises InvalidSignature, or LookupError for an algorithm the client does not know."""
    oid = algorithm["algorithm"]
    match key:
        case rsa.RSAPublicKey() if oid == RSASSA_PSS:
            parameters = schema.decode("RSASSA-PSS-params", algorithm["parameters"])
            digest = name_of(HASHES, parameters["hashAlgorithm"]["algorithm"])
            key.verify(signature, data, _padding(digest, pss=True), hash_algorithm(digest))
        case rsa.RSAPublicKey():
            key.verify(signature, data, padding.PKCS1v15(), hash_algorithm(name_of(RSA, oid)))
        case ec.EllipticCurvePublicKey():
            key.verify(signature, data, ec.ECDSA(hash_algorithm(name_of(ECDSA, oid))))
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            key.verify(signature, data)
        case _:
            raise LookupError(f"the client verifies with no {type(key).__name__}")
