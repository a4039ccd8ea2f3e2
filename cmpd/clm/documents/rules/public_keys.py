"""Which public keys a policy certifies. A key cannot be trimmed: what does not fit is refused."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from cmpd.clm.pkix.algorithms import KEYS
from cmpd.clm.pkix.keypairs import KeyProblem
from cmpd.clm.refusal import RequestRefused
from cmpd.clm.settings import DocumentError, count, listing, member, setting

FIELD = "publicKey"


@dataclass(frozen=True, slots=True)
class KeyRules:
    """Key algorithms and sizes."""

    algorithms: tuple[str, ...] = setting(listing(member(lambda: KEYS)), KEYS.defaults())
    """Allowed key algorithms."""
    rsa_min: int = setting(count(2048, 16384), 2048)
    """Least bits of an RSA modulus."""
    rsa_max: int = setting(count(2048, 16384), 4096)
    """Most bits of an RSA modulus; what verifies such keys pays for their size."""
    rsa_exponents: tuple[int, ...] = setting(listing(count(3, 2**32 + 1)), (65537,))
    """Allowed public exponents of RSA keys."""

    def contradictions(self) -> None:
        """Raises DocumentError."""
        if not self.algorithms:
            raise DocumentError("keys.algorithms", "no algorithm is allowed, so nothing could be certified")
        if self.rsa_min > self.rsa_max:
            raise DocumentError("keys.rsa_min", f"{self.rsa_min} is more than rsa_max, {self.rsa_max}")
        if "RSA" in self.algorithms and not self.rsa_exponents:
            raise DocumentError("keys.rsa_exponents", "RSA is allowed, but no exponent is")

    def check(self, key: PublicKeyTypes) -> str:
        """The key's algorithm name. Raises RequestRefused."""
        try:
            algorithm = KEYS.of(key).name
        except KeyProblem as problem:
            raise RequestRefused(FIELD, str(problem)) from problem
        if algorithm not in self.algorithms:
            raise RequestRefused(
                FIELD, f"{algorithm} keys are not allowed; allowed are {', '.join(self.algorithms)}"
            )
        if isinstance(key, rsa.RSAPublicKey):
            self._check_rsa(key)
        return algorithm

    def _check_rsa(self, key: rsa.RSAPublicKey) -> None:
        if not self.rsa_min <= key.key_size <= self.rsa_max:
            raise RequestRefused(
                FIELD, f"an RSA key of {self.rsa_min} to {self.rsa_max} bits is expected, not {key.key_size}"
            )
        exponent = key.public_numbers().e
        if exponent not in self.rsa_exponents:
            known = ", ".join(str(one) for one in self.rsa_exponents)
            raise RequestRefused(FIELD, f"the RSA exponent {exponent} is not allowed; allowed: {known}")
