"""One way in, the same way out: a request's bytes become a response's bytes here.

    decode → look up → header checks → policy → authenticate → grant → handler → protect → commit

Everything that goes wrong on the way is a `CMPFailure`, and becomes an error message in one place
(`Responder._refuse`), which goes by what was established until then. Nothing leaves before the unit that
makes it true is committed (`Responder._conclude`).
"""

from __future__ import annotations

import hashlib
import logging
from time import perf_counter
from typing import TYPE_CHECKING

from cmpd.clm.model import Entity, Transaction
from cmpd.clm.store.base import Conflict, StoreError
from cmpd.cmp import handlers  # noqa: F401 - registers the body types
from cmpd.cmp.errors import CONFLICTS, ErrorMessages, Established, context_of, describe, failure_of
from cmpd.cmp.parties import grants
from cmpd.cmp.parties.authentication import Authenticator, Context, Derive
from cmpd.cmp.parties.cells import Operation, Target
from cmpd.cmp.parties.conditions import Facts
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
from cmpd.cmp.transaction.issuing import Issuance
from cmpd.cmp.transaction.operations import check_operation
from cmpd.cmp.transaction.policy_choice import choose
from cmpd.cmp.transaction.turns import Turns
from cmpd.cmp.wire import message
from cmpd.cmp.wire.failure import CMPFailure, FailInfo, PKIStatus
from cmpd.cmp.wire.message import Body, Message
from cmpd.cmp.wire.schema import DecodeError

if TYPE_CHECKING:
    from cmpd.clm.client import Client
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.config import CMPConfig

log = logging.getLogger(__name__)

TRIES = 3
"""For conflicts that another try mends: two requests met."""


