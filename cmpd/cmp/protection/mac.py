"""MAC protection with a shared secret (RFC 9810, section 5.1.3.1; RFC 9481, section 6).

The parameters are the sender's choice, and the sender may be unauthenticated: they are bounded before any
key is derived from them. A response repeats its request's algorithm, so that a key is derived once.
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from cmpd.cmp.protection import hashing, mac_table
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from cmpd.clm.documents.policy import MacRules
    from cmpd.cmp.wire.message import Algorithm

SALT_OCTETS: Final = range(8, 65)
"""RFC 4211, section 4.4, and RFC 8018, section 4.1, want 64 bits or more; beyond a hash's block is folly."""


@quick_dataclass(frozen=True, slots=True)
class Bounds:
    """What the whole server lets a sender choose; a policy may be narrower (`permit`)."""

    iterations_min: int = 100
    """Of PasswordBasedMac and PBKDF2."""
    iterations_max: int = 10_000
    """Of PasswordBasedMac."""
    pbkdf2_iterations_max: int = 500_000


@quick_dataclass(frozen=True, slots=True)
class MacAlgorithm(ABC):
    """A MAC algorithm with the parameters that one message chose."""

    identifier: bytes
    """DER of the AlgorithmIdentifier, for the response to repeat."""
    mac: str
    """The MAC itself, a name of `hashing.HMACS`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """As the field spells it, and as policies name it."""

    @property
    @abstractmethod
    def heavy(self) -> bool:
        """Whether `derive` takes milliseconds and lets other threads run meanwhile."""

    @abstractmethod
    def derive(self, secret: bytes) -> bytes:
        """The MAC key from the shared secret."""

    @abstractmethod
    def permit(self, rules: MacRules) -> None:
        """Raises CMPFailure badAlg where the policy's rules do not allow these parameters."""

    def tag(self, key: bytes, data: bytes) -> bytes:
        """The MAC of `data`, the DER of ProtectedPart."""
        return hashing.hmac_digest(self.mac, key, data)

    def verify(self, key: bytes, protection: bytes, data: bytes) -> bool:
        """Whether `protection` is the MAC of `data`; takes the same time wherever they differ."""
        return hmac.compare_digest(self.tag(key, data), protection)


def parse(algorithm: Algorithm, bounds: Bounds) -> MacAlgorithm:
    """The MAC algorithm of a protectionAlg.

    Raises CMPFailure badAlg where it is none, its parameters are malformed, or they are out of bounds.
    """
    parsed: MacAlgorithm = mac_table.mac(algorithm.oid).parse(algorithm, bounds)
    return parsed


def permit(algorithm: MacAlgorithm, rules: MacRules) -> None:
    """Raises CMPFailure badAlg where the policy's rules do not allow the algorithm."""
    algorithm.permit(rules)


def parameters(algorithm: Algorithm, type_name: str, name: str) -> dict[str, Any]:
    """The decoded parameters. Raises CMPFailure badAlg."""
    if algorithm.parameters is None:
        raise CMPFailure(FailInfo.badAlg, f"{name} has no parameters, and requires them")
    try:
        decoded: dict[str, Any] = schema.decode(type_name, algorithm.parameters)
    except schema.DecodeError as error:
        raise CMPFailure(
            FailInfo.badAlg, f"the parameters of {name} are malformed", detail=str(error)
        ) from None
    return decoded


def member(role: str, identifier: dict[str, Any], known: dict[str, str]) -> str:
    """The name behind an AlgorithmIdentifier inside parameters, which has none or NULL itself.

    Raises CMPFailure badAlg, whose text begins with `role`.
    """
    oid = identifier["algorithm"]
    if oid not in known:
        raise CMPFailure(FailInfo.badAlg, f"{role} {mac_table.describe(oid)} is not supported")
    if identifier.get("parameters") not in (None, hashing.NULL):
        raise CMPFailure(FailInfo.badAlg, f"{role} {known[oid]} allows no parameters")
    return known[oid]


def bounded_salt(salt: bytes) -> bytes:
    """Raises CMPFailure badAlg where the salt is too short or too long."""
    if len(salt) not in SALT_OCTETS:
        raise CMPFailure(
            FailInfo.badAlg,
            f"the salt has {len(salt)} octets, {SALT_OCTETS.start} to {SALT_OCTETS[-1]} are accepted",
        )
    return salt


def bounded_iterations(count: int, least: int, most: int) -> int:
    """Raises CMPFailure badAlg where the iteration count is out of bounds."""
    if not least <= count <= most:
        raise CMPFailure(
            FailInfo.badAlg, f"the iteration count is {shown(count)}, {least} to {most} are accepted"
        )
    return count


def shown(number: int) -> str:
    """A number that an unauthenticated peer chose, in few characters."""
    return str(number) if abs(number) < 1 << 64 else f"a number of {number.bit_length()} bits"


def permitted(role: str, name: str, allowed: tuple[str, ...]) -> None:
    """Raises CMPFailure badAlg where the policy does not allow the algorithm `name`."""
    if name not in allowed:
        raise CMPFailure(FailInfo.badAlg, f"{role} {name} is not allowed by this policy")
