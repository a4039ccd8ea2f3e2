"""Error messages: what a request that fails is told, protected as well as it allows (RFC 9483, section
3.6)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cmpd.clm.authorities.key_ref import KeyUnavailable
from cmpd.clm.client import InvalidIdentifier
from cmpd.clm.issuance.issuer import IssuerUnavailable
from cmpd.clm.secrets import SecretError
from cmpd.clm.store.base import Conflict, StoreError, StoreUnavailable
from cmpd.cmp.parties.authentication import Authenticator, Context
from cmpd.cmp.parties.conditions import NOT_VERIFIED
from cmpd.cmp.parties.party import NOBODY, Party
from cmpd.cmp.transaction import protector
from cmpd.cmp.transaction.exchange import (
    HandlerResult,
    RequestLogEntry,
    TransportRequest,
    TransportResponse,
)
from cmpd.cmp.transaction.issuing import CANNOT_ISSUE
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import Body, Message
from cmpd.cmp.wire.status import failure_info
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from cmpd.clm.authorities.authority import Authority
    from cmpd.clm.client import Client
    from cmpd.clm.configuration.catalog import ConfigSnapshot
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.clm.model import Entity, Transaction
    from cmpd.cmp.transaction.policy_choice import PolicyChoice

log = logging.getLogger(__name__)

CONFLICTS: dict[str, tuple[FailInfo, str]] = {
    "limit": (FailInfo.notAuthorized, "the end entity holds as many certificates as the policy allows"),
    "password": (FailInfo.badMessageCheck, NOT_VERIFIED),
    "state": (FailInfo.certRevoked, "the certificate's state changed in the meantime"),
}
"""What a client is told where its unit conflicts for a reason that trying again would not mend."""


@quick_dataclass(frozen=True, slots=True)
class Established:
    """What is established of a request by the time it fails: as much as its refusal may go by."""

    call: TransportRequest
    entry: RequestLogEntry
    message: Message | None = None
    snapshot: ConfigSnapshot | None = None
    named: Entity | None = None
    """The end entity whose UUID the senderKID is."""
    choice: PolicyChoice | None = None
    compiled: CompiledPolicy | None = None
    """The policy, once it is granted: before that nothing tells that it is there."""
    party: Party = NOBODY
    verified: bool = False
    """Whether the protection was looked at, or need not be."""


def context_of(
    clm: Client,
    call: TransportRequest,
    snapshot: ConfigSnapshot | None,
    named: Entity | None,
    choice: PolicyChoice | None,
    transaction: Transaction | None,
    basic: Entity | None,
) -> Context:
    """What authentication goes by; `basic`: whom HTTP Basic authentication proved."""
    try:
        likely = clm.default_policy(snapshot).authority.id if snapshot is not None else None
    except InvalidIdentifier:
        likely = None
    return Context(
        compiled=choice.compiled if choice else None,
        by_default=choice is None or choice.by_default,
        named=named,
        basic=basic,
        expected=transaction.party if transaction else None,
        peer=call.peer,
        anchors=snapshot.anchors if snapshot else (),
        likely=likely,
    )


class ErrorMessages:
    """Makes them out of one lifecycle client."""

    def __init__(self, clm: Client, authenticator: Authenticator) -> None:
        self.clm = clm
        self._authenticator = authenticator

    async def refuse(self, known: Established, failure: CMPFailure) -> TransportResponse:
        """The error message for a failure, protected as well as the request allows (RFC 9483, 3.6)."""
        authority: Authority | None = None
        entry, party = known.entry, known.party
        try:
            party = await self._party_for_error(known)
            authority = await self._authority(known)
            await self._audit_refusal(known, party, failure)
        except (StoreError, SecretError) as error:
            log.warning("a refusal could not be written down: %s", error)
        except Exception:
            log.exception("unexpected failure")  # the client still gets its answer
        answer = HandlerResult(
            Body.ERROR,
            {"pKIStatusInfo": failure_info(failure)},
            status=failure.status,
            fail_info=failure.fail_info,
            text=failure.text,
        )
        addressing = (
            protector.Addressing.answering(known.message) if known.message else protector.Addressing()
        )
        response, _ = protector.respond(
            answer, addressing, party, authority, now=self.clm.now(), random=self.clm.random
        )
        entry.detail = failure.detail
        describe(entry, answer)
        return TransportResponse(response, entry)

    async def _party_for_error(self, known: Established) -> Party:
        """A MAC that verifies earns an error under the same MAC, even where a cheaper check failed first."""
        if known.message is None or known.verified:
            return known.party
        call = known.call
        basic = await self.clm.credentials.entity(call.entity) if call.entity is not None else None
        context = context_of(self.clm, call, known.snapshot, known.named, known.choice, None, basic)
        return await self._authenticator.by_mac_alone(known.message, context)

    async def _authority(self, known: Established) -> Authority | None:
        """Whose CMP signer speaks: the policy's, the default policy's, or any."""
        if known.compiled is not None:
            return known.compiled.authority
        snapshot = known.snapshot or await self.clm.catalog.current()
        try:
            return self.clm.default_policy(snapshot).authority
        except InvalidIdentifier:
            return next(iter(snapshot.authorities.values()), None)

    async def _audit_refusal(self, known: Established, party: Party, failure: CMPFailure) -> None:
        """Refusals of somebody known, and failed authentication, are audited; noise is only logged."""
        if failure.fail_info in (FailInfo.systemUnavail, FailInfo.systemFailure):
            return
        if not party.name and not known.verified:
            return
        subject = f"transaction:{known.entry.transaction}"
        outcome = failure.fail_info.name if failure.fail_info is not None else failure.status.name
        detail = {"request": known.entry.request, "text": failure.text}
        if not party.actor:
            peer = f"peer:{known.call.peer}"
            await self.clm.audit_sample(peer, "request.refuse", subject, outcome, **detail)
            return
        await self.clm.commit((self.clm.audited(party.actor, "request.refuse", subject, outcome, **detail),))


def failure_of(error: Exception) -> CMPFailure:
    """What the client is told of whatever went wrong."""
    if isinstance(error, CMPFailure):
        return error
    if isinstance(error, Conflict) and error.what in CONFLICTS:
        return CMPFailure(*CONFLICTS[error.what], detail=str(error))
    if isinstance(error, StoreUnavailable):
        text = "the server cannot keep records now, try again later"
        return CMPFailure(FailInfo.systemUnavail, text, detail=str(error))
    if isinstance(error, KeyUnavailable | IssuerUnavailable):
        return CMPFailure(FailInfo.systemUnavail, CANNOT_ISSUE, detail=str(error))
    if isinstance(error, StoreError | SecretError):
        return CMPFailure(FailInfo.systemFailure, "the server's store failed", detail=str(error))
    log.error("unexpected failure", exc_info=error)  # whatever happens, the client gets an answer
    return CMPFailure(FailInfo.systemFailure, "internal error", detail=repr(error))


def describe(entry: RequestLogEntry, answer: HandlerResult) -> None:
    """Write into the log entry what was answered."""
    entry.response = answer.body.field
    entry.status = answer.status.name if answer.status is not None else ""
    entry.fail_info = answer.fail_info.name if answer.fail_info is not None else ""
    entry.text = answer.text
    if answer.certificate is not None:
        entry.serial = f"{answer.certificate.serial:x}"
