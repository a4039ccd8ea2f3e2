"""genm → genp (RFC 9810, sections 5.3.19 and 5.3.20; RFC 9483, section 4.3). Nothing is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmpd.cmp.information import ALL_RELEVANT, ID_IT, TYPES, UNSUPPORTED_OIDS
from cmpd.cmp.parties import grants
from cmpd.cmp.parties.cells import Operation, Target
from cmpd.cmp.parties.conditions import Facts
from cmpd.cmp.transaction.bodies import BodyType, register
from cmpd.cmp.transaction.exchange import Exchange, HandlerResult
from cmpd.cmp.transaction.profiles import names, select, unknown
from cmpd.cmp.transaction.states import Event
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import Body

if TYPE_CHECKING:
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy

MOST_QUESTIONS = 16
"""InfoTypeAndValues one genm may hold; the profile has one."""

Question = tuple[str, bytes | None]
"""(infoType, infoValue's DER)."""


async def inform(exchange: Exchange) -> HandlerResult:
    """Each question is answered in its place; infoTypes that are not known follow as unsupportedOIDs."""
    questions = _questions(exchange.message.content)
    policies = _policies(exchange, len(questions))
    answers: list[dict[str, Any]] = []
    unsupported: list[str] = []
    for (oid, value), compiled in zip(questions, policies, strict=True):
        kind = TYPES.get(oid)
        public = kind is None or kind.public
        _require(exchange, compiled, Operation.ASK_PUBLIC if public else Operation.ASK_TEMPLATE)
        if kind is None:
            unsupported.append(oid)
            continue
        answers.append(_item(kind.answered_as, await kind.answer(exchange, compiled, value)))
    if unsupported:
        answers.append(_item(UNSUPPORTED_OIDS, schema.encode("UnsupportedOIDsValue", unsupported)))
    return HandlerResult(Body.GENP, answers)


def _questions(content: list[dict[str, Any]]) -> list[Question]:
    if len(content) > MOST_QUESTIONS:
        raise CMPFailure(
            FailInfo.badRequest, f"genm asks {len(content)} things at once, {MOST_QUESTIONS} are allowed"
        )
    asked = [(item["infoType"], item.get("infoValue")) for item in content]
    return asked or [(oid, None) for oid in ALL_RELEVANT]


def _policies(exchange: Exchange, count: int) -> list[CompiledPolicy]:
    """What each question is about: the policy served here, or that of its certProfile."""
    chosen = names(exchange.message, most=count)
    chosen += [""] * (count - len(chosen))
    policies: list[CompiledPolicy] = []
    for name in chosen:
        compiled = select(exchange.clm, exchange.snapshot, exchange.compiled, name)
        facts = Facts(exchange.party, compiled.policy, profile=name)
        if compiled is not exchange.compiled and grants.refused(
            Operation.POLICY_BY_PROFILE, Target.NONE, facts
        ):
            raise unknown(name, f"policy {compiled.policy.id} is not for {exchange.party.actor}")
        policies.append(compiled)
    return policies


def _require(exchange: Exchange, compiled: CompiledPolicy, operation: Operation) -> None:
    grants.require(operation, Target.NONE, Facts(exchange.party, compiled.policy))


def _item(oid: str, value: bytes | None) -> dict[str, Any]:
    return {"infoType": oid} if value is None else {"infoType": oid, "infoValue": value}


ADDRESSES = {
    "getcacerts": (17,),
    "getrootupdate": (18, 20),
    "getcertreqtemplate": (19,),
    "getcrls": (6, 22),
}
"""Operation of an address → the infoTypes that it asks, by their numbers in id-it."""

register(
    BodyType(
        Body.GENM,
        Event.REQUEST,
        inform,
        response=Body.GENP,
        asks=True,
        addresses={
            name: frozenset(f"{ID_IT}{number}" for number in numbers) for name, numbers in ADDRESSES.items()
        },
    )
)
