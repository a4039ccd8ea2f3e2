"""What a client may ask in genm, and what it is told (RFC 9810, section 5.3.19; RFC 9483, section 4.3).

`TYPES` says all: infoType → how it is answered, under which infoType, and whether anybody may know. What
is not in it comes back under unsupportedOIDs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmpd.cmp.information import ca_certificates, crls, key_types, languages, request_template

if TYPE_CHECKING:
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.cmp.transaction.exchange import Exchange

ID_IT = "1.3.6.1.5.5.7.4."
UNSUPPORTED_OIDS = ID_IT + "7"

Answerer = Callable[["Exchange", "CompiledPolicy", bytes | None], Awaitable[bytes | None]]
"""(the exchange, the policy asked about, DER of the infoValue sent) → DER of the infoValue to send; None:
there is none, and an absent infoValue says so. Raises CMPFailure."""


@dataclass(frozen=True, slots=True)
class InfoType:
    """One kind of question."""

    name: str
    answer: Answerer
    answered_as: str
    """infoType of the answer."""
    public: bool = True
    """Whether an unprotected genm may ask it where the configuration admits such."""


def _same(name: str, number: int, answer: Answerer, *, public: bool = True) -> tuple[str, InfoType]:
    """A question whose answer has its own infoType."""
    oid = f"{ID_IT}{number}"
    return oid, InfoType(name, answer, oid, public)


TYPES: dict[str, InfoType] = dict(
    (
        _same("signKeyPairTypes", 2, key_types.signing),
        _same("encKeyPairTypes", 3, key_types.encrypting),
        _same("preferredSymmAlg", 4, key_types.preferred_symmetric),
        _same("caKeyUpdateInfo", 5, ca_certificates.ca_key_update),
        _same("currentCRL", 6, crls.current),
        (ID_IT + "10", InfoType("keyPairParamReq", key_types.parameters, ID_IT + "11")),
        _same("suppLangTags", 16, languages.supported),
        _same("caCerts", 17, ca_certificates.ca_certificates),
        _same("rootCaKeyUpdate", 18, ca_certificates.root_update),
        _same("certReqTemplate", 19, request_template.template, public=False),
        (ID_IT + "20", InfoType("rootCaCert", ca_certificates.root_update, ID_IT + "18")),
        (ID_IT + "22", InfoType("crlStatusList", crls.newer, ID_IT + "23")),
    )
)
"""infoType OID → the question."""

ALL_RELEVANT = tuple(f"{ID_IT}{number}" for number in (2, 3, 4, 18, 6))
"""What an empty genm asks for (RFC 9810, appendix D.5): of the types there, those that are known here."""
