"""certConf and the client's error: how an enrolment ends (RFC 9483, sections 3.6.4 and 4.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.housekeeping import expire_transactions
from cmpd.clm.model import CertificateState, TransactionState
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import MACHINE, OTHER_PBM, PBM, World, signed_by
from tests.cmpclient import requests
from tests.cmpclient.algorithms import identifier

KEY = pki.key("P-256", 110)
CRMF = ("ir", [requests.certificate_request(KEY, "CN=device")])
PKCS10 = requests.pkcs10(KEY, "CN=device")


def issued(
    world: World, body: Any = CRMF, protection: cmpclient.Protection = PBM, **fields: Any
) -> tuple[cmpclient.Transaction, cmpclient.Response]:
    """A transaction in which a certificate awaits its confirmation."""
    transaction = world.client(protection).begin(**fields)
    response = transaction.send(body)
    assert world.state(response.certificate) is CertificateState.UNCONFIRMED
    return transaction, response


@pytest.mark.parametrize("protection", [PBM, signed_by(MACHINE)], ids=["MAC", "signature"])
@pytest.mark.parametrize(
    ("body", "cert_req_id"), [(CRMF, 0), (PKCS10, -1), (PKCS10, 0)], ids=["ir", "p10cr", "p10cr as ir"]
)
def test_a_confirmed_certificate_is_active(
    world: World, protection: cmpclient.Protection, body: Any, cert_req_id: int
) -> None:
    transaction, response = issued(world, body, protection)
    confirmed = transaction.confirm(response, cert_req_id=cert_req_id)
    assert confirmed.kind == "pkiconf"
    assert world.state(response.certificate) is CertificateState.ACTIVE
    state = world.run(world.store.transaction(transaction.transaction_id))
    assert state is not None
    assert state.state is TransactionState.CLOSED


@pytest.mark.parametrize(
    "statuses",
    [
        pytest.param(lambda certificate: requests.confirmation(certificate, rejected=True), id="rejection"),
        pytest.param(lambda certificate: requests.confirmation(None), id="empty certConf"),
        pytest.param(
            lambda certificate: requests.confirmation(certificate, statusInfo={"status": 3}),
            id="another status than accepted",
        ),
        pytest.param(lambda certificate: requests.error("what is this?"), id="error"),
    ],
)
def test_a_certificate_that_is_not_wanted_is_rejected_for_good(
    world: World, statuses: Callable[[Any], Any]
) -> None:
    transaction, response = issued(world)
    assert transaction.send(statuses(response.certificate)).kind == "pkiconf"
    record = world.record(response.certificate)
    assert record.state is CertificateState.REJECTED
    assert record.revoked == world.now


@pytest.mark.parametrize("status", [0, 1], ids=["accepted", "grantedWithMods"])
def test_a_statusinfo_that_accepts_confirms(world: World, status: int) -> None:
    transaction, response = issued(world)
    body = requests.confirmation(response.certificate, statusInfo={"status": status})
    assert transaction.send(body).kind == "pkiconf"
    assert world.state(response.certificate) is CertificateState.ACTIVE


@pytest.mark.parametrize("digest", ["sha224", "sha256", "sha384", "sha512"])
def test_hashalg_names_the_hash_under_pvno_3(world: World, digest: str) -> None:
    transaction, response = issued(world, pvno=3)
    assert transaction.confirm(response, digest=digest).kind == "pkiconf"


def certificate_hash(response: cmpclient.Response, digest: str) -> bytes:
    return hashlib.new(digest, response.certificate.public_bytes(Encoding.DER)).digest()


WRONG: dict[str, tuple[Callable[[cmpclient.Response], Any], dict[str, Any], str, str]] = {
    "certHash of nothing": (
        lambda response: requests.confirmation(response.certificate, certHash=b""),
        {},
        "badCertId",
        "certHash does not match the certificate",
    ),
    "certHash of another certificate": (
        lambda response: requests.confirmation(MACHINE.certificate),
        {},
        "badCertId",
        "certHash does not match the certificate",
    ),
    "certHash by another hash": (
        lambda response: requests.confirmation(
            response.certificate, certHash=certificate_hash(response, "sha512")
        ),
        {},
        "badCertId",
        "certHash",
    ),
    "certHash of zeros": (
        lambda response: requests.confirmation(response.certificate, certHash=bytes(32)),
        {},
        "badCertId",
        "certHash",
    ),
    "certReqId is 1": (
        lambda response: requests.confirmation(response.certificate, cert_req_id=1),
        {},
        "badRequest",
        "certReqId 1",
    ),
    "certReqId is p10cr's": (
        lambda response: requests.confirmation(response.certificate, cert_req_id=-1),
        {},
        "badRequest",
        "certReqId -1",
    ),
    "two CertStatus": (
        lambda response: ("certConf", requests.confirmation(response.certificate)[1] * 2),
        {},
        "badRequest",
        "more certificates than were issued",
    ),
    "hashAlg under pvno 2": (
        lambda response: requests.confirmation(response.certificate, digest="sha256"),
        {},
        "badRequest",
        "hashAlg requires pvno 3",
    ),
    "hashAlg unknown": (
        lambda response: requests.confirmation(
            response.certificate, hashAlg=schema.encode("AlgorithmIdentifier", identifier("1.2.3.4"))
        ),
        {"pvno": 3},
        "badAlg",
        "1.2.3.4",
    ),
    "hashAlg of rubbish": (
        lambda response: requests.confirmation(response.certificate, hashAlg=b"\x05\x00"),
        {"pvno": 3},
        "badDataFormat",
        "",
    ),
    "hashAlg of another hash than certHash": (
        lambda response: requests.confirmation(
            response.certificate, digest="sha384", certHash=certificate_hash(response, "sha256")
        ),
        {"pvno": 3},
        "badCertId",
        "certHash",
    ),
    "protected by another": (
        lambda response: requests.confirmation(response.certificate),
        {"protection": OTHER_PBM},
        "badMessageCheck",
        "who began the transaction",
    ),
    "protected by a signature after a MAC": (
        lambda response: requests.confirmation(response.certificate),
        {"protection": signed_by(MACHINE)},
        "badMessageCheck",
        "who began the transaction",
    ),
    "pollReq instead": (lambda response: requests.poll_request(), {}, "badRequest", "polled for"),
    "popdecr instead": (
        lambda response: requests.challenge_response(1),
        {},
        "badRequest",
        "no challenge was sent",
    ),
    "an error by another": (
        lambda response: requests.error("stop it"),
        {"protection": OTHER_PBM},
        "badMessageCheck",
        "who began the transaction",
    ),
}


@pytest.mark.parametrize("row", WRONG)
def test_a_wrong_confirmation_is_refused_and_the_certificate_goes_on_waiting(world: World, row: str) -> None:
    body, changes, fail_info, text = WRONG[row]
    transaction, response = issued(world)
    nonce = transaction.server_nonce
    refused = transaction.send_as_is(transaction.compose(body(response), **changes))
    assert (refused.kind, refused.fail_info) == ("error", (fail_info,))
    assert text in refused.text
    assert world.state(response.certificate) is CertificateState.UNCONFIRMED
    transaction.server_nonce = nonce
    assert transaction.confirm(response).kind == "pkiconf"


def test_who_signed_the_request_confirms_with_the_same_certificate(world: World) -> None:
    transaction, response = issued(world, protection=signed_by(MACHINE))
    other = world.device(number=111)
    nonce = transaction.server_nonce
    body = requests.confirmation(response.certificate)
    refused = transaction.send_as_is(transaction.compose(body, protection=other))
    assert refused.fail_info == ("badMessageCheck",)
    transaction.server_nonce = nonce
    assert transaction.confirm(response).kind == "pkiconf"


def test_the_new_certificate_does_not_protect_its_own_confirmation(world: World) -> None:
    transaction, response = issued(world)
    own = cmpclient.Signature(response.certificate, KEY)
    body = requests.confirmation(response.certificate)
    refused = transaction.send_as_is(transaction.compose(body, protection=own))
    assert refused.fail_info == ("signerNotTrusted",)


def test_the_same_confirmation_again_gets_the_same_pkiconf(world: World) -> None:
    transaction, response = issued(world)
    confirmed = transaction.confirm(response)
    assert transaction.send_as_is(transaction.last_request).der == confirmed.der


def test_a_second_confirmation_is_told_that_there_was_one(world: World) -> None:
    transaction, response = issued(world)
    transaction.confirm(response)
    again = transaction.send(requests.confirmation(response.certificate))
    assert again.fail_info == ("certConfirmed",)
    assert world.state(response.certificate) is CertificateState.ACTIVE


def test_a_confirmation_after_the_rejection_does_not_bring_the_certificate_back(world: World) -> None:
    transaction, response = issued(world)
    transaction.send(requests.confirmation(response.certificate, rejected=True))
    again = transaction.send(requests.confirmation(response.certificate))
    assert again.fail_info == ("badRequest",)
    assert "rejected before" in again.text
    assert world.state(response.certificate) is CertificateState.REJECTED


def test_a_late_confirmation_is_not_told_that_there_was_one(make_world: MakeWorld) -> None:
    """It read "the certificate confirmed before", of a certificate that is on the CRL."""
    world = make_world()
    transaction, response = issued(world)
    world.now += 3600
    world.run(expire_transactions(world.clm, 86400))
    confirmation = requests.confirmation(response.certificate)
    late = transaction.send(confirmation, message_time=world.time)
    assert late.fail_info == ("badRequest",)
    assert "the time to confirm is over" in late.text
    assert world.state(response.certificate) is CertificateState.REJECTED


def test_a_confirmation_survives_a_restart_before_and_after_it(world: World) -> None:
    transaction, response = issued(world)
    world.restart()
    confirmed = transaction.confirm(response)
    world.restart()
    assert transaction.send_as_is(transaction.last_request).der == confirmed.der


def test_a_confirmation_comes_in_time_or_not_at_all(make_world: MakeWorld) -> None:
    world = make_world({"confirm_wait": 100})
    transaction, response = issued(world)
    world.now += 101
    late = transaction.send(requests.confirmation(response.certificate), message_time=world.time)
    assert late.fail_info == ("badRequest",)
    assert "time to confirm is over" in late.text
    assert world.state(response.certificate) is not CertificateState.ACTIVE


def test_a_certificate_revoked_before_its_confirmation_stays_revoked(world: World) -> None:
    transaction, response = issued(world)
    assert world.client().revoke(response.certificate, 1).status == "accepted"
    refused = transaction.send(requests.confirmation(response.certificate))
    assert refused.fail_info == ("certRevoked",)
    assert world.state(response.certificate) is CertificateState.REVOKED


def issued_by(world: World, algorithm: str) -> tuple[cmpclient.Transaction, cmpclient.Response]:
    """What a CA with a key of that kind issued, under pvno 3."""
    authority = world.put_ca("another", algorithm)
    world.change_policy(ca="another")
    client = cmpclient.Client(
        lambda body: world.respond(body).body, PBM, (authority,), {"message_time": world.time, "pvno": 3}
    )
    transaction = client.begin()
    return transaction, transaction.send(CRMF)


def test_a_certificate_signed_by_ed25519_is_hashed_with_sha512(make_world: MakeWorld) -> None:
    """RFC 9481, section 3.3: the hash that Ed25519 has inside."""
    world = make_world()
    transaction, response = issued_by(world, "Ed25519")
    body = requests.confirmation(response.certificate, certHash=certificate_hash(response, "sha512"))
    assert transaction.send(body).kind == "pkiconf"


def test_a_certificate_whose_signature_has_no_hash_takes_hashalg(make_world: MakeWorld) -> None:
    """RFC 9810, section 5.3.18: ML-DSA names no hash, so certConf has to."""
    world = make_world()
    transaction, response = issued_by(world, "ML-DSA-44")
    nonce = transaction.server_nonce
    refused = transaction.send(requests.confirmation(response.certificate))
    assert refused.fail_info == ("badCertId",)
    assert "hashAlg is missing" in refused.text
    transaction.server_nonce = nonce
    assert transaction.confirm(response, digest="sha256").kind == "pkiconf"
