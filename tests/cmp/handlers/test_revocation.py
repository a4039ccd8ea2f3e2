"""rr: revocation, hold and release (RFC 9483, section 4.2; RFC 9810, section 5.3.9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography import x509

from cmpd.clm.housekeeping import expire_transactions
from cmpd.clm.model import CertificateState, ObjectKind, TransactionState
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import MACHINE, OTHER_PBM, PBM, SECOND_POLICY, World, ra_holder, signed_by
from tests.cmpclient import OMIT, requests

REASONS = [reason for reason in requests.CRL_REASONS.values() if reason not in (6, 8)]
REASON_CODE = "2.5.29.21"

Who = Callable[[World, cmpclient.Signature], cmpclient.Protection]


def revocation(certificate: x509.Certificate, reason: int | None = None, **changes: Any) -> Any:
    """An rr; `changes` are fields of certDetails, OMIT leaves one out."""
    kind, [details] = requests.revocation(certificate.issuer, certificate.serial_number, reason)
    fields = {**details["certDetails"], **changes}
    named = {field: value for field, value in fields.items() if value is not OMIT}
    return (kind, [{**details, "certDetails": named}])


ALLOWED: dict[str, Who] = {
    "its own key": lambda world, device: device,
    "its entity's password": lambda world, device: PBM,
    "an RA": lambda world, device: signed_by(ra_holder()),
}


@pytest.mark.parametrize("who", ALLOWED)
@pytest.mark.parametrize("reason", [None, *REASONS])
def test_a_certificate_is_revoked(world: World, who: str, reason: int | None) -> None:
    device = world.device(number=130)
    response = world.client(ALLOWED[who](world, device)).revoke(device.certificate, reason)
    assert (response.kind, response.status) == ("rp", "accepted")
    named = response.content["revCerts"]
    assert named == [
        {
            "issuer": ("directoryName", device.certificate.issuer.public_bytes()),
            "serialNumber": device.certificate.serial_number,
        }
    ]
    record = world.record(device.certificate)
    assert (record.state, record.reason, record.revoked) == (
        CertificateState.REVOKED,
        reason or 0,
        world.now,
    )


def test_a_hold_is_lifted_by_removefromcrl(world: World) -> None:
    device = world.device(number=131)
    client = world.client()
    assert client.revoke(device.certificate, 6).status == "accepted"
    assert world.state(device.certificate) is CertificateState.ON_HOLD
    assert client.revoke(device.certificate, 8).status == "accepted"
    assert world.state(device.certificate) is CertificateState.ACTIVE
    assert world.client(device).ask("1.3.6.1.5.5.7.4.17").kind == "genp"


def test_a_hold_may_become_a_revocation(world: World) -> None:
    device = world.device(number=131)
    client = world.client()
    client.revoke(device.certificate, 6)
    assert client.revoke(device.certificate, 1).status == "accepted"
    assert world.state(device.certificate) is CertificateState.REVOKED


def test_a_certificate_that_was_not_confirmed_yet_may_be_revoked(world: World) -> None:
    key = pki.key("P-256", 132)
    response = world.client().begin().send(("ir", [requests.certificate_request(key, "CN=device")]))
    assert world.client().revoke(response.certificate).status == "accepted"


def test_the_same_request_again_gets_the_same_answer(world: World) -> None:
    device = world.device(number=133)
    transaction = world.client().begin()
    response = transaction.send(revocation(device.certificate))
    world.restart()
    assert transaction.send_as_is(transaction.last_request).der == response.der


@dataclass(frozen=True)
class Row:
    """A revocation that is right but for one thing, and what it is answered."""

    fail_info: str
    text: str
    body: Callable[[x509.Certificate], Any] = revocation
    who: Who = lambda world, device: PBM
    before: Callable[[World, cmpclient.Signature], Any] = lambda world, device: None


def with_entry(extension: dict[str, Any]) -> Callable[[x509.Certificate], Any]:
    """With another CRL entry extension."""

    def body(certificate: x509.Certificate) -> Any:
        kind, details = revocation(certificate)
        return (kind, [{**details[0], "crlEntryDetails": [extension]}])

    return body


def reason_of(der: bytes) -> dict[str, Any]:
    return {"extnID": REASON_CODE, "critical": False, "extnValue": der}


def revoke(reason: int | None = None) -> Callable[[World, cmpclient.Signature], Any]:
    return lambda world, device: world.client().revoke(device.certificate, reason)


ROWS: dict[str, Row] = {
    "no serialNumber": Row(
        "badCertTemplate",
        "certDetails does not contain serialNumber",
        lambda certificate: revocation(certificate, serialNumber=OMIT),
    ),
    "no issuer": Row(
        "badCertTemplate",
        "certDetails does not contain issuer",
        lambda certificate: revocation(certificate, issuer=OMIT),
    ),
    "neither": Row(
        "badCertTemplate",
        "certDetails does not contain",
        lambda certificate: revocation(certificate, issuer=OMIT, serialNumber=OMIT),
    ),
    "an unknown serialNumber": Row(
        "badCertId",
        "this server issued no certificate",
        lambda certificate: revocation(certificate, serialNumber=certificate.serial_number + 1),
    ),
    "serialNumber 0": Row(
        "badCertId", "no certificate", lambda certificate: revocation(certificate, serialNumber=0)
    ),
    "a negative serialNumber": Row(
        "badCertId", "no certificate", lambda certificate: revocation(certificate, serialNumber=-1)
    ),
    "a serialNumber beyond all bounds": Row(
        "badCertId", "no certificate", lambda certificate: revocation(certificate, serialNumber=2**400)
    ),
    "an unknown issuer": Row(
        "badCertId",
        "this server issued no certificate",
        lambda certificate: revocation(certificate, issuer=pki.name("nobody").public_bytes()),
    ),
    "an empty issuer": Row(
        "badCertId", "no certificate", lambda certificate: revocation(certificate, issuer=b"\x30\x00")
    ),
    "an issuer that is no name": Row(
        "badCertId", "no certificate", lambda certificate: revocation(certificate, issuer=b"\x05\x00")
    ),
    "reasonCode 7, which is not used": Row(
        "badDataFormat", "reasonCode is not a CRLReason", with_entry(reason_of(b"\x0a\x01\x07"))
    ),
    "reasonCode 11": Row(
        "badDataFormat", "reasonCode is not a CRLReason", with_entry(reason_of(b"\x0a\x01\x0b"))
    ),
    "reasonCode of rubbish": Row(
        "badDataFormat", "reasonCode is not a CRLReason", with_entry(reason_of(b"\x05\x00"))
    ),
    "reasonCode of nothing": Row("badDataFormat", "reasonCode", with_entry(reason_of(b""))),
    "revoked already": Row("certRevoked", "revoked already", before=revoke(1)),
    "held when it is revoked": Row(
        "certRevoked", "revoked already", lambda certificate: revocation(certificate, 6), before=revoke()
    ),
    "held twice": Row(
        "certRevoked", "on hold", lambda certificate: revocation(certificate, 6), before=revoke(6)
    ),
    "released without a hold": Row(
        "certRevoked", "not on hold", lambda certificate: revocation(certificate, 8)
    ),
    "released after revocation": Row(
        "certRevoked", "not on hold", lambda certificate: revocation(certificate, 8), before=revoke()
    ),
    "by another entity's password": Row(
        "notAuthorized", "not the requester's", who=lambda world, device: OTHER_PBM
    ),
    "by another certificate of the entity": Row(
        "notAuthorized", "its own signature", who=lambda world, device: world.device(number=134)
    ),
    "by the vendor certificate of the entity": Row(
        "notAuthorized", "its own signature", who=lambda world, device: signed_by(MACHINE)
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_revocation_with_one_mistake_is_refused_in_the_rp(world: World, row: str) -> None:
    case = ROWS[row]
    device = world.device(number=135)
    case.before(world, device)
    who = case.who(world, device)
    before = world.kept()
    response = world.client(who).begin().send(case.body(device.certificate))
    assert (response.kind, response.status) == ("rp", "rejection")
    assert response.fail_info == (case.fail_info,)
    assert case.text in response.text
    assert world.kept() == before


@pytest.mark.parametrize("count", [0, 2])
def test_an_rr_is_about_one_certificate(world: World, count: int) -> None:
    device = world.device(number=136)
    kind, details = revocation(device.certificate)
    response = world.client().begin().send((kind, details * count))
    assert (response.kind, response.fail_info) == ("error", ("badRequest",))
    assert world.state(device.certificate) is CertificateState.ACTIVE


def test_passwords_do_not_revoke_where_the_policy_wants_signatures(make_world: MakeWorld) -> None:
    world = make_world({"password_revocation": False})
    device = world.device()
    assert world.client().revoke(device.certificate).fail_info == ("wrongIntegrity",)
    assert world.client(device).revoke(device.certificate).status == "accepted"


def test_the_rules_of_the_certificates_policy_hold_at_every_address(make_world: MakeWorld) -> None:
    world = make_world()
    key = pki.key("P-256", 142)
    client = world.client(call={"policy": SECOND_POLICY})
    certificate = client.enrol("ir", key, "CN=device").certificate
    strict = {"ca": "issuing", "template": "device", "password_revocation": False, "revocation_approvals": 1}
    world.put(ObjectKind.POLICY, SECOND_POLICY, "second", strict)
    refused = world.client().revoke(certificate)
    assert (refused.status, refused.fail_info) == ("rejection", ("wrongIntegrity",))
    transaction = world.client(cmpclient.Signature(certificate, key)).begin()
    assert transaction.send(revocation(certificate)).status == "waiting"
    assert world.state(certificate) is CertificateState.ACTIVE
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    assert transaction.send(requests.poll_request(-1)).status == "accepted"
    assert world.state(certificate) is CertificateState.REVOKED


def test_a_revoked_certificate_does_not_revoke_itself_again(world: World) -> None:
    device = world.device(number=137)
    assert world.client(device).revoke(device.certificate).status == "accepted"
    transaction = world.client(device).begin()
    again = transaction.send_as_is(transaction.compose(revocation(device.certificate)))
    assert (again.kind, again.fail_info) == ("error", ("certRevoked",))


def test_an_ra_of_another_root_revokes_nothing(world: World) -> None:
    device = world.device(number=138)
    root = pki.Plan(pki.name("another root"), pki.key("P-256", 139), ca=True).issue(None)
    extensions = tuple((one.value, one.critical) for one in ra_holder().certificate.extensions)
    plan = replace(
        pki.Plan(pki.name("RA"), pki.key("P-256", 140)), extensions=extensions, key_identifiers=False
    )
    transaction = world.client(signed_by(plan.issue(root))).begin()
    refused = transaction.send_as_is(transaction.compose(revocation(device.certificate)))
    assert refused.fail_info in (("signerNotTrusted",), ("badMessageCheck",))
    assert world.state(device.certificate) is CertificateState.ACTIVE


def test_other_entry_extensions_are_no_reason(world: World) -> None:
    device = world.device(number=141)
    invalidity = {"extnID": "2.5.29.24", "critical": False, "extnValue": schema.encode("RawName", [])}
    assert world.client().begin().send(with_entry(invalidity)(device.certificate)).status == "accepted"
    assert world.record(device.certificate).reason == 0


def test_a_certificate_that_is_not_confirmed_is_not_put_on_hold(make_world: MakeWorld) -> None:
    """Held and released it was active, without a certConf, for good."""
    world = make_world()
    transaction = world.client().begin()
    issued = transaction.send(("ir", [requests.certificate_request(pki.key("P-256", 156))]))
    held = world.client().revoke(issued.certificate, 6)
    assert (held.status, held.fail_info) == ("rejection", ("certRevoked",))
    assert "not confirmed yet" in held.text
    assert world.state(issued.certificate) is CertificateState.UNCONFIRMED
    assert transaction.confirm(issued).kind == "pkiconf"
    assert world.client().revoke(issued.certificate, 6).status == "accepted"


def test_an_rr_that_expires_leaves_its_certificate_alone(make_world: MakeWorld) -> None:
    """It took an unconfirmed certificate with it, "not confirmed in time"."""
    world = make_world({"confirm_wait": "30d", "revocation_approvals": 1}, waiting_memory=60)
    transaction = world.client().begin()
    issued = transaction.send(("ir", [requests.certificate_request(pki.key("P-256", 157))]))
    assert world.client().revoke(issued.certificate, 1).status == "waiting"
    world.now += 120
    assert world.run(expire_transactions(world.clm, 86400)) == 1
    assert world.state(issued.certificate) is CertificateState.UNCONFIRMED
    confirmed = transaction.send(requests.confirmation(issued.certificate), message_time=world.time)
    assert confirmed.kind == "pkiconf"
