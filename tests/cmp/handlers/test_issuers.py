"""What issues for a CA may be elsewhere, and may take its time: no handler knows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509

from cmpd.clm.authorities.authority import AuthorityDocument
from cmpd.clm.housekeeping import expire_transactions
from cmpd.clm.issuance.issuer import ISSUERS
from cmpd.clm.lifecycle.approval import approve
from cmpd.clm.lifecycle.approval import waiting as waiting_requests
from cmpd.clm.model import CertificateState, ObjectKind, TransactionState
from cmpd.clm.store.base import Conflict
from cmpd.clm.store.changes import AddCertificate, Unit
from cmpd.cmp.responder import Responder
from cmpd.cmp.transaction.exchange import TransportRequest, TransportResponse
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.handlers.test_generation import ALLOWED
from tests.cmp.handlers.test_generation import asked as without_key
from tests.cmp.handlers.test_proof import challenge
from tests.cmp.world import ISSUING, MASTER_KEY, OPERATOR, World
from tests.cmpclient import requests
from tests.support.elsewhere import PatientIssuer, SlowKey
from tests.support.issuing import private_key

KEY = pki.key("P-256", 140)
IR = ("ir", [requests.certificate_request(KEY, "CN=device")])
SUPERSEDED = 4


@pytest.fixture(params=["P-256", "RSA-2048", "Ed25519", "ML-DSA-65"])
def slow(request: pytest.FixtureRequest, make_world: MakeWorld) -> tuple[World, SlowKey]:
    """A server whose issuing CA has its key in a token."""
    world = make_world({"ca": "token"})
    world.put_ca("token", request.param)
    authority = world.ca("token")
    key = SlowKey(request.param.encode(), private_key(authority))
    stored = world.run(world.store.object(ObjectKind.CA, authority.id))
    assert stored is not None
    document = replace(AuthorityDocument.of(stored), key=key.stored(MASTER_KEY, ""), key_kind="slow")
    world.put(ObjectKind.CA, authority.id, "token", document.document())
    world.authority = authority.certificate
    return world, key


def test_a_key_elsewhere_signs_certificates_and_crls(slow: tuple[World, SlowKey]) -> None:
    """Without any DER made by hand: what it signed is what cryptography would have signed."""
    world, key = slow
    transaction = world.client(pvno=3).begin()
    response = transaction.send(IR)
    assert response.status == "accepted"
    assert transaction.confirm(response, digest="sha256").kind == "pkiconf"
    response.certificate.verify_directly_issued_by(world.ca("token").certificate)
    crl = world.run(world.clm.crl(world.ca("token"), 0))
    assert crl is not None
    read = x509.load_der_x509_crl(crl.der)
    assert read.is_signature_valid(key.public_key)  # type: ignore[arg-type] # of a CA
    assert key.signed_octets[-2:] == [response.certificate.tbs_certificate_bytes, read.tbs_certlist_bytes]


def test_a_key_that_takes_its_time_holds_up_nobody(slow: tuple[World, SlowKey]) -> None:
    world, key = slow
    asked = [world.client().begin().compose(IR) for _ in range(4)]
    replies = _all(world, asked)
    assert [reply.log_entry.status for reply in replies] == ["accepted"] * 4
    assert key.most_at_once > 1


def test_a_key_that_fails_is_a_server_that_is_unavailable(slow: tuple[World, SlowKey]) -> None:
    world, key = slow
    key.fails = True
    transaction = world.client().begin()
    request = transaction.compose(IR)
    refused = transaction.send_as_is(request)
    assert (refused.kind, refused.status, refused.fail_info) == ("ip", "rejection", ("systemUnavail",))
    assert "removed" not in refused.text
    assert world.run(_certificates_of(world, "token")) == 0
    key.fails = False
    assert transaction.send_as_is(request).fail_info == ("systemUnavail",), "the same response"
    assert world.client().begin().send(IR).status == "accepted"


async def _certificates_of(world: World, policy_ca: str) -> int:
    counts = await world.store.count_certificates("policy")
    return sum(count for policy, count in counts.items() if policy)


@pytest.fixture
def patient(make_world: MakeWorld) -> tuple[World, PatientIssuer]:
    """A server whose issuing CA is elsewhere, and issues later."""
    return _patient(make_world, {"old_certificate": "revoke"})


def _patient(make_world: MakeWorld, policy: dict[str, Any] | None = None) -> tuple[World, PatientIssuer]:
    world = make_world(policy)
    issuer = PatientIssuer(world.ca("issuing"))
    world.issue_by(lambda authority: issuer if authority.id == ISSUING else PatientIssuer(authority, 0))
    return world, issuer


def _all(world: World, asked: list[bytes]) -> list[TransportResponse]:
    async def gather() -> list[TransportResponse]:
        return await asyncio.gather(*(world.responder.respond(TransportRequest(one)) for one in asked))

    return world.run(gather())


@pytest.mark.parametrize(("kind", "id"), [("ir", 0), ("cr", 0), ("p10cr", -1), ("kur", 0)])
def test_a_certificate_that_is_pending_is_polled_for(
    patient: tuple[World, PatientIssuer], kind: str, id: int
) -> None:
    world, issuer = patient
    issuer.pending = 0
    device = world.device(number=141) if kind == "kur" else None
    issuer.pending = 2
    body = requests.pkcs10(KEY, "CN=device") if kind == "p10cr" else (kind, IR[1])
    transaction = world.client(device).begin() if device else world.client().begin()
    assert transaction.send(body).status == "waiting"
    assert transaction.send(requests.poll_request(id)).kind == "pollRep"
    world.restart()
    response = transaction.send(requests.poll_request(id))
    assert response.status == "accepted"
    assert transaction.confirm(response).kind == "pkiconf"
    assert world.state(response.certificate) is CertificateState.ACTIVE
    if device is not None:
        record = world.record(response.certificate)
        assert record.replaces == (ISSUING, device.certificate.serial_number)
        assert world.state(device.certificate) is CertificateState.REVOKED
        assert issuer.told == [(device.certificate.serial_number, SUPERSEDED)]
    assert set(issuer.issued.values()) == {1}


def test_an_issuer_that_cannot_be_asked_while_it_is_polled_for_is_asked_again(
    patient: tuple[World, PatientIssuer],
) -> None:
    world, issuer = patient
    transaction = world.client().begin()
    assert transaction.send(IR).status == "waiting"
    issuer.fails = True
    assert transaction.send(requests.poll_request()).kind == "pollRep"
    issuer.fails = False
    assert transaction.send(requests.poll_request()).status == "accepted"


def test_an_issuer_is_asked_once_however_many_copies_of_a_request_come_at_once(
    patient: tuple[World, PatientIssuer],
) -> None:
    """Within a process they take turns, and get the same response."""
    world, issuer = patient
    issuer.pending = 0
    request = world.client().begin().compose(IR)
    replies = _all(world, [request] * 6)
    assert {reply.log_entry.retransmission for reply in replies} == {False, True}
    assert len({reply.body for reply in replies}) == 1
    assert list(issuer.issued.values()) == [1]
    assert len(world.certificates()) == 1


def test_different_requests_with_one_transactionid_have_one_certificate_issued(
    patient: tuple[World, PatientIssuer],
) -> None:
    world, issuer = patient
    issuer.pending = 0
    id = bytes(range(16))
    asked = [world.client().begin(transaction_id=id).compose(IR) for _ in range(4)]
    failures = sorted(reply.log_entry.fail_info for reply in _all(world, asked))
    assert failures == ["", *["transactionIdInUse"] * 3]
    assert list(issuer.issued.values()) == [1]


def test_an_issuer_is_asked_once_however_many_processes_get_copies_of_a_request(
    patient: tuple[World, PatientIssuer],
) -> None:
    """The store knows of the call before it is made: the others are told to come again."""
    world, issuer = patient
    issuer.pending = 0
    processes = [Responder(world.clm, world.settings) for _ in range(6)]
    request = world.client().begin().compose(IR)

    async def gather() -> list[TransportResponse]:
        return await asyncio.gather(*(one.respond(TransportRequest(request)) for one in processes))

    replies = world.run(gather())
    assert sorted(reply.log_entry.fail_info for reply in replies) == ["", *["systemUnavail"] * 5]
    assert list(issuer.issued.values()) == [1]
    accepted = next(reply.body for reply in replies if reply.log_entry.status == "accepted")
    assert world.respond(request).body == accepted, "once it is there, it is given again"
    assert len(world.certificates()) == 1


def test_an_issuer_is_asked_once_though_the_server_ends_in_the_middle(
    patient: tuple[World, PatientIssuer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was claimed and never answered is given up in time: the device begins a new transaction."""
    world, issuer = patient
    issuer.pending = 0
    commit = world.store.commit

    async def ends(unit: Unit) -> None:
        if any(isinstance(change, AddCertificate) for change in unit):
            raise KeyboardInterrupt
        await commit(unit)

    transaction = world.client().begin()
    request = transaction.compose(IR)
    monkeypatch.setattr(world.store, "commit", ends)
    with pytest.raises(KeyboardInterrupt):
        world.respond(request)
    world.restart()
    response = transaction.send_as_is(request)
    assert (response.kind, response.fail_info) == ("error", ("systemUnavail",))
    assert list(issuer.issued.values()) == [1]
    world.now += 3600
    world.run(expire_transactions(world.clm, 60))
    stored = world.run(world.store.transaction(transaction.transaction_id))
    assert stored is not None
    assert stored.state is TransactionState.CLOSED
    assert world.client().begin().send(IR).status == "accepted"


