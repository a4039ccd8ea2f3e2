"""Proof of possession for keys that decrypt and do not sign (RFC 4211, section 4.2; RFC 9810, 5.2.8.3).

The request only says how possession will be proved: by reading the certificate, which comes encrypted
(encrCert), or by answering a challenge before there is a certificate (challengeResp). The other choices of
POPOPrivKey hand the private key over, or take a Diffie-Hellman key of the CA's; they are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from cmpd.clm.pkix.algorithms import KEYS, ec, rsa
from cmpd.clm.pkix.usages import extension, key_usage
from cmpd.cmp.wire.failure import CMPFailure, FailInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cmpd.clm.issuance.certificate_request import CertificateRequest
    from cmpd.cmp.protection import PublicKey


class Method(StrEnum):
    """SubsequentMessage, by the names of RFC 4211."""

    CERTIFICATE = "encrCert"
    CHALLENGE = "challengeResp"


METHODS: Final = {0: Method.CERTIFICATE, 1: Method.CHALLENGE}


@dataclass(frozen=True, slots=True)
class Use:
    """What a choice of ProofOfPossession says that the key is for."""

    name: str
    """The choice's name, and that of the key usage."""
    attribute: str
    """The key usage in `cryptography`."""
    family: str
    """The keys that can do it."""


USES: Final = {
    use.name: use
    for use in (
        Use("keyEncipherment", "key_encipherment", rsa.FAMILY),
        Use("keyAgreement", "key_agreement", ec.FAMILY),
    )
}


@dataclass(frozen=True, slots=True)
class DeferredPOP:
    """A POPOPrivKey that is carried out: possession will be proved by decryption."""

    use: Use
    method: Method

    def check(self, key: PublicKey) -> None:
        """Raises CMPFailure where the key cannot do what the popo says it is for."""
        if KEYS.family(key) != self.use.family:
            raise CMPFailure(
                FailInfo.badPOP,
                f"popo {self.use.name} is for {self.use.family} keys, and this is another kind of key",
            )

    def completed(self, request: CertificateRequest) -> CertificateRequest:
        """The request with the key usage that goes with the popo, where it asks for none."""
        if any(isinstance(asked.value, x509.KeyUsage) for asked in request.extensions):
            return request
        usage = extension(key_usage((self.use.name,)), critical=True)
        return replace(request, extensions=x509.Extensions([*request.extensions, usage]))

    def check_prepared(self, extensions: Iterable[x509.Extension[Any]]) -> None:
        """Raises CMPFailure where the certificate would be for other uses only: those a signature proves."""
        usage = next((one for one in extensions if isinstance(one.value, x509.KeyUsage)), None)
        if usage is None:
            return
        if not getattr(usage.value, self.use.attribute):
            raise CMPFailure(
                FailInfo.badPOP,
                f"popo {self.use.name} is not enough: the certificate would be without that key usage, "
                "and possession of a signing key is proved by a signature",
            )


def deferred(popo: tuple[str, Any] | None) -> DeferredPOP | None:
    """The promise in a popo shaped as `RawProofOfPossession`; None for those that prove at once, or that
    are not supported."""
    if popo is None or popo[0] not in USES:
        return None
    choice, value = popo[1]
    if choice != "subsequentMessage" or value not in METHODS:
        return None
    return DeferredPOP(USES[popo[0]], METHODS[value])
