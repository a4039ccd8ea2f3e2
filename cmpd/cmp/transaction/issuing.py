"""Certificates asked of an issuer, at most once for each certificate request.

A handler may run more than once for one message, where its commit conflicts with another's. What it prepares
the second time is the same certificate, with the same serial number; so what the issuer gave the first time
holds. If it is another one, because policy or template changed in between, nothing is asked a second time.

Where the issuer `claims`, the store knows of the call before it is made, so that no other process and no
restart makes it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cmpd.clm.issuance.issuer import IssuancePending, IssuedCertificate, Issuer, RequestId
from cmpd.clm.issuance.prepare import PreparedCertificate
from cmpd.clm.pkix.serial_numbers import Random, new_serial
from cmpd.cmp.wire.failure import CMPFailure, FailInfo

CANNOT_ISSUE = "the CA cannot issue certificates now, try again later"

Outcome = IssuedCertificate | IssuancePending


@dataclass(slots=True)
class Issuance:
    """What issuers gave for one message, by certReqId."""

    began: int = 0
    """When the message was handled first, in seconds since the epoch; 0: it was not."""
    _serials: dict[int, int] = field(default_factory=dict)
    _outcomes: dict[int, tuple[PreparedCertificate, Outcome]] = field(default_factory=dict)

    def serial(self, cert_req_id: int, random: Random) -> int:
        """The serial number for a request: the same each time."""
        if cert_req_id not in self._serials:
            self._serials[cert_req_id] = new_serial(random)
        return self._serials[cert_req_id]

    def known(self, cert_req_id: int, prepared: PreparedCertificate) -> Outcome | None:
        """What the issuer gave for the request before. Raises CMPFailure where that was for another
        certificate."""
        if cert_req_id not in self._outcomes:
            return None
        before, outcome = self._outcomes[cert_req_id]
        if before != prepared:
            raise CMPFailure(
                FailInfo.systemUnavail,
                "the configuration changed while the certificate was issued, try again",
            )
        return outcome

    async def issue(self, issuer: Issuer, request: RequestId, prepared: PreparedCertificate) -> Outcome:
        """Ask the issuer. Raises RequestRefused, KeyUnavailable, IssuerUnavailable."""
        outcome = await issuer.issue(request, prepared)
        self._outcomes[request.cert_req_id] = prepared, outcome
        return outcome