def test_a_handler_that_runs_again_asks_the_issuer_once(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole handler runs up to three times where commits conflict; each time something was signed."""
    world = make_world()
    asked: list[str] = []
    issuer_of = world.clm.catalog.issuer_of

    class Counted(PatientIssuer):
        claims = False

        async def issue(self, request: Any, prepared: Any) -> Any:
            asked.append(request.transaction.hex())
            return await issuer_of(self.authority).issue(request, prepared)

    world.issue_by(Counted)
    commit = world.store.commit
    met: list[Unit] = []

    async def conflicts(unit: Unit) -> None:
        if len(met) < 2 and any(isinstance(change, AddCertificate) for change in unit):
            met.append(unit)
            raise Conflict("entity", "two requests met")
        await commit(unit)

    monkeypatch.setattr(world.store, "commit", conflicts)
    response = world.client().begin().send(IR)
    assert response.status == "accepted"
    assert len(met) == 2
    assert len(asked) == 1


def test_nothing_is_asked_of_an_issuer_before_the_last_approval(make_world: MakeWorld) -> None:
    """A dry run signed a valid certificate that no record knew."""
    world, issuer = _patient(make_world, {"approvals": 1})
    issuer.pending = 0
    transaction = world.client().begin()
    assert transaction.send(IR).status == "waiting"
    assert not issuer.issued

    async def decide() -> None:
        (waiting,) = [one async for one in waiting_requests(world.store)]
        await world.store.commit(approve(OPERATOR, waiting))

    world.run(decide())
    assert not issuer.issued
    assert transaction.send(requests.poll_request()).status == "accepted"
    assert list(issuer.issued.values()) == [1]


def test_nothing_is_asked_of_an_issuer_before_a_challenge_is_answered(make_world: MakeWorld) -> None:
    world, issuer = _patient(make_world)
    response = world.client(pvno=3).begin().send(challenge())
    assert response.kind == "popdecc"
    assert not issuer.issued


def test_a_key_pair_is_not_made_for_a_certificate_that_comes_later(make_world: MakeWorld) -> None:
    """It would have to be kept until then; it is not."""
    world, _ = _patient(make_world, ALLOWED)
    response = world.client().begin().send(without_key())
    assert (response.status, response.fail_info) == ("rejection", ("systemFailure",))
    assert "is not kept" in response.text


@pytest.mark.parametrize("installed", [True, False])
def test_a_ca_names_its_issuer(make_world: MakeWorld, installed: bool) -> None:
    """One that is registered serves it; without it the CA is unavailable, and others go on."""
    world = make_world()
    stored = world.run(world.store.object(ObjectKind.CA, ISSUING))
    assert stored is not None
    document = replace(AuthorityDocument.of(stored), issuer="patient")
    world.put(ObjectKind.CA, ISSUING, stored.name, document.document())
    with pytest.MonkeyPatch.context() as patch:
        if installed:
            patch.setitem(ISSUERS, "patient", PatientIssuer)
        response = world.client().begin().send(IR)
    if installed:
        assert response.status == "waiting"
    else:
        assert response.fail_info == ("systemUnavail",)
