"""One way in, the same way out: a request's bytes become a response's bytes here.

    decode → header checks → verify protection → state machine → handler → protect → commit

Everything that goes wrong on the way is a `CMPFailure`, and becomes an error message in one place.
Nothing leaves before the unit that makes it true is committed (`Responder._conclude`).
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from cmpd.clm.client import InvalidIdentifier
from cmpd.clm.model import Entity, Transaction
from cmpd.clm.secrets import SecretError
from cmpd.clm.store.base import Conflict, StoreError, StoreUnavailable
from cmpd.clm.store.changes import Change
from cmpd.cmp import handlers  # noqa: F401 - registers the body types
from cmpd.cmp.parties import grants
from cmpd.cmp.parties.authentication import Authenticator, Context, Derive
from cmpd.cmp.parties.cells import Operation, Target
from cmpd.cmp.parties.conditions import NOT_VERIFIED, Facts
from cmpd.cmp.parties.party import NOBODY, Party
from cmpd.cmp.parties.replay import check_sender
from cmpd.cmp.protection import mac
from cmpd.cmp.transaction import admission, header_checks, memory, profiles, protector, states
from cmpd.cmp.transaction.bodies import BODY_TYPES
from cmpd.cmp.transaction.exchange import (
    Exchange,
    HandlerResult,
    OuterMessage,
    RequestLogEntry,
    TransportRequest,
    TransportResponse,
)
from cmpd.cmp.transaction.operations import check_operation
from cmpd.cmp.transaction.policy_choice import PolicyChoice, choose
from cmpd.cmp.wire import message
from cmpd.cmp.wire.failure import CMPFailure, FailInfo, PKIStatus
from cmpd.cmp.wire.message import Body, Message
from cmpd.cmp.wire.schema import DecodeError
from cmpd.cmp.wire.status import failure_info

if TYPE_CHECKING:
    from cmpd.clm.authorities.authority import Authority
    from cmpd.clm.client import Client
    from cmpd.clm.configuration.catalog import ConfigSnapshot
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.config import CMPConfig

log = logging.getLogger(__name__)

CONFLICTS: dict[str, tuple[FailInfo, str]] = {
    "limit": (FailInfo.notAuthorized, "the end entity holds as many certificates as the policy allows"),
    "password": (FailInfo.badMessageCheck, NOT_VERIFIED),
    "state": (FailInfo.certRevoked, "the certificate's standing changed meanwhile"),
}
"""What a client is told where its unit conflicts for a reason that trying again would not mend."""
TRIES = 3
"""For conflicts that another try mends: two requests met."""


@dataclass(slots=True)
class _Known:
    """What is known of a request by the time it fails, to answer it as well as can be."""

    outer: OuterMessage | None
    message: Message | None = None
    snapshot: ConfigSnapshot | None = None
    named: Entity | None = None
    """The end entity whose UUID the senderKID is."""
    choice: PolicyChoice | None = None
    compiled: CompiledPolicy | None = None
    """The policy, once it is granted: before that nothing tells that it is there."""
    party: Party = NOBODY
    verified: bool = False


class Responder:
    """Answers CMP requests out of one lifecycle client."""

    def __init__(self, clm: Client, settings: CMPConfig, derive: Derive | None = None) -> None:
        """`derive` runs a costly key derivation away from the event loop; None: where it stands."""
        self.clm = clm
        self.settings = settings
        self._authenticator = Authenticator(
            clm,
            derive or _derive_here,
            mac.Bounds(
                settings.pbm_iterations_min, settings.pbm_iterations_max, settings.pbkdf2_iterations_max
            ),
        )

    async def respond(self, call: TransportRequest, outer: OuterMessage | None = None) -> TransportResponse:
        """The response to a request, whatever its bytes are. Never raises for what was sent.

        `envelope`: what it came in, where a nested message held it.
        """
        record = RequestLogEntry(peer=call.peer)
        known = _Known(outer)
        try:
            return await self._try(call, record, known)
        except CMPFailure as failure:
            reason = failure
        except StoreUnavailable as error:
            reason = CMPFailure(
                FailInfo.systemUnavail,
                "the server cannot keep records now, try again later",
                detail=str(error),
            )
        except (StoreError, SecretError) as error:
            reason = CMPFailure(FailInfo.systemFailure, "the server's store failed", detail=str(error))
        except Exception as error:
            log.exception("unexpected failure")  # whatever happens, the client gets an answer
            reason = CMPFailure(FailInfo.systemFailure, "internal error", detail=repr(error))
        return await self._refuse(call, record, known, reason)

    async def _try(self, call: TransportRequest, record: RequestLogEntry, known: _Known) -> TransportResponse:
        """Again where two requests met and another try mends it."""
        for _ in range(TRIES):
            try:
                return await self._respond(call, record, known)
            except Conflict as conflict:
                if conflict.what in CONFLICTS:
                    raise CMPFailure(*CONFLICTS[conflict.what], detail=str(conflict)) from None
                log.info("trying again: %s", conflict)
        raise CMPFailure(FailInfo.systemUnavail, "too many requests at once for the same thing, try again")

    async def _respond(
        self, call: TransportRequest, record: RequestLogEntry, known: _Known
    ) -> TransportResponse:
        started = perf_counter()
        request = known.message = _parse(call.body)
        header = request.header
        record.request = request.kind
        record.transaction = (header.transaction_id or b"").hex()
        decoded = perf_counter()
        record.phases["decode"] = decoded - started

        digest = hashlib.sha256(call.body).digest()
        snapshot, request_state = await self.clm.request_state(
            header_checks.lookup_key(header), header.sender_kid or b""
        )
        known.snapshot, known.named = snapshot, request_state.entity
        transaction = request_state.transaction
        if transaction is not None and (again := memory.retransmitted(transaction, digest)) is not None:
            known.verified = True
            await check_sender(self.clm, transaction, request)
            record.retransmission = True
            return TransportResponse(again, record)
        now = self.clm.now()
        context = header_checks.HeaderContext(
            now, self.settings.time_tolerance, transaction, self.settings.message_time_required
        )
        header_checks.header(request, context)
        check_operation(call.operation, request)
        profile = _profile(request, transaction)
        choice = known.choice = choose(self.clm, snapshot, call, profile)
        if choice.compiled is not None:
            record.policy = choice.compiled.policy.id
        party = await self._authenticate(call, request, transaction, known)
        record.entity = party.entity.id if party.entity else ""
        record.party = party.actor if party.actor != f"entity:{record.entity}" else ""
        compiled = known.compiled = choice.granted(party)
        _check_begun(request, transaction, party, compiled)
        exchange = Exchange(
            call=call,
            message=request,
            clm=self.clm,
            settings=self.settings,
            now=now,
            record=record,
            snapshot=snapshot,
            compiled=compiled,
            respond=self.respond,
            party=party,
            profile=profile,
            transaction=transaction,
            issued=request_state.certificate,
            outer=known.outer,
        )
        verified = perf_counter()
        record.phases["verify"] = verified - decoded
        answer = await self._act(exchange)
        record.phases["clm"] = perf_counter() - verified
        return await self._conclude(exchange, answer, digest)

    async def _authenticate(
        self, call: TransportRequest, request: Message, transaction: Transaction | None, known: _Known
    ) -> Party:
        """Verify protection; the party goes to `known` as soon as its answer may be MACed."""
        known.verified = True
        if self.settings.unprotected_genm and _is_unprotected_genm(request):
            return NOBODY
        context = await self._context(call, known, transaction)
        party = known.party = await self._authenticator.authenticate(request, context)
        basic = context.basic
        if basic is not None and (party.entity is None or party.entity.id != basic.id):
            raise CMPFailure(
                FailInfo.notAuthorized, "the message is protected by another than HTTP authentication named"
            )
        return party

    async def _context(
        self, call: TransportRequest, known: _Known, transaction: Transaction | None
    ) -> Context:
        """What authentication goes by."""
        choice = known.choice
        return Context(
            compiled=choice.compiled if choice else None,
            by_default=choice is None or choice.by_default,
            named=known.named,
            basic=await self.clm.credentials.entity(call.entity) if call.entity is not None else None,
            expected=transaction.party if transaction else None,
            peer=call.peer,
            anchors=known.snapshot.anchors if known.snapshot else (),
            likely=self._likely(known.snapshot),
        )

    def _likely(self, snapshot: ConfigSnapshot | None) -> str | None:
        try:
            return self.clm.default_policy(snapshot).authority.id if snapshot is not None else None
        except InvalidIdentifier:
            return None

    async def _act(self, exchange: Exchange) -> HandlerResult:
        row = BODY_TYPES[exchange.message.tag]
        state = exchange.transaction.state if exchange.transaction else None
        step = states.step(state, row.event)
        if step is states.Step.BEGIN:
            exchange.require(Operation.BEGIN, Target.NONE)
        await admission.admit(exchange, step)
        return await row.handle(exchange)

    async def _conclude(self, exchange: Exchange, answer: HandlerResult, digest: bytes) -> TransportResponse:
        """Protect the answer, commit what it says, and only then let it go."""
        if answer.response is not None:
            return TransportResponse(answer.response, exchange.record)
        started = perf_counter()
        response, nonce = protector.respond(
            answer,
            protector.Addressing.answering(exchange.message),
            exchange.party,
            exchange.compiled.authority,
            now=exchange.now,
            random=self.clm.random,
        )
        signed = perf_counter()
        exchange.record.phases["sign"] = signed - started
        unit = exchange.unit
        if answer.state is not None:
            unit.append(memory.remember(exchange, answer, answer.state, digest, response, nonce))
        if unit:
            try:
                await self.clm.commit(unit)
            except Conflict as conflict:
                if conflict.what != "transaction":
                    raise
                return await self._met(exchange, digest, conflict)
        exchange.record.phases["commit"] = perf_counter() - signed
        _describe(exchange.record, answer)
        return TransportResponse(response, exchange.record)

    async def _met(self, exchange: Exchange, digest: bytes, conflict: Conflict) -> TransportResponse:
        """Another process was faster with this transactionID: the same request has its response there, and
        what an operator decided meanwhile is what another try finds."""
        transaction = await self.clm.transaction(exchange.transaction_id)
        again = memory.retransmitted(transaction, digest) if transaction else None
        if again is None and exchange.transaction is not None:
            raise conflict
        if again is None:
            raise CMPFailure(
                FailInfo.transactionIdInUse, "transactionID is in use", detail=str(conflict)
            ) from None
        exchange.record.retransmission = True
        return TransportResponse(again, exchange.record)

    # Refusals

    async def _refuse(
        self, call: TransportRequest, record: RequestLogEntry, known: _Known, failure: CMPFailure
    ) -> TransportResponse:
        """The error message for a failure, protected as well as the request allows (RFC 9483, 3.6)."""
        authority: Authority | None = None
        try:
            known.party = await self._party_for_error(call, known)
            authority = await self._authority(known)
            await self._audit_refusal(call, record, known, failure)
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
            answer, addressing, known.party, authority, now=self.clm.now(), random=self.clm.random
        )
        record.detail = failure.detail
        _describe(record, answer)
        return TransportResponse(response, record)

    async def _party_for_error(self, call: TransportRequest, known: _Known) -> Party:
        """A MAC that verifies earns an error under the same MAC, even where a cheaper check failed first."""
        if known.message is None or known.verified:
            return known.party
        return await self._authenticator.by_mac_alone(known.message, await self._context(call, known, None))

    async def _authority(self, known: _Known) -> Authority | None:
        """Whose CMP signer speaks: the policy's, the default policy's, or any."""
        if known.compiled is not None:
            return known.compiled.authority
        snapshot = known.snapshot or await self.clm.catalog.current()
        try:
            return self.clm.default_policy(snapshot).authority
        except InvalidIdentifier:
            return next(iter(snapshot.authorities.values()), None)

    async def _audit_refusal(
        self, call: TransportRequest, record: RequestLogEntry, known: _Known, failure: CMPFailure
    ) -> None:
        """Refusals of somebody known, and failed authentication, are audited; noise is only logged."""
        if failure.fail_info in (FailInfo.systemUnavail, FailInfo.systemFailure):
            return
        if not known.party.name and not known.verified:
            return
        subject = f"transaction:{record.transaction}"
        outcome = failure.fail_info.name if failure.fail_info is not None else failure.status.name
        detail = {"request": record.request, "text": failure.text}
        if not known.party.actor:
            await self.clm.audit_sample(f"peer:{call.peer}", "request.refuse", subject, outcome, **detail)
            return
        unit: list[Change] = []
        self.clm.audit(unit, known.party.actor, "request.refuse", subject, outcome, **detail)
        await self.clm.commit(unit)


async def _derive_here(algorithm: mac.MacAlgorithm, secret: bytes) -> bytes:
    return algorithm.derive(secret)


def _parse(body: bytes) -> Message:
    try:
        return message.parse(body)
    except DecodeError as error:
        raise CMPFailure(
            FailInfo.badDataFormat, "the request is no PKIMessage in DER", detail=str(error)
        ) from None


def _is_unprotected_genm(request: Message) -> bool:
    return request.tag == Body.GENM and request.header.protection_alg is None and request.protection is None


def _profile(request: Message, transaction: Transaction | None) -> str:
    """The certProfile that chooses the policy: that of the request, or of the one that began the
    transaction. Those of genm belong to its questions, one by one."""
    row = BODY_TYPES[request.tag]
    if row.goes_on:
        return str(transaction.detail.get("profile", "")) if transaction else ""
    if row.asks or not row.begins:
        return ""
    return "".join(profiles.names(request))


def _check_begun(
    request: Message, transaction: Transaction | None, party: Party, compiled: CompiledPolicy
) -> None:
    """A transaction is gone on with by who began it, where it began. Raises CMPFailure."""
    row = BODY_TYPES[request.tag]
    if transaction is None or not row.goes_on or row.operation is None:
        return
    whom = Target.ITSELF if transaction.party == party.name else Target.OTHERS
    grants.require(row.operation, whom, Facts(party, compiled.policy))
    if transaction.policy != compiled.policy.id:
        raise CMPFailure(FailInfo.badRequest, "the transaction was begun under another policy")


def _describe(record: RequestLogEntry, answer: HandlerResult) -> None:
    record.response = answer.body.field
    record.status = answer.status.name if answer.status is not None else ""
    record.fail_info = answer.fail_info.name if answer.fail_info is not None else ""
    record.text = answer.text
    if answer.certificate is not None:
        record.serial = f"{answer.certificate.serial:x}"


__all__ = ["PKIStatus", "RequestLogEntry", "Responder", "TransportRequest", "TransportResponse"]
