"""What may come when: every state of a transaction against every message (RFC 9483, sections 3.5, 4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cmpd.clm.model import TransactionState as State
from cmpd.cmp.transaction import states
from cmpd.cmp.transaction.bodies import BODY_TYPES
from cmpd.cmp.transaction.exchange import TransportRequest
from cmpd.cmp.transaction.states import TABLE, Event, Refusal, Step
from cmpd.cmp.wire.message import Body
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import World, ra_holder, signed_by
from tests.cmpclient import OMIT, requests

KEY = pki.key("P-256", 150)
CRMF = ("ir", [requests.certificate_request(KEY, "CN=device")])

PRINTED = """\
            request             nested  certConf       pollReq     popdecr     error
none        begin               unwrap  badRequest     badRequest  badRequest  badRequest
confirming  transactionIdInUse  unwrap  confirm        badRequest  badRequest  abort
waiting     transactionIdInUse  unwrap  badRequest     poll        badRequest  abort
approved    transactionIdInUse  unwrap  badRequest     poll        badRequest  abort
refused     transactionIdInUse  unwrap  badRequest     poll        badRequest  abort
challenged  transactionIdInUse  unwrap  badRequest     badRequest  prove       abort
issuing     transactionIdInUse  unwrap  badRequest     badRequest  badRequest  systemUnavail
closed      transactionIdInUse  unwrap  certConfirmed  badRequest  badRequest  badRequest"""


def test_the_machine_can_be_printed() -> None:
    assert states.table() == PRINTED


def test_the_documentation_has_the_machine_as_it_is() -> None:
    page = Path(__file__).parents[3] / "docs" / "conformance.md"
    assert PRINTED in page.read_text("utf-8")


def test_the_machine_knows_every_state_and_every_event() -> None:
    assert set(TABLE) == {None, *State}
    for row in TABLE.values():
        assert set(row) == set(Event)


def test_every_event_takes_one_step_and_is_some_bodys() -> None:
    steps = {(event, cell) for row in TABLE.values() for event, cell in row.items() if isinstance(cell, Step)}
    assert len(steps) == len(Event)
    assert {row.event for row in BODY_TYPES.values()} == set(Event)


Reach = Callable[[World], tuple[cmpclient.Transaction, cmpclient.Response | None]]


def none(world: World) -> tuple[cmpclient.Transaction, cmpclient.Response | None]:
    return world.client().begin(), None


def confirming(world: World) -> tuple[cmpclient.Transaction, cmpclient.Response | None]:
    transaction = world.client().begin()
    return transaction, transaction.send(CRMF)


def closed(world: World) -> tuple[cmpclient.Transaction, cmpclient.Response | None]:
    transaction, response = confirming(world)
    assert response is not None
    transaction.confirm(response)
    return transaction, response


def decided(state: State) -> Reach:
    """A request that waited, and what became of it."""

    def reach(world: World) -> tuple[cmpclient.Transaction, cmpclient.Response | None]:
        world.change_policy(approvals=1)
        transaction = world.client().begin()
        assert transaction.send(CRMF).status == "waiting"
        if state is not State.WAITING:
            world.decide(transaction.transaction_id, state)
        return transaction, None

    return reach


REACH: dict[State | None, Reach] = {
    None: none,
    State.CONFIRMING: confirming,
    State.ISSUING: decided(State.ISSUING),
    State.CLOSED: closed,
    **{state: decided(state) for state in (State.WAITING, State.APPROVED, State.REFUSED, State.CHALLENGED)},
}

SENT: dict[Body, Callable[[World, cmpclient.Response | None], Any]] = {
    Body.IR: lambda world, issued: CRMF,
    Body.CR: lambda world, issued: ("cr", CRMF[1]),
    Body.P10CR: lambda world, issued: requests.pkcs10(KEY, "CN=device"),
    Body.KUR: lambda world, issued: ("kur", CRMF[1]),
    Body.RR: lambda world, issued: requests.revocation(pki.name("nobody"), 1),
    Body.GENM: lambda world, issued: requests.general_message("1.3.6.1.5.5.7.4.17"),
    Body.CERTCONF: lambda world, issued: requests.confirmation(issued.certificate if issued else None),
    Body.POLLREQ: lambda world, issued: requests.poll_request(),
    Body.POPDECR: lambda world, issued: requests.challenge_response(1),
    Body.ERROR: lambda world, issued: requests.error("no more"),
}


@pytest.mark.parametrize("body", SENT, ids=lambda body: body.field)
@pytest.mark.parametrize("state", REACH, ids=lambda state: state or "none")
def test_a_message_takes_the_step_of_its_cell_or_is_refused_as_it_says(
    make_world: MakeWorld, state: State | None, body: Body
) -> None:
    world = make_world()
    transaction, issued = REACH[state](world)
    before = world.run(world.store.transaction(transaction.transaction_id))
    assert (before.state if before else None) is state
    content = SENT[body](world, issued)
    first = BODY_TYPES[body].begins
    response = transaction.send(content, **({"recip_nonce": OMIT} if first else {}))
    cell = TABLE[state][BODY_TYPES[body].event]
    if isinstance(cell, Refusal):
        assert (response.kind, response.fail_info) == ("error", (cell.fail_info.name,))
        assert response.text == cell.text
        after = world.run(world.store.transaction(transaction.transaction_id))
        assert after == before
    else:
        refused = response.kind == "error" and response.fail_info in (
            ("badRequest",),
            ("transactionIdInUse",),
            ("certConfirmed",),
        )
        assert not refused, response.text


@pytest.mark.parametrize("state", REACH, ids=lambda state: state or "none")
def test_an_envelope_may_have_the_transactionid_of_what_it_holds(
    make_world: MakeWorld, state: State | None
) -> None:
    world = make_world()
    transaction, _ = REACH[state](world)
    inner = world.client().begin().compose(requests.general_message("1.3.6.1.5.5.7.4.17"))
    ra = signed_by(ra_holder())
    response = transaction.send_as_is(transaction.compose(requests.nested(inner), protection=ra))
    assert response.kind == "genp"


def test_two_workers_that_get_the_same_request_issue_one_certificate(make_world: MakeWorld) -> None:
    """Whoever is second finds the transaction there, and sends the response that is in it."""
    world = make_world()
    request = world.client().begin().compose(CRMF)
    call = TransportRequest(request)

    async def at_once() -> list[bytes]:
        replies = await asyncio.gather(*(world.responder.respond(call) for _ in range(8)))
        return [reply.body for reply in replies]

    bodies = world.run(at_once())
    assert len(set(bodies)) == 1
    assert len(world.certificates()) == 1
