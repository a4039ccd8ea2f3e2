"""A CA's private key: where it is kept, and how it signs.

Everything that signs for a CA goes through a `KeyRef`. It signs asynchronously, so that a key in a token or
behind a network may take its time and the event loop goes on. Each kind of key is a subclass in a module of
`cmpd.clm.authorities.key_kinds`, which has the kind's name; ``software`` is the one there is. What it has to
do is to sign octets: certificates, CRLs and PKCS #10 requests come of that without any DER of its own, since
`cryptography` hands the octets that are to be signed to any subclass of its private key classes
(`KeyRef.signed`).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar, Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from cmpd.clm.pkix.algorithms import KEYS, SIGNATURES, SignatureAlgorithm
from cmpd.clm.secrets import MasterKey

T_co = TypeVar("T_co", covariant=True)

PRIVATE_KEYS: dict[type[Any], type[Any]] = {
    rsa.RSAPublicKey: rsa.RSAPrivateKey,
    ec.EllipticCurvePublicKey: ec.EllipticCurvePrivateKey,
    ed25519.Ed25519PublicKey: ed25519.Ed25519PrivateKey,
    ed448.Ed448PublicKey: ed448.Ed448PrivateKey,
    mldsa.MLDSA44PublicKey: mldsa.MLDSA44PrivateKey,
    mldsa.MLDSA65PublicKey: mldsa.MLDSA65PrivateKey,
    mldsa.MLDSA87PublicKey: mldsa.MLDSA87PrivateKey,
}
"""The classes by which `cryptography` tells apart the keys that sign certificates."""


class KeyUnavailable(Exception):
    """The key cannot sign now: its token is gone, busy or failed. Trying again later may help."""


class ToBeSigned(Protocol[T_co]):
    """A builder of `cryptography`'s for a certificate, a CRL or a certification request."""

    def sign(self, private_key: Any, algorithm: Any, /) -> T_co: ...


KEY_KINDS: dict[str, type[KeyRef]] = {}
"""Those that were needed so far, by name."""

PACKAGE = "cmpd.clm.authorities.key_kinds"


class KeyRef(ABC):
    """A private key of a CA, wherever it is."""

    kind: ClassVar[str]
    """Its name: that of its module."""
    public_key: CertificatePublicKeyTypes

    def __init_subclass__(cls) -> None:
        KEY_KINDS[cls.kind] = cls

    @classmethod
    @abstractmethod
    async def generate(cls, algorithm: str) -> KeyRef:
        """A new one; `algorithm` as in `keypairs.generate`. Raises KeyProblem, KeyUnavailable."""

    @classmethod
    @abstractmethod
    def opened(cls, stored: bytes, master_key: MasterKey, context: str) -> KeyRef:
        """The key of which `stored` gave this. Raises KeyProblem, SecretError."""

    @abstractmethod
    async def sign(self, data: bytes) -> bytes:
        """The signature over `data`, by `algorithm`, as it stands in a certificate. Raises KeyUnavailable."""

    @abstractmethod
    def stored(self, master_key: MasterKey, context: str) -> bytes:
        """What the store keeps, for `opened`: a secret is sealed for `context`."""

    @cached_property
    def algorithm(self) -> SignatureAlgorithm:
        """What it signs with: what suits the key."""
        return SIGNATURES[KEYS.of(self.public_key).signature]

    async def signed(self, structure: ToBeSigned[T_co], *, large: bool = False) -> T_co:
        """The certificate, CRL or request that the builder describes. Raises KeyUnavailable.

        `large`: encoding it takes long, and is done in a thread."""
        first = _StandIn(self.public_key)
        await _run(large, structure.sign, first.key, self.algorithm.hash)
        second = _StandIn(self.public_key, await self.sign(first.data))
        result: T_co = await _run(large, structure.sign, second.key, self.algorithm.hash)
        return result


def key_kinds() -> list[str]:
    """The names of all kinds: a module of `cmpd.clm.authorities.key_kinds` each."""
    path = import_module(PACKAGE).__path__
    return sorted({module.name for module in iter_modules(path)} | KEY_KINDS.keys())


def key_class(kind: str) -> type[KeyRef]:
    """The kind of that name, one of `key_kinds`; its module is not imported before it is needed."""
    if kind not in KEY_KINDS:
        import_module(f"{PACKAGE}.{kind}")
    return KEY_KINDS[kind]


async def _run(large: bool, function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(function, *arguments) if large else function(*arguments)


class _StandIn:
    """Takes the octets that are to be signed, and gives the signature that another made over them."""

    def __init__(self, public_key: CertificatePublicKeyTypes, signature: bytes = b"\0") -> None:
        self.data = b""

        def sign(_: Any, data: bytes, *__: Any) -> bytes:
            self.data = bytes(data)
            return signature

        base = next(private for public, private in PRIVATE_KEYS.items() if isinstance(public_key, public))
        members: dict[str, Any] = dict.fromkeys(base.__abstractmethods__, _unsupported)
        members |= {"sign": sign, "public_key": lambda _: public_key}
        if isinstance(public_key, ec.EllipticCurvePublicKey):
            members["curve"] = property(lambda _: public_key.curve)
        self.key = type("StandIn", (base,), members)()


def _unsupported(*_: Any) -> Any:
    raise NotImplementedError("this stands in for a key that is elsewhere")
