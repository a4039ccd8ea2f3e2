"""What every signature algorithm is, whichever family it belongs to (RFC 9810, section 5.1.3.3)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature

from cmpd.cmp import schema
from cmpd.cmp.failure import CMPFailure, FailInfo
from cmpd.cmp.protection import digests, keys

if TYPE_CHECKING:
    from cmpd.cmp.message import Algorithm


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm(ABC):
    """A signature algorithm with its parameters: verifies with a public key, signs with a private one."""

    oid: str
    name: str
    """As the field spells it, and as policies name it."""

    @property
    @abstractmethod
    def certificate_hash(self) -> str | None:
        """The hash function for certHash over a certificate signed so (RFC 9810, section 5.3.18), a name
        that `digests.digest` takes; None where the algorithm implies none."""

    @property
    @abstractmethod
    def parameters(self) -> bytes | None:
        """DER of the AlgorithmIdentifier's parameters; None where they are absent."""

    @abstractmethod
    def fits(self, key: keys.PublicKey) -> bool:
        """Whether a key of this kind verifies such signatures."""

    @abstractmethod
    def check(self, key: Any, signature: bytes, data: bytes) -> None:
        """Raises InvalidSignature. The key fits."""

    @abstractmethod
    def sign(self, key: Any, data: bytes) -> bytes:
        """The signature of `data`. The key's public half fits."""

    def identifier(self) -> bytes:
        """DER of the AlgorithmIdentifier."""
        value: dict[str, Any] = {"algorithm": self.oid}
        if self.parameters is not None:
            value["parameters"] = self.parameters
        return schema.encode("AlgorithmIdentifier", value)

    def verifies(self, key: keys.PublicKey, signature: bytes, data: bytes) -> bool:
        """Whether the signature is right. Raises CMPFailure badAlg where the key is of another kind."""
        if not self.fits(key):
            raise CMPFailure(FailInfo.badAlg, f"{self.name} does not fit the {keys.name(key)} key")
        try:
            self.check(key, signature, data)
        except InvalidSignature:
            return False
        return True

    def verify(self, key: keys.PublicKey, signature: bytes, data: bytes) -> None:
        """Raises CMPFailure: badAlg where the algorithm does not fit the key, badMessageCheck where the
        signature is wrong."""
        if not self.verifies(key, signature, data):
            raise CMPFailure(FailInfo.badMessageCheck, "the signature does not verify")


def no_parameters(algorithm: Algorithm, name: str) -> None:
    """Raises CMPFailure badAlg where parameters are there (RFC 8410, section 3; RFC 5758, section 3.2)."""
    if algorithm.parameters is not None:
        raise CMPFailure(FailInfo.badAlg, f"{name} takes no parameters")


def null_parameters(algorithm: Algorithm, name: str) -> None:
    """Raises CMPFailure badAlg where parameters are other than NULL; absent is tolerated (RFC 4055)."""
    if algorithm.parameters not in (None, digests.NULL):
        raise CMPFailure(FailInfo.badAlg, f"{name} takes no parameters but NULL")
