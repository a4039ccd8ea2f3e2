"""One way in, the same way out: a request's bytes become a response's bytes here.

    decode → look up → header checks → policy → authenticate → grant → handler → protect → commit

Everything that goes wrong on the way is a `CMPFailure`, and becomes an error message in one place
(`Responder._refuse`), which goes by what was established until then. Nothing leaves before the unit that
makes it true is committed (`Responder._conclude`).
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from cmpd.clm.model import Entity, Transaction
from cmpd.clm.store.base import Conflict
from cmpd.cmp import handlers  # noqa: F401 - registers the body types
from cmpd.cmp.errors import CONFLICTS, ErrorMessages, Established, describe, failure_of
from cmpd.cmp.parties import grants
from cmpd.cmp.parties.authentication import Authenticator, Derive
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
from cmpd.cmp.wire import message
from cmpd.cmp.wire.failure import CMPFailure, FailInfo, PKIStatus
from cmpd.cmp.wire.message import Body, Message
from cmpd.cmp.wire.schema import DecodeError

if TYPE_CHECKING:
    from cmpd.clm.client import Client
    from cmpd.clm.configuration.catalog import ConfigSnapshot
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.clm.store.base import RequestState
    from cmpd.config import CMPConfig

log = logging.getLogger(__name__)

TRIES = 3
"""For conflicts that another try mends: two requests met."""


class Phases:
    """Times the phases of a request."""

    def __init__(self, seconds: dict[str, float]) -> None:
        """`seconds`: where they are written, by name."""
        self._seconds = seconds
        self._began = perf_counter()

    def end(self, phase: str) -> None:
        """One has ended, the next begins."""
        now = perf_counter()
        self._seconds[phase], self._began = now - self._began, now


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

    async def respond(self, call: TransportRequest, outer: OuterMessage | None = None) -> TransportResponse:
        """The response to a request, whatever its bytes are. Never raises for what was sent.

        `envelope`: what it came in, where a nested message held it.
        """
        known = Established(call, RequestLogEntry(peer=call.peer), outer)
        issuance = Issuance()  # one for all tries: no certificate is asked for twice
        for _ in range(TRIES):
            try:
                return await self._respond(known, issuance)
            except Conflict as conflict:
                log.info("trying again: %s", conflict)
        return await self._errors.refuse(
            known,
            CMPFailure(FailInfo.systemUnavail, "too many requests at once for the same thing, try again"),
        )

    async def _respond(self, known: Established, issuance: Issuance) -> TransportResponse:
        """The steps. Raises Conflict where two requests met and another try mends it."""
        call, entry = known.call, known.entry
        clock = Phases(entry.phases)
        try:
            request = _parse(call.body)
            known = replace(known, message=request)
            entry.request, entry.transaction = request.kind, (request.header.transaction_id or b"").hex()
            clock.end("decode")

            digest = hashlib.sha256(call.body).digest()
            snapshot, state = await self._look_up(request)
            known, transaction = replace(known, snapshot=snapshot, named=state.entity), state.transaction
            if transaction is not None and (again := memory.retransmitted(transaction, digest)) is not None:
                known = replace(known, verified=True)
                return await self._again(known, transaction, request, again)
            now = self.clm.now() if issuance.began is None else issuance.began
            issuance.began = now
            self._check_header(call, request, transaction, now)

            profile = _profile(request, transaction)
            choice = choose(self.clm, snapshot, call, profile)
            entry.policy = choice.compiled.policy.id if choice.compiled is not None else ""
            known = replace(known, choice=choice, verified=True)
            basic = await self._basic(call)
            party = await self._authenticate(known, transaction, basic)
            known = replace(known, party=party)
            _describe_party(entry, party)
            _check_basic(party, basic)
            compiled = choice.granted(party)
            known = replace(known, compiled=compiled)
            _check_begun(request, transaction, party, compiled)
            clock.end("verify")

            exchange = Exchange(
                call=call,
                message=request,
                digest=digest,
                clm=self.clm,
                settings=self.settings,
                now=now,
                record=entry,
                snapshot=snapshot,
                compiled=compiled,
                respond=self.respond,
                party=party,
                profile=profile,
                transaction=transaction,
                issued=state.certificate,
                outer=known.outer,
                issuance=issuance,
            )
            result = await self._act(exchange)
            clock.end("clm")
            return await self._conclude(exchange, result, clock)
        except Conflict as conflict:
            if conflict.what not in CONFLICTS:
                raise
            fail_info, text = CONFLICTS[conflict.what]
            return await self._errors.refuse(known, CMPFailure(fail_info, text, detail=str(conflict)))
        except Exception as error:  # noqa: BLE001 - whatever happens, the client gets an answer
            return await self._errors.refuse(known, failure_of(error))

    async def _look_up(self, request: Message) -> tuple[ConfigSnapshot, RequestState]:
        header = request.header
        return await self.clm.request_state(header_checks.lookup_key(header), header.sender_kid or b"")

    async def _again(
        self, known: Established, transaction: Transaction, request: Message, response: bytes
    ) -> TransportResponse:
        """The recorded response to a message that was sent again."""
        if response == memory.BEING_ANSWERED:
            raise CMPFailure(FailInfo.systemUnavail, "the request is being processed, send it again later")
        await check_sender(self.clm, transaction, request)
        known.entry.retransmission = True
        return TransportResponse(response, known.entry)

    def _check_header(
        self, call: TransportRequest, request: Message, transaction: Transaction | None, now: int
    ) -> None:
        settings = self.settings
        context = header_checks.HeaderContext(
            now, settings.time_tolerance, transaction, settings.message_time_required
        )
        header_checks.header(request, context)
        check_operation(call.operation, request)

    async def _basic(self, call: TransportRequest) -> Entity | None:
        """The end entity that HTTP Basic authentication proved."""
        return await self.clm.credentials.entity(call.entity) if call.entity is not None else None

    async def _authenticate(
        self, known: Established, transaction: Transaction | None, basic: Entity | None
    ) -> Party:
        """Who protected the message. Raises CMPFailure."""
        request = known.message
        if request is None or (self.settings.unprotected_genm and _is_unprotected_genm(request)):
            return NOBODY
        return await self._authenticator.authenticate(request, known.context(self.clm, transaction, basic))

    async def _act(self, exchange: Exchange) -> HandlerResult:
        row = BODY_TYPES[exchange.message.tag]
        state = exchange.transaction.state if exchange.transaction else None
        step = states.step(state, row.event)
        if step is states.Step.BEGIN:
            exchange.require(Operation.BEGIN, Target.NONE)
        await admission.admit(exchange, step)
        return await row.handle(exchange)

    async def _conclude(self, exchange: Exchange, result: HandlerResult, clock: Phases) -> TransportResponse:
        """Protect the response, commit what it says, and only then let it go."""
        if result.response is not None:
            return TransportResponse(result.response, exchange.record)
        response, nonce = protector.respond(
            result,
            protector.Addressing.answering(exchange.message),
            exchange.party,
            exchange.compiled.authority,
            now=exchange.now,
            random=self.clm.random,
        )
        clock.end("sign")
        unit = exchange.unit
        if result.state is not None:
            unit.append(memory.remember(exchange, result, result.state, response, nonce))
        if unit:
            try:
                await self.clm.commit(unit)
            except Conflict as conflict:
                if conflict.what != "transaction":
                    raise
                return await self._met(exchange, conflict)
        clock.end("commit")
        describe(exchange.record, result)
        return TransportResponse(response, exchange.record)

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
        exchange.record.retransmission = True
        return TransportResponse(again, exchange.record)


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


def _check_basic(party: Party, basic: Entity | None) -> None:
    if basic is not None and (party.entity is None or party.entity.id != basic.id):
        raise CMPFailure(
            FailInfo.notAuthorized, "the message is protected by another than HTTP authentication named"
        )


def _describe_party(entry: RequestLogEntry, party: Party) -> None:
    entry.entity = party.entity.id if party.entity else ""
    entry.party = party.actor if party.actor != f"entity:{entry.entity}" else ""


__all__ = ["PKIStatus", "RequestLogEntry", "Responder", "TransportRequest", "TransportResponse"]
