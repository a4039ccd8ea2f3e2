"""HMAC under a key both sides hold (RFC 9481, section 6.2.1), where the policy allows it.

The shared secret is the key as it is: for secrets of full entropy, never for passwords people choose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cmpd.cmp.protection import hashing, mac
from cmpd.cmp.protection.mac_table import MacFamily
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from cmpd.clm.documents.policy import MacRules
    from cmpd.cmp.wire.message import Algorithm


@quick_dataclass(frozen=True, slots=True)
class SharedKeyMac(mac.MacAlgorithm):
    """An HMAC without key derivation."""

    @property
    def name(self) -> str:
        return self.mac

    @property
    def heavy(self) -> bool:
        return False

    def derive(self, secret: bytes) -> bytes:
        return secret

    def permit(self, rules: MacRules) -> None:
        if not rules.shared_key_hmac:
            raise CMPFailure(FailInfo.badAlg, f"{self.name} with a shared key is not allowed by this policy")
        mac.permitted("the MAC", self.mac, rules.macs)


def parse(algorithm: Algorithm, bounds: mac.Bounds) -> SharedKeyMac:
    """Raises CMPFailure badAlg. There is nothing to bound."""
    identifier = {"algorithm": algorithm.oid, "parameters": algorithm.parameters}
    return SharedKeyMac(identifier=algorithm.der, mac=mac.member("the MAC", identifier, hashing.HMACS))


FAMILIES: Final = tuple(MacFamily(oid, name, parse) for oid, name in hashing.MACS.items())
