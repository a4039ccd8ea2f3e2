"""Key pairs by name: the one place where private keys are made, loaded and turned into octets.

Which kinds there are is for `cmpd.clm.pkix.algorithms` to say. Whatever signs is a private key object of
`cryptography`; a key that lives elsewhere (an HSM) is a subclass of the same abstract classes, and nothing
outside this module would notice.
"""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from cmpd.clm.pkix.algorithms import KEYS, SIGNATURES
from cmpd.clm.pkix.algorithms.definitions import SigningKey
from cmpd.clm.pkix.algorithms.registers import KeyProblem

__all__ = [
    "KeyProblem",
    "SigningKey",
    "checked_signing_key",
    "generate",
    "key_name",
    "load_private",
    "private_der",
    "public_der",
    "signature_hash",
]


def generate(name: str) -> SigningKey:
    """A new private key: ``RSA-2048`` to ``RSA-4096``, ``P-256``, ``Ed25519``, ``ML-DSA-65`` …

    Raises KeyProblem for another name, or one the library behind cryptography lacks."""
    makers = KEYS.makers()
    if name not in makers:
        raise KeyProblem(f"unknown key algorithm {name!r}; known are {', '.join(makers)}")
    try:
        return makers[name]()
    except UnsupportedAlgorithm as error:
        raise KeyProblem(f"the installed cryptography cannot make {name} keys: {error}") from error


def key_name(key: PublicKeyTypes) -> str:
    """The name `generate` takes for a key like this one (an RSA size of its own included).

    Raises KeyProblem for a key of an unknown kind or curve."""
    row = KEYS.of(key)
    return row.sized(key.key_size) if row.sizes else row.name  # type: ignore[union-attr] # what has sizes says its own


def signature_hash(key: SigningKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The hash that suits a signing key; None where the algorithm brings its own (RFC 8410, RFC 9881)."""
    return SIGNATURES[KEYS.of(key.public_key()).signature].hash  # type: ignore[return-value] # SHA-2 by the table


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
    if not hasattr(key, "sign"):
        raise KeyProblem(f"a {type(key).__name__} cannot sign")
    row = KEYS.of(key.public_key())
    if row.sizes and not row.sizes[0] <= key.key_size <= row.sizes[-1]:
        least, most = row.sizes[0], row.sizes[-1]
        raise KeyProblem(f"an {row.name} key of {least} to {most} bits is expected, not {key.key_size}")
    signing: SigningKey = key
    return signing
