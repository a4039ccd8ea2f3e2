"""PasswordBasedMac (RFC 9810, section 5.1.3.1; RFC 4211, section 4.4; RFC 9045)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from cmpd.cmp.protection import hashing, mac
from cmpd.cmp.protection.mac_table import MacFamily
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from cmpd.clm.documents.policy import MacRules
    from cmpd.cmp.wire.message import Algorithm

NAME: Final = "PasswordBasedMac"
OID: Final = "1.2.840.113533.7.66.13"

_OWFS: Final = {name: getattr(hashlib, hashing.HASHLIB[name]) for name in hashing.HASH_OIDS}


@quick_dataclass(frozen=True, slots=True)
class PasswordBasedMac(mac.MacAlgorithm):
    """PBMParameter."""

    owf: str
    """The one-way function, a name of `hashing.HASHES`."""
    salt: bytes
    iterations: int

    @property
    def name(self) -> str:
        return NAME

    @property
    def heavy(self) -> bool:
        return False

    def derive(self, secret: bytes) -> bytes:
        """BASEKEY. An HMAC takes a key of any length, so that it is never shortened nor expanded."""
        owf = _OWFS[self.owf]
        key = secret + self.salt
        for _ in range(self.iterations):
            key = owf(key).digest()
        return key

    def permit(self, rules: MacRules) -> None:
        mac.permitted("the owf", self.owf, rules.owfs)
        mac.permitted("the MAC", self.mac, rules.macs)
        mac.bounded_iterations(self.iterations, rules.iterations_min, rules.iterations_max)


def parse(algorithm: Algorithm, bounds: mac.Bounds) -> PasswordBasedMac:
    """Raises CMPFailure badAlg."""
    value = mac.parameters(algorithm, "PBMParameter", NAME)
    return PasswordBasedMac(
        identifier=algorithm.der,
        mac=mac.member("the MAC", value["mac"], hashing.HMACS),
        owf=mac.member("the owf", value["owf"], hashing.HASHES),
        salt=mac.bounded_salt(value["salt"]),
        iterations=mac.bounded_iterations(
            value["iterationCount"], bounds.iterations_min, bounds.iterations_max
        ),
    )


FAMILIES: Final = (MacFamily(OID, NAME, parse),)
