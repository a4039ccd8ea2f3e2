"""RSA signatures: PKCS #1 v1.5 and PSS with SHA-2 (RFC 9481, section 3.1; RFC 4055; RFC 5756)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cmpd.cmp import schema
from cmpd.cmp.failure import CMPFailure, FailInfo
from cmpd.cmp.protection import digests
from cmpd.cmp.protection.scheme import SignatureAlgorithm, null_parameters
from cmpd.cmp.protection.table import Family, describe

if TYPE_CHECKING:
    from cmpd.cmp.message import Algorithm
    from cmpd.cmp.protection.keys import PublicKey

PSS: Final = "RSASSA-PSS"
PSS_OID: Final = "1.2.840.113549.1.1.10"
MGF1: Final = "1.2.840.113549.1.1.8"

LARGEST_MODULUS: Final = 8192
"""Bits. Checking a signature with a larger key costs milliseconds a stranger can spend at will."""
LARGEST_EXPONENT: Final = 64
"""Bits, for the same reason."""

PKCS1: Final = {
    "1.2.840.113549.1.1.14": ("sha224WithRSAEncryption", "SHA-224"),
    "1.2.840.113549.1.1.11": ("sha256WithRSAEncryption", "SHA-256"),
    "1.2.840.113549.1.1.12": ("sha384WithRSAEncryption", "SHA-384"),
    "1.2.840.113549.1.1.13": ("sha512WithRSAEncryption", "SHA-512"),
}


@dataclass(frozen=True, slots=True)
class RSAPKCS1v15(SignatureAlgorithm):
    """sha…WithRSAEncryption."""

    hash: str
    """A name of `digests.SHA2`."""

    @property
    def certificate_hash(self) -> str:
        return self.hash

    @property
    def parameters(self) -> bytes:
        return digests.NULL

    def fits(self, key: PublicKey) -> bool:
        return _bearable(key)

    def check(self, key: Any, signature: bytes, data: bytes) -> None:
        key.verify(signature, data, padding.PKCS1v15(), digests.SHA2[self.hash]())

    def sign(self, key: Any, data: bytes) -> bytes:
        signature: bytes = key.sign(data, padding.PKCS1v15(), digests.SHA2[self.hash]())
        return signature


@dataclass(frozen=True, slots=True)
class RSASSAPSS(SignatureAlgorithm):
    """RSASSA-PSS with the parameters of RFC 4055, section 3.1."""

    hash: str
    mgf_hash: str
    salt_length: int
    """Octets."""

    @property
    def certificate_hash(self) -> str:
        return self.hash

    @property
    def parameters(self) -> bytes:
        return _encode_parameters(self.hash, self.mgf_hash, self.salt_length)

    def fits(self, key: PublicKey) -> bool:
        return _bearable(key)

    def check(self, key: Any, signature: bytes, data: bytes) -> None:
        key.verify(signature, data, self._padding(), digests.SHA2[self.hash]())

    def sign(self, key: Any, data: bytes) -> bytes:
        signature: bytes = key.sign(data, self._padding(), digests.SHA2[self.hash]())
        return signature

    def _padding(self) -> padding.PSS:
        return padding.PSS(padding.MGF1(digests.SHA2[self.mgf_hash]()), self.salt_length)


def _bearable(key: PublicKey) -> bool:
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size > LARGEST_MODULUS:
        return False
    return key.public_numbers().e.bit_length() <= LARGEST_EXPONENT


def _identifier(name: str) -> dict[str, Any]:
    return {"algorithm": digests.HASH_OIDS[name], "parameters": digests.NULL}


@cache
def _encode_parameters(name: str, mgf_name: str, salt_length: int) -> bytes:
    mgf = {"algorithm": MGF1, "parameters": schema.encode("AlgorithmIdentifier", _identifier(mgf_name))}
    return schema.encode(
        "RSASSA-PSS-params",
        {"hashAlgorithm": _identifier(name), "maskGenAlgorithm": mgf, "saltLength": salt_length},
    )


def parse_pkcs1(algorithm: Algorithm) -> RSAPKCS1v15:
    """Raises CMPFailure badAlg."""
    name, hash_name = PKCS1[algorithm.oid]
    null_parameters(algorithm, name)
    return RSAPKCS1v15(algorithm.oid, name, hash_name)


def parse_pss(algorithm: Algorithm) -> RSASSAPSS:
    """Raises CMPFailure badAlg; so it does where SHA-1 is meant by leaving a field out."""
    if algorithm.parameters is None:
        raise CMPFailure(FailInfo.badAlg, f"{PSS} lacks its parameters")
    try:
        value = schema.decode("RSASSA-PSS-params", algorithm.parameters)
        if "maskGenAlgorithm" not in value or "hashAlgorithm" not in value:
            raise CMPFailure(FailInfo.badAlg, f"{PSS} with SHA-1 is not supported; SHA-2 is expected")
        mgf = value["maskGenAlgorithm"]
        mgf_hash = schema.decode("AlgorithmIdentifier", mgf.get("parameters", b""))
    except schema.DecodeError as error:
        raise CMPFailure(
            FailInfo.badAlg, f"the parameters of {PSS} are malformed", detail=str(error)
        ) from None
    if mgf["algorithm"] != MGF1:
        raise CMPFailure(
            FailInfo.badAlg, f"{PSS}: the mask generation {describe(mgf['algorithm'])} is not supported"
        )
    salt_length = value.get("saltLength", 20)
    if not 0 <= salt_length <= LARGEST_MODULUS // 8 or value.get("trailerField", 1) != 1:
        raise CMPFailure(FailInfo.badAlg, f"{PSS}: saltLength or trailerField is inadmissible")
    return RSASSAPSS(PSS_OID, PSS, _sha2(value["hashAlgorithm"]), _sha2(mgf_hash), salt_length)


def _sha2(identifier: dict[str, Any]) -> str:
    name = digests.HASHES.get(identifier["algorithm"])
    if name not in digests.SHA2 or identifier.get("parameters") not in (None, digests.NULL):
        raise CMPFailure(
            FailInfo.badAlg,
            f"{PSS}: the hash function {describe(identifier['algorithm'])} is not supported",
        )
    return name


def schemes(key: PublicKey) -> tuple[SignatureAlgorithm, ...]:
    """What to sign with, best first; nothing where the key is of another kind."""
    if not isinstance(key, rsa.RSAPublicKey):
        return ()
    pkcs1 = tuple(RSAPKCS1v15(oid, *PKCS1[oid]) for oid in sorted(PKCS1) if PKCS1[oid][1] != "SHA-224")
    return (*pkcs1, RSASSAPSS(PSS_OID, PSS, "SHA-256", "SHA-256", 32))


FAMILIES: Final = (
    *(Family("signature", oid, name, parse_pkcs1) for oid, (name, _) in PKCS1.items()),
    Family("signature", PSS_OID, PSS, parse_pss),
)
