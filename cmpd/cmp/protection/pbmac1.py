"""PBMAC1 (RFC 8018, section 7.1; RFC 9481, section 6.1.2): PBKDF2, then HMAC with SHA-2."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from cmpd.cmp.protection import hashing, mac
from cmpd.cmp.protection.mac_table import MacFamily, describe
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from cmpd.clm.documents.policy import MacRules
    from cmpd.cmp.wire.message import Algorithm

NAME: Final = "PBMAC1"
OID: Final = "1.2.840.113549.1.5.14"
PBKDF2: Final = "1.2.840.113549.1.5.12"
KEY_OCTETS: Final = range(16, 65)
"""A shorter key is weaker than any password policy; a longer one no HMAC here gains from."""
LIGHT_ITERATIONS: Final = 1_000
"""PBKDF2 of so many iterations takes under a millisecond, less than a change of threads is worth."""


@quick_dataclass(frozen=True, slots=True)
class PBMAC1(mac.MacAlgorithm):
    """PBMAC1-params with PBKDF2-params."""

    prf: str
    """PBKDF2's pseudorandom function, a name of `hashing.HMACS`."""
    salt: bytes
    iterations: int
    key_length: int
    """Octets."""

    @property
    def name(self) -> str:
        return NAME

    @property
    def heavy(self) -> bool:
        return self.iterations > LIGHT_ITERATIONS

    def derive(self, secret: bytes) -> bytes:
        """The key, by PBKDF2 (RFC 8018, section 5.2). Other threads run meanwhile."""
        return hashlib.pbkdf2_hmac(
            hashing.HASHLIB[self.prf], secret, self.salt, self.iterations, self.key_length
        )

    def permit(self, rules: MacRules) -> None:
        mac.permitted("the prf", self.prf, rules.macs)
        mac.permitted("the MAC", self.mac, rules.macs)
        mac.bounded_iterations(self.iterations, rules.iterations_min, rules.pbkdf2_iterations_max)


def parse(algorithm: Algorithm, bounds: mac.Bounds) -> PBMAC1:
    """Raises CMPFailure badAlg."""
    value = mac.parameters(algorithm, "PBMAC1-params", NAME)
    function = mac.member("the MAC", value["messageAuthScheme"], hashing.MACS)
    derivation = _pbkdf2(value["keyDerivationFunc"])
    default = hashing.hmac_size(function)
    return PBMAC1(
        identifier=algorithm.der,
        mac=function,
        prf=_prf(derivation),
        salt=mac.bounded_salt(_specified(derivation["salt"])),
        iterations=mac.bounded_iterations(
            derivation["iterationCount"], bounds.iterations_min, bounds.pbkdf2_iterations_max
        ),
        key_length=_bounded_key_length(derivation.get("keyLength", default)),
    )


def _pbkdf2(identifier: dict[str, Any]) -> dict[str, Any]:
    oid, encoded = identifier["algorithm"], identifier.get("parameters")
    if oid != PBKDF2:
        raise CMPFailure(FailInfo.badAlg, f"the key derivation function {describe(oid)} is not supported")
    try:
        decoded: dict[str, Any] = schema.decode("PBKDF2-params", encoded or b"")
    except schema.DecodeError as error:
        raise CMPFailure(
            FailInfo.badAlg, "the parameters of PBKDF2 are malformed", detail=str(error)
        ) from None
    return decoded


def _prf(derivation: dict[str, Any]) -> str:
    if "prf" not in derivation:
        return "HMAC-SHA1"
    return mac.member("the prf", derivation["prf"], hashing.HMACS)


def _specified(salt: tuple[str, Any]) -> bytes:
    choice, value = salt
    if choice != "specified":
        raise CMPFailure(FailInfo.badAlg, "the salt's source is not supported; its value is expected")
    specified: bytes = value
    return specified


def _bounded_key_length(octets: int) -> int:
    if octets not in KEY_OCTETS:
        raise CMPFailure(
            FailInfo.badAlg,
            f"keyLength is {mac.shown(octets)}, {KEY_OCTETS.start} to {KEY_OCTETS[-1]} octets are accepted",
        )
    return octets


FAMILIES: Final = (MacFamily(OID, NAME, parse),)
