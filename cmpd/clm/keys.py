"""Key pairs by name: the one place where private keys are made, loaded and told apart.

Whatever signs is a private key object of `cryptography`; a key that lives elsewhere (an HSM) is a
subclass of the same abstract classes, and nothing outside this module would notice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa, x448, x25519
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    PublicKeyTypes,
)

SigningKey = CertificateIssuerPrivateKeyTypes


class KeyProblem(Exception):
    """A key cannot be made, loaded or used; the text says why."""


CURVES: dict[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_CURVE_NAMES = {curve.name: name for name, curve in CURVES.items()}
_CURVE_HASHES: dict[str, hashes.HashAlgorithm] = {
    "P-256": hashes.SHA256(),
    "P-384": hashes.SHA384(),
    "P-521": hashes.SHA512(),
}
RSA_SIZES = (2048, 3072, 4096)

_MAKERS: dict[str, Callable[[], SigningKey]] = {
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
}
_PUBLIC_CLASSES: dict[type[Any], str] = {
    ed25519.Ed25519PublicKey: "Ed25519",
    ed448.Ed448PublicKey: "Ed448",
    x25519.X25519PublicKey: "X25519",
    x448.X448PublicKey: "X448",
    mldsa.MLDSA44PublicKey: "ML-DSA-44",
    mldsa.MLDSA65PublicKey: "ML-DSA-65",
    mldsa.MLDSA87PublicKey: "ML-DSA-87",
}

ALGORITHMS = (
    "RSA",
    "P-256",
    "P-384",
    "P-521",
    "Ed25519",
    "Ed448",
    "X25519",
    "X448",
    "ML-DSA-44",
    "ML-DSA-65",
    "ML-DSA-87",
)
"""What `algorithm_of` may answer."""

CA_KEYS = (
    *(f"RSA-{size}" for size in RSA_SIZES),
    *CURVES,
    "Ed25519",
    "Ed448",
    *(name for name in ALGORITHMS if name.startswith("ML-DSA")),
)
"""What `generate` takes."""


def generate(name: str) -> SigningKey:
    """A new private key: ``RSA-2048`` to ``RSA-4096``, ``P-256``, ``Ed25519``, ``ML-DSA-65`` …

    Raises KeyProblem for another name, or one the library behind cryptography lacks."""
    if name in CURVES:
        return ec.generate_private_key(CURVES[name])
    if name in _MAKERS:
        try:
            return _MAKERS[name]()
        except UnsupportedAlgorithm as error:
            raise KeyProblem(f"the installed cryptography cannot make {name} keys: {error}") from error
    if name in CA_KEYS and name.startswith("RSA-"):
        return rsa.generate_private_key(65537, int(name.removeprefix("RSA-")))
    raise KeyProblem(f"unknown key algorithm {name!r}; known are {', '.join(CA_KEYS)}")


@cache
def _family(cls: type[Any]) -> str | None:
    """Which kind of public key a class is; the classes are abstract, and asking them takes its time."""
    families = {ec.EllipticCurvePublicKey: "EC", rsa.RSAPublicKey: "RSA"} | _PUBLIC_CLASSES
    return next((name for family, name in families.items() if issubclass(cls, family)), None)


def algorithm_of(key: PublicKeyTypes) -> str:
    """One of ALGORITHMS. Raises KeyProblem for a key of another kind or curve."""
    family = _family(type(key))
    if family is None:
        raise KeyProblem(f"keys of the kind {type(key).__name__.removesuffix('PublicKey')} are not supported")
    if family != "EC":
        return family
    curve: str = key.curve.name  # type: ignore[union-attr] # an EC key
    if curve not in _CURVE_NAMES:
        raise KeyProblem(f"the curve {curve} is not supported; P-256, P-384 and P-521 are")
    return _CURVE_NAMES[curve]


def key_name(key: PublicKeyTypes) -> str:
    """The name `generate` takes for a key like this one (an RSA size of its own included)."""
    return f"RSA-{key.key_size}" if isinstance(key, rsa.RSAPublicKey) else algorithm_of(key)


def signature_hash(key: SigningKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The hash that suits a signing key; None where the algorithm brings its own (RFC 8410, RFC 9881)."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _CURVE_HASHES[algorithm_of(key.public_key())]  # type: ignore[return-value] # SHA-2 by the table
    return hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else None


def private_der(key: SigningKey) -> bytes:
    """PKCS #8, unencrypted: to be sealed before it goes anywhere."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_der(key: PublicKeyTypes) -> bytes:
    """The SubjectPublicKeyInfo."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def load_private(der: bytes, *, trusted: bool = False) -> SigningKey:
    """A private key that can sign, from PKCS #8. Raises KeyProblem.

    `trusted`: it comes from the store, where it was checked when it came in; the costly check of an RSA
    key's numbers is left out."""
    try:
        key = serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=trusted)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyProblem(f"the private key cannot be read: {error}") from error
    return checked_signing_key(key)


def checked_signing_key(key: Any) -> SigningKey:
    """The key, if it can sign certificates. Raises KeyProblem."""
    if isinstance(key, rsa.RSAPrivateKey) and not RSA_SIZES[0] <= key.key_size <= RSA_SIZES[-1]:
        raise KeyProblem(f"an RSA key of 2048 to 4096 bits is expected, not {key.key_size}")
    if not hasattr(key, "sign"):
        raise KeyProblem(f"a {type(key).__name__} cannot sign")
    algorithm_of(key.public_key())
    signing: SigningKey = key
    return signing
