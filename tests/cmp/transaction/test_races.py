"""Messages and acts that meet: whoever comes first, what is left fits together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import permutations
from typing import Any

import pytest

from cmpd.clm.entities.entity_acts import set_password
from cmpd.clm.housekeeping import expire_transactions
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_PASSWORD
from cmpd.clm.model import CertificateState
from cmpd.clm.store.base import Conflict
from cmpd.cmp.transaction.exchange import TransportRequest, TransportResponse
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import MASTER_KEY, OPERATOR, World
from tests.cmpclient import requests

KEY = pki.key("P-256", 92)
BODY = ("ir", [requests.certificate_request(KEY, "CN=device")])
HOUR = 3600
AT_ONCE = 8


def _all(world: World, *work: Coroutine[Any, Any, Any]) -> list[Any]:
    async def gather() -> list[Any]:
        return await asyncio.gather(*work)

    return world.run(gather())


def _ask(world: World, request: bytes) -> Coroutine[Any, Any, TransportResponse]:
    return world.responder.respond(TransportRequest(request))


def test_a_one_time_password_enrols_once_however_many_ask_at_once(make_world: MakeWorld) -> None:
    world = make_world()
    entity = world.run(world.store.entity(DEMO_ENTITY))
    assert entity is not None
    world.run(world.store.commit(set_password(OPERATOR, MASTER_KEY, entity, DEMO_PASSWORD, uses=1)))
    asked = [world.client().begin().compose(BODY) for _ in range(AT_ONCE)]
    outcomes = [reply.log_entry.fail_info for reply in _all(world, *(_ask(world, one) for one in asked))]
    assert sorted(outcomes) == ["", *["badMessageCheck"] * (AT_ONCE - 1)]
    assert len(world.certificates()) == 1


def test_no_more_certificates_than_the_policy_allows_however_many_ask_at_once(make_world: MakeWorld) -> None:
    world = make_world({"max_active": 2})
    asked = [world.client().begin().compose(BODY) for _ in range(AT_ONCE)]
    outcomes = [reply.log_entry.fail_info for reply in _all(world, *(_ask(world, one) for one in asked))]
    assert sorted(outcomes) == ["", "", *["notAuthorized"] * (AT_ONCE - 2)]
    assert len(world.certificates()) == 2


async def _revoke(world: World, serial: int) -> str:
    """An operator revokes; gives whether it was done."""
    record = await world.clm.issued.certificate("issuing-1", serial)
    assert record is not None
    unit = await world.clm.certificates.revoke(record, 1, actor="operator:test")
    try:
        await world.clm.commit(unit)
    except Conflict:
        return "too late"
    return "revoked"


async def _time_is_over(world: World) -> int:
    world.now += 20
    return await expire_transactions(world.clm, HOUR)


@pytest.mark.parametrize("acts", list(permutations(("certConf", "rr", "expiry"), 2)), ids="-".join)
def test_of_two_acts_that_meet_the_client_is_told_what_holds(
    make_world: MakeWorld, acts: tuple[str, str]
) -> None:
    """Confirmed if and only if it says so; never active once somebody revoked it; and it stays so."""
    world = make_world()
    transaction = world.client().begin()
    issued = transaction.send(BODY)
    world.now += 290
    confirmation = transaction.compose(requests.confirmation(issued.certificate), message_time=world.time)
    ways: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "certConf": lambda: _ask(world, confirmation),
        "rr": lambda: _revoke(world, issued.certificate.serial_number),
        "expiry": lambda: _time_is_over(world),
    }
    outcome = dict(zip(acts, _all(world, *(ways[act]() for act in acts)), strict=True))
    reply = outcome.get("certConf")
    confirmed = reply is not None and reply.log_entry.response == "pkiconf"
    state = world.state(issued.certificate)
    if outcome.get("rr") == "revoked":
        assert state is CertificateState.REVOKED
    elif confirmed:
        assert state is CertificateState.ACTIVE
        assert not outcome.get("expiry")
    else:
        assert state is CertificateState.REJECTED
    world.run(_time_is_over(world))
    assert world.state(issued.certificate) is state


@pytest.mark.parametrize("way", ["certConf", "certConf that rejects", "error"])
def test_a_certificate_revoked_after_it_was_read_stays_revoked(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A request begins with one look into the store; what it decides by that holds only if it still does."""
    world = make_world()
    transaction = world.client().begin()
    issued = transaction.send(BODY)
    bodies = {
        "certConf": requests.confirmation(issued.certificate),
        "certConf that rejects": ("certConf", []),
        "error": requests.error("no"),
    }
    request = transaction.compose(bodies[way])
    look = world.clm.request_state

    async def look_too_early(transaction_id: bytes, reference: bytes) -> Any:
        seen = await look(transaction_id, reference)
        assert await _revoke(world, issued.certificate.serial_number) == "revoked"
        return seen

    with monkeypatch.context() as patch:
        patch.setattr(world.clm, "request_state", look_too_early)
        assert world.respond(request).log_entry.fail_info == "certRevoked"
    assert world.state(issued.certificate) is CertificateState.REVOKED
    assert world.respond(request).log_entry.fail_info == "certRevoked"