MAY_ISSUE = (states.Event.POLL, states.Event.PROVE)
"""Later messages that may be answered with a certificate, as certificate requests may."""
OUTDATED = frozenset(
    (
        FailInfo.badCertId,
        FailInfo.badMessageCheck,
        FailInfo.badRecipientNonce,
        FailInfo.badRequest,
        FailInfo.certConfirmed,
        FailInfo.certRevoked,
        FailInfo.notAuthorized,
        FailInfo.transactionIdInUse,
    )
)
"""What a message may be refused for because a copy of it was answered since it was looked up."""
MET_TOO_OFTEN = CMPFailure(FailInfo.systemUnavail, "too many requests at once for the same thing, try again")


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
        self._errors = ErrorMessages(clm, self._authenticator)
        self._turns = Turns()

    async def respond(self, call: TransportRequest, outer: OuterMessage | None = None) -> TransportResponse:
        """The response to a request, whatever its bytes are. Never raises for what was sent.

        `envelope`: what it came in, where a nested message held it.
        """
        entry = RequestLogEntry(peer=call.peer)
        issuance = Issuance()  # one for all tries: no certificate is asked for twice
        for _ in range(TRIES):
            try:
                return await self._respond(call, entry, outer, issuance)
            except Conflict as conflict:
                log.info("trying again: %s", conflict)
        return await self._errors.refuse(Established(call, entry), MET_TOO_OFTEN)

    async def _respond(
        self,
        call: TransportRequest,
        entry: RequestLogEntry,
        outer: OuterMessage | None,
        issuance: Issuance,
    ) -> TransportResponse:
        """The steps; where one fails, what is established by then is what the refusal goes by. Raises
        Conflict where two requests met and another try mends it."""
        request = snapshot = named = choice = compiled = None
        party, verified, began, phases = NOBODY, False, perf_counter(), entry.phases
        turn: bytes | None = None
        try:
            request = _parse(call.body)
            entry.request, entry.transaction = request.kind, (request.header.transaction_id or b"").hex()
            decoded = perf_counter()
            phases["decode"] = decoded - began

            row = BODY_TYPES.get(request.tag)
            if row is not None and (row.certifies or row.event in MAY_ISSUE):
                taken = request.header.transaction_id or b""
                await self._turns.take(taken)
                turn = taken
            digest = hashlib.sha256(call.body).digest()
            snapshot, state = await self.clm.request_state(*header_checks.lookup_keys(request.header))
            named, transaction = state.entity, state.transaction
            if transaction is not None and (again := memory.retransmitted(transaction, digest)) is not None:
                verified = True
                return await self._again(entry, transaction, request, again)
            now = issuance.began = issuance.began or self.clm.now()
            self._check_header(call, request, transaction, now)

            profile = _profile(request, transaction)
            choice = choose(self.clm, snapshot, call, profile)
            entry.policy = choice.compiled.policy.id if choice.compiled is not None else ""
            proved, verified = call.entity, True  # by HTTP Basic authentication
            basic = None if proved is None else await self.clm.credentials.entity(proved)
            context = context_of(self.clm, call, snapshot, named, choice, transaction, basic)
            party = await self._authenticate(request, context)
            entry.entity = party.entity.id if party.entity else ""
            entry.party = party.actor if party.actor != f"entity:{entry.entity}" else ""
            if basic is not None:
                _check_basic(party, basic)
            compiled = choice.granted(party)
            _check_begun(request, transaction, party, compiled)
            verified_at = perf_counter()
            phases["verify"] = verified_at - decoded

            exchange = Exchange(
                call=call,
                message=request,
                digest=digest,
                clm=self.clm,
                settings=self.settings,
                now=now,
                log_entry=entry,
                snapshot=snapshot,
                compiled=compiled,
                respond=self.respond,
                party=party,
                profile=profile,
                transaction=transaction,
                issued=state.certificate,
                outer=outer,
                issuance=issuance,
            )
            result = await self._act(exchange)
            phases["clm"] = perf_counter() - verified_at
            return await self._conclude(exchange, result)
        except Exception as error:
            if isinstance(error, Conflict) and error.what not in CONFLICTS:
                raise
            failure = failure_of(error)
            if request is not None and party is not NOBODY and failure.fail_info in OUTDATED:
                again = await self._answered_meanwhile(request, hashlib.sha256(call.body).digest())
                if again is not None:
                    entry.retransmission = True
                    return TransportResponse(again, entry)
            known = Established(call, entry, request, snapshot, named, choice, compiled, party, verified)
            return await self._errors.refuse(known, failure)
        finally:
            if turn is not None:
                self._turns.give(turn)

    async def _again(
        self, entry: RequestLogEntry, transaction: Transaction, request: Message, response: bytes
    ) -> TransportResponse:
        """The recorded response to a message that was sent again."""
        if response == memory.BEING_ANSWERED:
            raise CMPFailure(FailInfo.systemUnavail, "the request is being processed, send it again later")
        await check_sender(self.clm, transaction, request)
        entry.retransmission = True
        return TransportResponse(response, entry)

    def _check_header(
        self, call: TransportRequest, request: Message, transaction: Transaction | None, now: int
    ) -> None:
        settings = self.settings
        context = header_checks.HeaderContext(
            now, settings.time_tolerance, transaction, settings.message_time_required
        )
        header_checks.header(request, context)
        check_operation(call.operation, request)

    async def _authenticate(self, request: Message, context: Context) -> Party:
        """Who protected the message. Raises CMPFailure."""
        if self.settings.unprotected_genm and _is_unprotected_genm(request):
            return NOBODY
        return await self._authenticator.authenticate(request, context)

    async def _act(self, exchange: Exchange) -> HandlerResult:
        row = BODY_TYPES[exchange.message.tag]
        state = exchange.transaction.state if exchange.transaction else None
        certificate = exchange.issued.state if exchange.issued else None
        step = states.step(state, row.event, certificate)
        if step is states.Step.BEGIN:
            exchange.require(Operation.BEGIN, Target.NONE)
        await admission.admit(exchange, step)
        return await row.handle(exchange)

    async def _conclude(self, exchange: Exchange, result: HandlerResult) -> TransportResponse:
        """Protect the response, commit what it says, and only then let it go."""
        if result.response is not None:
            return TransportResponse(result.response, exchange.log_entry)
        if result.fail_info is not None and exchange.transaction is None:
            again = await self._answered_meanwhile(exchange.message, exchange.digest)
            if again is not None:
                exchange.log_entry.retransmission = True
                return TransportResponse(again, exchange.log_entry)
        began = perf_counter()
        response, nonce = protector.respond(
            result,
            protector.Addressing.answering(exchange.message),
            exchange.party,
            exchange.compiled.authority,
            now=exchange.now,
            random=self.clm.random,
        )
        signed = perf_counter()
        exchange.log_entry.phases["sign"] = signed - began
        unit = exchange.unit
        if result.state is not None:
            # The first to conflict: a copy of a message that was answered in between finds that answer, and
            # not what it left of a password or a limit.
            unit.insert(0, memory.remember(exchange, result, result.state, response, nonce))
        if unit:
            try:
                await self.clm.commit(unit)
            except Conflict as conflict:
                if conflict.what != "transaction":
                    raise
                return await self._met(exchange, conflict)
        exchange.log_entry.phases["commit"] = perf_counter() - signed
        describe(exchange.log_entry, result)
        return TransportResponse(response, exchange.log_entry)

    async def _answered_meanwhile(self, request: Message, digest: bytes) -> bytes | None:
        """The response to a copy of the message, where it was recorded since this one was looked up: what is
        refused now may be what the copy has done. None for others, and where the store cannot say."""
        try:
            transaction = await self.clm.transaction(header_checks.lookup_keys(request.header)[0])
            again = memory.retransmitted(transaction, digest) if transaction else None
            if transaction is None or again is None or again == memory.BEING_ANSWERED:
                return None
            await check_sender(self.clm, transaction, request)
        except (CMPFailure, StoreError):
            return None
        return again

    async def _met(self, exchange: Exchange, conflict: Conflict) -> TransportResponse:
        """Another process was faster with this transactionID: the same request has its response there, and
        what an operator decided meanwhile is what another try finds."""
        transaction = await self.clm.transaction(exchange.transaction_id)
        again = memory.retransmitted(transaction, exchange.digest) if transaction else None
        if again == memory.BEING_ANSWERED or (again is None and exchange.transaction is not None):
            raise conflict
        if again is None:
            raise CMPFailure(
                FailInfo.transactionIdInUse, "transactionID is in use", detail=str(conflict)
            ) from None
        exchange.log_entry.retransmission = True
        return TransportResponse(again, exchange.log_entry)


async def _derive_here(algorithm: mac.MacAlgorithm, secret: bytes) -> bytes:
    return algorithm.derive(secret)


def _parse(body: bytes) -> Message:
    try:
        return message.parse(body)
    except DecodeError as error:
        raise CMPFailure(
            FailInfo.badDataFormat, "the request is not a DER-encoded PKIMessage", detail=str(error)
        ) from None


def _is_unprotected_genm(request: Message) -> bool:
    return request.tag == Body.GENM and request.header.protection_alg is None and request.protection is None


def _profile(request: Message, transaction: Transaction | None) -> str:
    """The certProfile that chooses the policy: that of the request, or of the one that began the
    transaction. Those of genm belong to its questions, one by one."""
    row = BODY_TYPES[request.tag]
    if row.goes_on:
        return transaction.profile if transaction else ""
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


def _check_basic(party: Party, basic: Entity) -> None:
    if party.entity is None or party.entity.id != basic.id:
        raise CMPFailure(
            FailInfo.notAuthorized, "the message is protected by another than HTTP authentication named"
        )


__all__ = ["PKIStatus", "RequestLogEntry", "Responder", "TransportRequest", "TransportResponse"]
