"""Clocks that jump: what was promised by time stays defined, whichever way the clock goes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cmpd.clm import housekeeping
from cmpd.clm.housekeeping import expire_transactions, forget_transactions
from cmpd.clm.model import CertificateState
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import PBM, World
from tests.cmpclient import requests
from tests.cmpclient.message import OMIT


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose clock this test alone moves."""
    made = World(tmp_path)
    yield made
    made.close()


HOUR, DAY = 3600, 86_400
KEY = pki.key("P-256", 70)


def test_without_messageTime_no_clock_matters(world: World) -> None:
    assert world.client(message_time=OMIT).enrol("ir", KEY).confirmed is not None


@pytest.mark.parametrize("off", [-HOUR, HOUR])
def test_a_message_from_another_time_is_badTime(world: World, off: int) -> None:
    told = world.time + timedelta(seconds=off)
    transaction = world.client(message_time=told).begin()
    answer = transaction.send(("ir", [requests.certificate_request(KEY, "CN=clock")]))
    assert answer.fail_info == ("badTime",)
    assert world.certificates() == []


def test_a_recorded_request_is_nothing_new_to_the_server_at_any_time(world: World) -> None:
    """First it is remembered; when it is forgotten, its messageTime is too old."""
    transaction = world.client().begin()
    recorded = transaction.compose(("ir", [requests.certificate_request(KEY, "CN=clock")]))
    answer = transaction.send_as_is(recorded)
    transaction.confirm(answer)
    again = [world.respond(recorded).log_entry]
    world.now += 2 * DAY
    world.run(forget_transactions(world.clm))
    again.append(world.respond(recorded).log_entry)
    assert [(one.retransmission, one.fail_info) for one in again] == [(True, ""), (False, "badTime")]
    assert len(world.certificates()) == 1


def test_without_messageTime_a_recorded_request_is_refused_where_it_is_required(
    make_world: MakeWorld,
) -> None:
    world = make_world(message_time_required=True)
    transaction = world.client(PBM, message_time=OMIT).begin()
    answer = transaction.send(("ir", [requests.certificate_request(KEY, "CN=clock")]))
    assert answer.fail_info == ("badTime",)
    assert "messageTime is missing" in answer.text
    assert world.certificates() == []


def test_however_many_transactions_are_overdue_all_are_closed_and_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one look handles: else devices that never confirm would fill the store for good."""
    monkeypatch.setattr(housekeeping, "BATCH", 3)
    issued = []
    for _ in range(8):
        transaction = world.client().begin()
        issued.append(transaction.send(("ir", [requests.certificate_request(KEY, "CN=clock")])).certificate)
    world.now += DAY
    assert world.run(expire_transactions(world.clm, HOUR)) == 8
    assert {world.state(one) for one in issued} == {CertificateState.REJECTED}
    assert world.run(forget_transactions(world.clm)) == 0
    world.now += DAY
    assert world.run(forget_transactions(world.clm)) == 8


def test_a_clock_set_back_between_request_and_confirmation_does_not_undo_the_certificate(
    world: World,
) -> None:
    transaction = world.client(message_time=OMIT).begin()
    answer = transaction.send(("ir", [requests.certificate_request(KEY, "CN=clock")]))
    world.now -= 10 * DAY
    assert transaction.confirm(answer).kind == "pkiconf"
    assert world.state(answer.certificate) is CertificateState.ACTIVE


def test_a_clock_that_leaps_past_the_time_to_confirm_takes_the_certificate_back(world: World) -> None:
    transaction = world.client(message_time=OMIT).begin()
    answer = transaction.send(("ir", [requests.certificate_request(KEY, "CN=clock")]))
    world.now += DAY
    late = transaction.send(requests.confirmation(answer.certificate))
    assert late.fail_info == ("badRequest",)
    world.run(expire_transactions(world.clm, HOUR))
    assert world.state(answer.certificate) is CertificateState.REJECTED


def test_a_certificate_signs_nothing_while_the_clock_is_before_its_beginning(world: World) -> None:
    device = world.device()
    world.now -= 30 * DAY
    answer = world.client(device).revoke(device.certificate)
    assert answer.fail_info == ("signerNotTrusted",)


def test_a_certificate_signs_nothing_after_its_end(world: World) -> None:
    device = world.device()
    world.now += 400 * DAY
    answer = world.client(device).revoke(device.certificate)
    assert answer.fail_info == ("signerNotTrusted",)


@pytest.mark.parametrize("leap", [-365 * DAY, 11 * 365 * DAY])
def test_a_ca_out_of_its_time_issues_nothing_and_says_so(world: World, leap: int) -> None:
    world.now += leap
    transaction = world.client().begin()
    answer = transaction.send(("ir", [requests.certificate_request(KEY, "CN=clock")]))
    assert answer.fail_info == ("systemFailure",)
    assert "the CA's certificate is not valid" in answer.text
    assert world.certificates() == []


def test_a_signer_that_ended_during_a_leap_is_renewed_before_the_next_look_at_the_calendar_is_over(
    world: World,
) -> None:
    authority = world.run(world.clm.catalog.authority("issuing-1"))
    assert authority is not None
    world.now += 400 * DAY
    world.run(world.clm.upkeep.look_at_calendar())
    renewed = world.run(world.clm.catalog.authority("issuing-1"))
    assert renewed is not None
    assert renewed.signer.not_after > world.now > authority.signer.not_after


def test_a_crl_that_ended_during_a_leap_is_made_anew(world: World) -> None:
    world.run(world.clm.upkeep.look_at_calendar())
    before = world.run(world.store.crl("issuing-1", 0))
    world.now += 60 * DAY
    world.run(world.clm.upkeep.look_at_calendar())
    after = world.run(world.store.crl("issuing-1", 0))
    assert before is not None
    assert after is not None
    assert after.number > before.number
    assert after.next_update > world.now
