"""genm → genp (RFC 9810, sections 5.3.19 and 5.3.20; RFC 9483, section 4.3). Nothing is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmpd.cmp import schema
from cmpd.cmp.bodies import BodyType, register
from cmpd.cmp.exchange import Answer, Exchange
from cmpd.cmp.failure import CMPFailure, FailInfo
from cmpd.cmp.information import ALL_RELEVANT, ID_IT, TYPES, UNSUPPORTED_OIDS
from cmpd.cmp.message import Body
from cmpd.cmp.parties import grants
from cmpd.cmp.parties.cells import Operation, Whom
from cmpd.cmp.parties.conditions import Facts
from cmpd.cmp.profiles import names, select, unknown
from cmpd.cmp.transactions import Event

if TYPE_CHECKING:
    from cmpd.clm.catalog import ServedPolicy

MOST_QUESTIONS = 16
"""InfoTypeAndValues one genm may hold; the profile has one."""

Question = tuple[str, bytes | None]
"""(infoType, infoValue's DER)."""


async def inform(exchange: Exchange) -> Answer:
    """Each question is answered in its place; infoTypes that are not known follow as unsupportedOIDs."""
    questions = _questions(exchange.message.content)
    policies = _policies(exchange, len(questions))
    answers: list[dict[str, Any]] = []
    unsupported: list[str] = []
    for (oid, value), served in zip(questions, policies, strict=True):
        kind = TYPES.get(oid)
        public = kind is None or kind.public
        _require(exchange, served, Operation.ASK_PUBLIC if public else Operation.ASK_TEMPLATE)
        if kind is None:
            unsupported.append(oid)
            continue
        answers.append(_item(kind.answered_as, await kind.answer(exchange, served, value)))
    if unsupported:
        answers.append(_item(UNSUPPORTED_OIDS, schema.encode("UnsupportedOIDsValue", unsupported)))
    return Answer(Body.GENP, answers)


def _questions(content: list[dict[str, Any]]) -> list[Question]:
    if len(content) > MOST_QUESTIONS:
        raise CMPFailure(
            FailInfo.badRequest, f"genm asks {len(content)} things at once, {MOST_QUESTIONS} are allowed"
        )
    asked = [(item["infoType"], item.get("infoValue")) for item in content]
    return asked or [(oid, None) for oid in ALL_RELEVANT]


def _policies(exchange: Exchange, count: int) -> list[ServedPolicy]:
    """What each question is about: the policy served here, or that of its certProfile."""
    chosen = names(exchange.message, most=count)
    chosen += [""] * (count - len(chosen))
    policies: list[ServedPolicy] = []
    for name in chosen:
        served = select(exchange.clm, exchange.edition, exchange.served, name)
        facts = Facts(exchange.party, served.policy, profile=name)
        if served is not exchange.served and grants.refused(Operation.POLICY_BY_PROFILE, Whom.NONE, facts):
            raise unknown(name, f"policy {served.policy.id} is not for {exchange.party.actor}")
        policies.append(served)
    return policies


def _require(exchange: Exchange, served: ServedPolicy, operation: Operation) -> None:
    grants.require(operation, Whom.NONE, Facts(exchange.party, served.policy))


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
