"""Which keys may protect messages, and certify those that do: weak ones are nobody's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from cmpd.clm.pkix.algorithms import KEYS
from cmpd.clm.pkix.keypairs import KeyProblem
from cmpd.clm.pkix.unreadable import UNREADABLE
from cmpd.clm.settings import DocumentError, count, listing, member, optional, setting


@dataclass(frozen=True, slots=True)
class ProtectionKeyRules:
    """Keys of the protection certificate, and of each certificate of its path below the trust anchor."""

    algorithms: tuple[str, ...] | None = setting(optional(listing(member(lambda: KEYS))), None)
    """Allowed key algorithms, of elliptic curves the named ones; absent: all that sign."""
    rsa_min: int = setting(count(1024, 16384), 2048)
    """Least bits of an RSA modulus."""

    def contradictions(self) -> None:
        """Raises DocumentError."""
        if self.algorithms == ():
            raise DocumentError("protection_keys.algorithms", "no algorithm is allowed, so nothing signs")

    def weakness(self, certificate: x509.Certificate) -> str | None:
        """What is wrong with a certificate's key; None where nothing is."""
        try:
            key = certificate.public_key()
            row = KEYS.of(key)
        except KeyProblem:
            return "has a key of a kind or curve that does not protect messages"
        except UNREADABLE:
            return "has a key that cannot be read"
        if not row.signs:
            return "has a key of a kind or curve that does not protect messages"
        if self.algorithms is not None and row.name not in self.algorithms:
            return f"has a key of algorithm {row.name}; allowed are {', '.join(self.algorithms)}"
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < self.rsa_min:
            return f"has an RSA key of {key.key_size} bits; {self.rsa_min} are the least"
        return None

    def check_anchors(self, key: str, ders: Iterable[bytes]) -> None:
        """Raises DocumentError where a certificate that a policy trusts has too weak a key."""
        for index, der in enumerate(ders):
            weakness = self.weakness(x509.load_der_x509_certificate(der))
            if weakness is not None:
                raise DocumentError(
                    f"{key}[{index}]", f"{weakness}; trust another certificate, or set protection_keys"
                )
