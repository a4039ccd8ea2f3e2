"""Delayed delivery: waiting, pollReq, pollRep, and what comes at last (RFC 9483, section 4.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cmpd.clm.lifecycle.approval import Waiting, approve, decide
from cmpd.clm.lifecycle.approval import waiting as waiting_requests
from cmpd.clm.model import Act, CertificateState, TransactionState
from cmpd.clm.store.changes import AdvanceTransaction, Unit
from cmpd.cmp.transaction.exchange import TransportRequest, TransportResponse
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import OPERATOR, OTHER_PBM, PBM, World, decided_as
from tests.cmpclient import requests

KEY = pki.key("P-256", 70)
RESPONSES = {"ir": "ip", "cr": "cp", "p10cr": "cp", "kur": "kup"}
CERT_REQ_IDS = {"ir": 0, "cr": 0, "kur": 0, "p10cr": -1}


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """One whose operators approve certificates and revocations; it says to ask again after 7 seconds."""
    return make_world({"approvals": 1, "revocation_approvals": 1}, check_after=7)


def approved_device(world: World) -> cmpclient.Signature:
    """A device whose request an operator approved."""
    world.change_policy(approvals=0)
    device = world.device()
    world.change_policy(approvals=1)
    return device


def request(kind: str) -> Any:
    if kind == "p10cr":
        return requests.pkcs10(KEY, "CN=device")
    return (kind, [requests.certificate_request(KEY, "CN=device")])


def waiting(world: World, kind: str, **fields: Any) -> tuple[cmpclient.Transaction, cmpclient.Response]:
    """A transaction whose request waits, and the response that says so."""
    protection = approved_device(world) if kind == "kur" else PBM
    transaction = world.client(protection).begin(**fields)
    return transaction, transaction.send(request(kind))


def item(response: cmpclient.Response) -> dict[str, Any]:
    """The one entry of a pollRep."""
    assert response.kind == "pollRep"
    assert len(response.content) == 1
    found: dict[str, Any] = response.content[0]
    return found


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_request_waits_is_polled_for_is_approved_and_confirmed(world: World, kind: str) -> None:
    transaction, first = waiting(world, kind)
    cert_req_id = CERT_REQ_IDS[kind]
    assert (first.kind, first.status) == (RESPONSES[kind], "waiting")
    assert first.content["response"][0]["certReqId"] == cert_req_id
    issued = len(world.certificates())

    for _ in range(2):
        told = item(transaction.send(requests.poll_request(cert_req_id)))
        assert told["certReqId"] == cert_req_id
        assert told["checkAfter"] == 7
        assert told["reason"]
    assert len(world.certificates()) == issued

    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    response = transaction.send(requests.poll_request(cert_req_id))
    assert (response.kind, response.status) == (RESPONSES[kind], "accepted")
    assert world.state(response.certificate) is CertificateState.UNCONFIRMED
    transaction.confirm(response)
    assert world.state(response.certificate) is CertificateState.ACTIVE
    assert len(world.certificates()) == issued + 1


@pytest.mark.parametrize("kind", RESPONSES)
def test_waiting_survives_restarts(world: World, kind: str) -> None:
    transaction, _ = waiting(world, kind)
    cert_req_id = CERT_REQ_IDS[kind]
    world.restart()
    assert transaction.send(requests.poll_request(cert_req_id)).kind == "pollRep"
    world.restart()
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    world.restart()
    response = transaction.send(requests.poll_request(cert_req_id))
    world.restart()
    assert transaction.confirm(response).kind == "pkiconf"


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_refusal_reaches_who_polls(world: World, kind: str) -> None:
    transaction, _ = waiting(world, kind)
    world.decide(transaction.transaction_id, TransactionState.REFUSED, reason="not of ours")
    response = transaction.send(requests.poll_request(CERT_REQ_IDS[kind]))
    assert (response.kind, response.status) == (RESPONSES[kind], "rejection")
    assert response.fail_info == ("notAuthorized",)
    assert response.text == "not of ours"
    again = transaction.send(requests.poll_request(CERT_REQ_IDS[kind]))
    assert again.fail_info == ("badRequest",)


@pytest.mark.parametrize("decided", [TransactionState.APPROVED, TransactionState.REFUSED])
def test_a_poll_that_meets_the_decision_is_told_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, decided: TransactionState
) -> None:
    """It once read "transactionID is in use": the pollRep was made, and the operator was faster to commit."""
    transaction, _ = waiting(world, "ir")
    commit = world.store.commit
    met: list[Unit] = []

    async def slower(unit: Unit) -> None:
        if not met:
            met.append(unit)
            found = await world.store.transaction(transaction.transaction_id)
            assert found is not None
            after = decided_as(found, decided, "seen")
            await commit((AdvanceTransaction(after, found.state, found.server_nonce),))
        await commit(unit)

    monkeypatch.setattr(world.store, "commit", slower)
    response = transaction.send(requests.poll_request(0))
    status = "accepted" if decided is TransactionState.APPROVED else "rejection"
    assert met
    assert (response.kind, response.status) == ("ip", status)


def test_implicit_confirmation_is_granted_with_the_certificate_that_was_waited_for(world: World) -> None:
    info = {"1.3.6.1.5.5.7.4.13": b"\x05\x00"}
    transaction, first = waiting(world, "ir", general_info=info)
    assert "1.3.6.1.5.5.7.4.13" not in first.general_info
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    response = transaction.send(requests.poll_request(0))
    assert "1.3.6.1.5.5.7.4.13" in response.general_info
    assert world.state(response.certificate) is CertificateState.ACTIVE


def test_the_same_request_again_says_waiting_again_and_waits_once(world: World) -> None:
    transaction, first = waiting(world, "ir")
    assert transaction.send_as_is(transaction.last_request).der == first.der


def test_the_same_poll_again_gets_the_same_certificate(world: World) -> None:
    transaction, _ = waiting(world, "ir")
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    response = transaction.send(requests.poll_request(0))
    assert transaction.send_as_is(transaction.last_request).der == response.der
    assert len(world.certificates()) == 1


def test_a_wait_ends_when_its_time_is_over(make_world: MakeWorld) -> None:
    world = make_world({"approvals": 1}, waiting_memory=100)
    transaction, _ = waiting(world, "ir")
    world.now += 101
    response = transaction.send(requests.poll_request(0), message_time=world.time)
    assert response.status == "rejection"


def test_a_client_gives_up_by_an_error(world: World) -> None:
    transaction, _ = waiting(world, "ir")
    assert transaction.send(requests.error("it takes too long")).kind == "pkiconf"
    assert transaction.send(requests.poll_request(0)).fail_info == ("badRequest",)


WRONG_POLLS: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "another certReqId": (lambda: ("pollReq", [{"certReqId": 1}]), {}, "badRequest"),
    "p10cr's certReqId": (lambda: requests.poll_request(-1), {}, "badRequest"),
    "nothing": (lambda: ("pollReq", []), {}, "badRequest"),
    "twice the same": (lambda: ("pollReq", [{"certReqId": 0}] * 2), {}, "badRequest"),
    "without recipNonce": (
        lambda: requests.poll_request(0),
        {"recip_nonce": cmpclient.OMIT},
        "badRecipientNonce",
    ),
    "with another recipNonce": (
        lambda: requests.poll_request(0),
        {"recip_nonce": bytes(16)},
        "badRecipientNonce",
    ),
    "without senderNonce": (
        lambda: requests.poll_request(0),
        {"sender_nonce": cmpclient.OMIT},
        "badSenderNonce",
    ),
    "by another party": (lambda: requests.poll_request(0), {"protection": OTHER_PBM}, "badMessageCheck"),
    "under another transactionID": (
        lambda: requests.poll_request(0),
        {"transaction_id": bytes(16)},
        "badRequest",
    ),
    "a confirmation instead": (lambda: ("certConf", []), {}, "badRequest"),
    "a challenge's answer instead": (lambda: requests.challenge_response(1), {}, "badRequest"),
    "another request instead": (
        lambda: request("ir"),
        {"recip_nonce": cmpclient.OMIT},
        "transactionIdInUse",
    ),
}


@pytest.mark.parametrize("case", WRONG_POLLS)
def test_a_wrong_poll_is_refused_and_the_request_goes_on_waiting(world: World, case: str) -> None:
    body, changes, fail_info = WRONG_POLLS[case]
    transaction, _ = waiting(world, "ir")
    nonce = transaction.server_nonce
    response = transaction.send_as_is(transaction.compose(body(), **changes))
    assert response.kind == "error"
    assert response.fail_info == (fail_info,)
    transaction.server_nonce = nonce
    assert transaction.send(requests.poll_request(0)).kind == "pollRep"


def test_a_key_update_whose_certificate_was_revoked_meanwhile_comes_to_nothing(world: World) -> None:
    world.change_policy(revocation_approvals=0)
    transaction, _ = waiting(world, "kur")
    assert isinstance(transaction.client.protection, cmpclient.Signature)
    revoked = transaction.client.protection.certificate
    assert world.client().revoke(revoked).status == "accepted"
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    issued = len(world.certificates())
    assert transaction.send(requests.poll_request(0)).fail_info == ("certRevoked",)
    assert len(world.certificates()) == issued


# Revocation: waiting is said by error, polling is for the whole message


def test_a_revocation_waits_by_error_and_is_carried_out_once_approved(world: World) -> None:
    device = approved_device(world)
    transaction = world.client(device).begin()
    body = requests.revocation(device.certificate.issuer, device.certificate.serial_number, 1)
    first = transaction.send(body)
    assert (first.kind, first.status, first.fail_info) == ("error", "waiting", ())
    told = item(transaction.send(requests.poll_request(-1)))
    assert (told["certReqId"], told["checkAfter"]) == (-1, 7)
    assert world.state(device.certificate) is CertificateState.ACTIVE

    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    world.restart()
    response = transaction.send(requests.poll_request(-1))
    assert (response.kind, response.status) == ("rp", "accepted")
    record = world.record(device.certificate)
    assert (record.state, record.reason) == (CertificateState.REVOKED, 1)


def test_a_revocation_that_is_refused_leaves_the_certificate_as_it_is(world: World) -> None:
    device = approved_device(world)
    transaction = world.client(device).begin()
    transaction.send(requests.revocation(device.certificate.issuer, device.certificate.serial_number))
    world.decide(transaction.transaction_id, TransactionState.REFUSED)
    response = transaction.send(requests.poll_request(-1))
    assert (response.kind, response.status) == ("rp", "rejection")
    assert response.fail_info == ("notAuthorized",)
    assert world.state(device.certificate) is CertificateState.ACTIVE


def test_a_revocation_that_cannot_be_is_refused_at_once(world: World) -> None:
    device = approved_device(world)
    response = world.client(OTHER_PBM).revoke(device.certificate)
    assert (response.kind, response.status) == ("rp", "rejection")


def test_a_revocation_approved_after_another_was_carried_out_says_certrevoked(world: World) -> None:
    device = approved_device(world)
    transaction = world.client().begin()
    transaction.send(requests.revocation(device.certificate.issuer, device.certificate.serial_number))
    world.change_policy(revocation_approvals=0)
    assert world.client().revoke(device.certificate).status == "accepted"
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    response = transaction.send(requests.poll_request(-1))
    assert (response.kind, response.fail_info) == ("rp", ("certRevoked",))
    assert transaction.send(requests.poll_request(-1)).fail_info == ("badRequest",)


def test_no_poll_hinders_an_approval_nor_undoes_it(make_world: MakeWorld) -> None:
    """Of 25 approvals under polling 11 were lost, and others failed with "has moved on"."""
    world = make_world({"approvals": 2}, check_after=7)
    transaction, _ = waiting(world, "ir")
    approvers = [Act(f"operator:{number}", world.now) for number in range(2)]

    async def approved(act: Act) -> None:
        for _ in range(4):  # so that polls come before, between and after
            await asyncio.sleep(0)
        await decide(world.store, transaction.transaction_id.hex(), lambda one: approve(act, one))

    async def polled(request: bytes) -> TransportResponse:
        return await world.responder.respond(TransportRequest(request))

    async def both(request: bytes, act: Act) -> TransportResponse:
        reply, _ = await asyncio.gather(polled(request), approved(act))
        return reply

    for act in approvers:
        request = transaction.compose(requests.poll_request())
        reply = world.run(both(request, act))
        response = transaction.send_as_is(request)
        assert response.der == reply.body
        assert response.kind in ("pollRep", "ip")
        if response.kind == "ip":
            break
    else:
        response = transaction.send(requests.poll_request())
    assert (response.kind, response.status) == ("ip", "accepted")


def test_operators_see_what_waits_and_approve_it(world: World) -> None:
    """With what the command line uses: two requests, one for a certificate, one for a revocation."""
    device = approved_device(world)
    enrolling = world.client().begin()
    enrolling.send(request("ir"))
    revoking = world.client(device).begin()
    revoking.send(requests.revocation(device.certificate.issuer, device.certificate.serial_number))

    async def pending() -> dict[str, Waiting]:
        return {one.approval.asks: one async for one in waiting_requests(world.store)}

    found = world.run(pending())
    assert {asks: (one.approval.subject, one.serial) for asks, one in found.items()} == {
        "certificate": ("CN=device", ""),
        "revocation": ("CN=device", f"{device.certificate.serial_number:x}"),
    }
    for one in found.values():
        world.run(world.store.commit(approve(OPERATOR, one)))
    assert enrolling.send(requests.poll_request(0)).status == "accepted"
    assert revoking.send(requests.poll_request(-1)).status == "accepted"
    assert world.state(device.certificate) is CertificateState.REVOKED


CHANGES: dict[str, dict[str, Any]] = {
    "the subject": {"subject": {"fixed": {"O": "Evil"}}},
    "the template": {"template": "tls-server"},
    "the length of life": {"validity": {"longest": "1d"}},
    "how many must approve": {"approvals": 2},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_approved_is_what_is_issued_or_nothing_is(make_world: MakeWorld, change: str) -> None:
    """An operator was shown CN=device, the policy was changed, and the certificate was another one."""
    world = make_world({"approvals": 1})
    transaction, _ = waiting(world, "ir")
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    world.change_policy(**CHANGES[change])
    response = transaction.send(requests.poll_request())
    assert (response.kind, response.fail_info) == ("ip", ("notAuthorized",))
    assert "changed since the request was approved" in response.text
    assert world.certificates() == []


def test_what_changes_nothing_of_the_certificate_leaves_its_approval_alone(make_world: MakeWorld) -> None:
    world = make_world({"approvals": 1})
    end = (world.time + timedelta(days=20)).replace(microsecond=0)
    transaction = world.client().begin()
    transaction.send(("ir", [requests.certificate_request(KEY, "CN=device", not_after=end)]))
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    world.change_policy(confirm_wait="1h", renewal_window="30d")
    world.now += 100  # by which its life is shorter
    response = transaction.send(requests.poll_request(), message_time=world.time)
    assert response.status == "accepted"


def test_a_key_that_is_generated_once_it_is_approved_is_not_held_against_its_approval(
    make_world: MakeWorld,
) -> None:
    world = make_world({"approvals": 1, "central_key_generation": True})
    transaction = world.client().begin()
    asked = {"certReqId": 0, "certTemplate": requests.template(None, "CN=device")}
    body = ("ir", [{"certReq": schema.encode("RawCertRequest", asked)}])
    assert transaction.send(body).status == "waiting"
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    assert transaction.send(requests.poll_request()).status == "accepted"
