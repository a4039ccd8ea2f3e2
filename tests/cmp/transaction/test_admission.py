"""Where there is no room for another transaction none begins, and nothing is forgotten for it."""

from __future__ import annotations

from typing import Any

import pytest

from cmpd.clm.entities import transaction_quota
from cmpd.clm.entities.audit_rate_limit import BURST
from cmpd.clm.housekeeping import expire_transactions, forget_transactions
from cmpd.clm.model import AuditRecord
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import OTHER_PBM, PBM, World, ra_holder, signed_by
from tests.cmpclient import requests

KEY = pki.key("P-256", 97)
RA = signed_by(ra_holder())
FULL = "the server remembers as many transactions as it may, try again later"
TOO_MANY = "too many transactions were begun for the same end entity or certificate, try again later"
DAY = 86_400


def _enrolment(**asked: Any) -> Any:
    return ("ir", [requests.certificate_request(KEY, "CN=device", **asked)])


def _begin(world: World, protection: cmpclient.Protection = PBM) -> cmpclient.Response:
    return world.client(protection).begin().send(_enrolment())


def _look(world: World) -> None:
    """What the daemon does every few seconds."""
    settings = world.settings
    world.run(world.clm.quota.look(settings.transactions_max, settings.transactions_per_party))


def _refusals(world: World) -> list[AuditRecord]:
    async def listed() -> list[AuditRecord]:
        return [one async for one in world.store.audit() if one.event.action == "request.refuse"]

    return world.run(listed())


@pytest.mark.parametrize(
    ("settings", "text", "others_may"),
    [
        ({"transactions_max": 3}, FULL, False),
        ({"transactions_per_party": 3}, TOO_MANY, True),
        ({"transactions_max": 4, "transactions_per_party": 3}, TOO_MANY, True),
    ],
)
@pytest.mark.parametrize("looks", [False, True], ids=["in one process", "as the store has it"])
def test_at_the_bound_none_begins(
    make_world: MakeWorld, settings: dict[str, int], text: str, others_may: bool, looks: bool
) -> None:
    world = make_world(**settings)
    for _ in range(3):
        assert _begin(world).status == "accepted"
        if looks:
            _look(world)
    refused = _begin(world)
    assert refused.kind == "error"
    assert refused.fail_info == ("systemUnavail",)
    assert refused.text == text
    assert (_begin(world, OTHER_PBM).fail_info == ()) == others_may
    assert len(world.certificates()) == 3 + others_may


def test_what_does_not_begin_a_transaction_needs_no_room(make_world: MakeWorld) -> None:
    world = make_world(transactions_max=2)
    device = world.device()
    transaction = world.client().begin()
    request = transaction.compose(_enrolment())
    answer = transaction.send_as_is(request)
    _look(world)
    assert _begin(world).fail_info == ("systemUnavail",)
    assert world.respond(request).log_entry.retransmission
    assert world.client().ask("1.3.6.1.5.5.7.4.17").kind == "genp"
    assert world.client(device).begin().send(requests.general_message()).kind == "genp"
    assert transaction.confirm(answer).kind == "pkiconf"


@pytest.mark.parametrize("request_of", ["ir", "cr", "p10cr", "kur", "rr"])
def test_every_request_that_begins_one_needs_room(make_world: MakeWorld, request_of: str) -> None:
    world = make_world(transactions_max=1)
    device = world.device()
    bodies: dict[str, tuple[cmpclient.Protection, Any]] = {
        "ir": (PBM, _enrolment()),
        "cr": (PBM, ("cr", _enrolment()[1])),
        "p10cr": (PBM, requests.pkcs10(KEY, "CN=device")),
        "kur": (device, ("kur", _enrolment()[1])),
        "rr": (device, requests.revocation(world.authority.subject, device.certificate.serial_number)),
    }
    protection, body = bodies[request_of]
    assert world.client(protection).begin().send(body).fail_info == ("systemUnavail",)


def test_a_party_is_an_entity_whatever_it_protects_its_messages_with(make_world: MakeWorld) -> None:
    world = make_world(transactions_per_party=2)
    device = world.device()
    assert world.client(device).begin().send(_enrolment()).fail_info == ()
    for protection in (PBM, device):
        assert _begin(world, protection).text == TOO_MANY


def test_an_ra_is_bounded_by_the_whole_alone(make_world: MakeWorld) -> None:
    world = make_world(transactions_max=5, transactions_per_party=2)
    outcomes = [_begin(world, RA).fail_info for _ in range(6)]
    assert outcomes == [()] * 5 + [("systemUnavail",)]


def test_when_old_ones_are_forgotten_new_ones_may_begin(make_world: MakeWorld) -> None:
    world = make_world(transactions_max=2)
    for _ in range(2):
        world.client().enrol("ir", KEY)
    _look(world)
    assert _begin(world).fail_info == ("systemUnavail",)
    world.now += 2 * DAY
    world.run(expire_transactions(world.clm, DAY))
    world.run(forget_transactions(world.clm))
    _look(world)
    assert _begin(world).status == "accepted"


def test_what_is_refused_itself_is_not_remembered_and_takes_no_room(make_world: MakeWorld) -> None:
    world = make_world(transactions_max=1, transactions_per_party=1)
    for _ in range(3):
        refused = world.client().begin().send(_enrolment(proof=None))
        assert refused.fail_info == ("badPOP",)
    assert _begin(world).status == "accepted"


def test_refusals_for_lack_of_room_are_written_down_by_name_and_sampled_in_a_flood(
    make_world: MakeWorld,
) -> None:
    world = make_world(transactions_max=1)
    _begin(world)
    for _ in range(BURST + 20):
        assert _begin(world).text == FULL
    written = _refusals(world)
    assert BURST <= len(written) <= BURST + 10
    event = written[0].event
    assert event.actor == f"entity:{PBM.reference}"
    assert event.outcome == "systemUnavail"
    assert event.detail["text"] == transaction_quota.FULL
    record = world.respond(world.client().begin().compose(_enrolment())).log_entry
    assert record.detail == "1 transactions are remembered, cmp.transactions_max bounds them"
