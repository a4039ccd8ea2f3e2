"""kur: a certificate for the next key (RFC 9483, section 4.1.3; RFC 9810, section 5.3.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography import x509

from cmpd.clm.housekeeping import expire_transactions
from cmpd.clm.model import CertificateState
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import MACHINE, PBM, World, ra_holder, signed_by
from tests.cmpclient import requests

NEW_KEY = pki.key("P-256", 120)
SAN = x509.SubjectAlternativeName([x509.DNSName("device.example")])
OTHER_SAN = x509.SubjectAlternativeName([x509.DNSName("other.example")])


def update(
    subject: Any = "CN=device", key: Any = NEW_KEY, *, old: x509.Certificate | None = None, **asked: Any
) -> Any:
    """A kur; `old` for the oldCertID control."""
    controls = requests.old_certificate(old) if old is not None else None
    return ("kur", [requests.certificate_request(key, subject, controls=controls, **asked)])


def device(world: World, number: int = 121, **asked: Any) -> cmpclient.Signature:
    return world.device("CN=device", number, **asked)


def test_an_update_gives_a_new_certificate_and_keeps_the_old_one(world: World) -> None:
    old = device(world)
    enrolment = world.client(old).update(old.certificate, NEW_KEY)
    assert enrolment.response.kind == "kup"
    assert enrolment.certificate.public_key() == NEW_KEY.public_key()
    record = world.record(enrolment.certificate)
    assert record.state is CertificateState.ACTIVE
    assert record.replaces == (record.ca, old.certificate.serial_number)
    assert record.entity == world.record(old.certificate).entity
    assert world.state(old.certificate) is CertificateState.ACTIVE


def test_subject_and_san_are_taken_over_where_the_request_leaves_them_out(world: World) -> None:
    old = device(world, extensions=[SAN])
    response = world.client(old).begin().send(update(x509.Name([])))
    assert response.certificate.subject == old.certificate.subject
    given = response.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert given == SAN


def test_the_old_certificate_goes_once_the_new_one_is_confirmed(make_world: MakeWorld) -> None:
    world = make_world({"old_certificate": "revoke"})
    old = device(world)
    transaction = world.client(old).begin()
    response = transaction.send(update())
    assert world.state(old.certificate) is CertificateState.ACTIVE
    transaction.confirm(response)
    record = world.record(old.certificate)
    assert (record.state, record.reason) == (CertificateState.REVOKED, 4)


def test_the_old_certificate_stays_where_the_new_one_is_rejected(make_world: MakeWorld) -> None:
    world = make_world({"old_certificate": "revoke"})
    old = device(world)
    transaction = world.client(old).begin()
    response = transaction.send(update())
    transaction.send(requests.confirmation(response.certificate, rejected=True))
    assert world.state(old.certificate) is CertificateState.ACTIVE
    assert world.state(response.certificate) is CertificateState.REJECTED


def test_implicit_confirmation_retires_the_old_certificate_at_once(make_world: MakeWorld) -> None:
    world = make_world({"old_certificate": "revoke"})
    old = device(world)
    info = {"1.3.6.1.5.5.7.4.13": b"\x05\x00"}
    assert world.client(old).begin(general_info=info).send(update()).status == "accepted"
    assert world.state(old.certificate) is CertificateState.REVOKED


def test_an_update_of_an_update(world: World) -> None:
    protection = device(world)
    for number in range(122, 125):
        key = pki.key("P-256", number)
        enrolment = world.client(protection).update(protection.certificate, key)
        protection = cmpclient.Signature(enrolment.certificate, key)
    assert world.state(protection.certificate) is CertificateState.ACTIVE


@dataclass(frozen=True)
class Row:
    """An update that is right but for one thing, and what it is answered."""

    fail_info: str
    text: str
    body: Callable[[World, cmpclient.Signature], Any] = lambda world, old: update()
    protection: Callable[[World, cmpclient.Signature], cmpclient.Protection] = lambda world, old: old


def control(der: bytes) -> Any:
    return ("kur", [requests.certificate_request(NEW_KEY, "CN=device", controls={requests.OLD_CERT_ID: der})])


def cert_id(issuer: Any, serial: int) -> bytes:
    return schema.encode("RawCertId", {"issuer": issuer, "serialNumber": serial})


def revoked(world: World, old: cmpclient.Signature) -> cmpclient.Protection:
    world.client().revoke(old.certificate)
    return old


ROWS: dict[str, Row] = {
    "under a MAC": Row("wrongIntegrity", "requires the signature", protection=lambda world, old: PBM),
    "by a vendor certificate": Row(
        "notAuthorized", "that this server issued", protection=lambda world, old: signed_by(MACHINE)
    ),
    "by a revoked certificate": Row("certRevoked", "is revoked", protection=revoked),
    "oldCertID names another certificate": Row(
        "badCertId",
        "not the certificate that protects",
        lambda world, old: update(old=device(world, 126).certificate),
    ),
    "oldCertID has another serialNumber": Row(
        "badCertId",
        "not the certificate that protects",
        lambda world, old: control(
            cert_id(
                ("directoryName", old.certificate.issuer.public_bytes()), old.certificate.serial_number + 1
            )
        ),
    ),
    "oldCertID has another issuer": Row(
        "badCertId",
        "not the certificate that protects",
        lambda world, old: control(
            cert_id(("directoryName", pki.name("nobody").public_bytes()), old.certificate.serial_number)
        ),
    ),
    "oldCertID's issuer is a DNS name": Row(
        "badCertId",
        "not a directoryName",
        lambda world, old: control(cert_id(("dNSName", "ca.example"), old.certificate.serial_number)),
    ),
    "oldCertID is not a CertId": Row(
        "badDataFormat", "oldCertID is not a CertId", lambda world, old: control(b"\x05\x00")
    ),
    "another subject": Row(
        "badCertTemplate", "keeps the old certificate's", lambda world, old: update("CN=somebody else")
    ),
    "another subjectAltName": Row(
        "badCertTemplate",
        "subjectAltName",
        lambda world, old: update(extensions=[OTHER_SAN]),
    ),
    "the same key": Row("badCertTemplate", "a new one is due", lambda world, old: update(key=old.key)),
    "no proof of possession": Row("badPOP", "popo is missing", lambda world, old: update(proof=None)),
    "a proof by the old key": Row(
        "badPOP",
        "does not verify",
        lambda world, old: update(proof=requests.popo(old.key, b"something")),
    ),
    "raVerified by the device": Row(
        "notAuthorized", "raVerified", lambda world, old: update(proof=("raVerified", None))
    ),
    "certReqId is 1": Row("badRequest", "certReqId is 1", lambda world, old: update(cert_req_id=1)),
    "two requests": Row("badRequest", "holds 2 CertReqMsgs", lambda world, old: ("kur", update()[1] * 2)),
    "no request": Row("badRequest", "holds 0 CertReqMsgs", lambda world, old: ("kur", [])),
    "serialNumber is chosen": Row(
        "badCertTemplate", "serialNumber", lambda world, old: update(serialNumber=7)
    ),
    "an RA names a certificate that was not issued here": Row(
        "badCertId",
        "oldCertID does not name a certificate",
        lambda world, old: update(old=MACHINE.certificate),
        lambda world, old: signed_by(ra_holder()),
    ),
    "an RA names none": Row(
        "notAuthorized", "that this server issued", protection=lambda world, old: signed_by(ra_holder())
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_an_update_with_one_mistake_is_refused(world: World, row: str) -> None:
    case = ROWS[row]
    old = device(world, extensions=[SAN])
    body = case.body(world, old)
    protection = case.protection(world, old)
    before = world.kept()
    transaction = world.client(protection).begin()
    response = transaction.send_as_is(transaction.compose(body))
    assert response.kind in ("error", "kup")
    assert response.fail_info == (case.fail_info,)
    assert case.text in response.text
    assert world.kept() == before


def test_an_expired_certificate_is_not_updated(make_world: MakeWorld) -> None:
    world = make_world()
    old = device(world)
    world.now = int(old.certificate.not_valid_after_utc.timestamp()) + 1
    transaction = world.client(old).begin()
    response = transaction.send_as_is(transaction.compose(update()))
    assert response.fail_info == ("signerNotTrusted",)


def test_an_update_comes_in_the_last_days_where_the_policy_says_so(make_world: MakeWorld) -> None:
    world = make_world({"renewal_window": "30d"})
    old = device(world)
    response = world.client(old).begin().send(update())
    assert response.fail_info == ("notAuthorized",)
    assert "30 days" in response.text
    world.now = int(old.certificate.not_valid_after_utc.timestamp()) - 29 * 86400
    transaction = world.client(old).begin()
    assert transaction.send_as_is(transaction.compose(update())).status == "accepted"


def test_a_policy_may_let_the_key_stay(make_world: MakeWorld) -> None:
    world = make_world({"same_key_renewal": True})
    old = device(world)
    assert world.client(old).begin().send(update(key=old.key)).status == "accepted"


def test_a_policy_may_let_the_subject_change(make_world: MakeWorld) -> None:
    world = make_world({"update_may_change_subject": True})
    old = device(world, extensions=[SAN])
    response = world.client(old).begin().send(update("CN=somebody else", extensions=[OTHER_SAN]))
    assert response.certificate.subject.rfc4514_string() == "CN=somebody else"


def test_an_update_replaces_in_the_count_of_certificates(make_world: MakeWorld) -> None:
    world = make_world({"max_active": 1, "old_certificate": "revoke"})
    old = device(world)
    enrolment = world.client(old).update(old.certificate, NEW_KEY)
    assert world.state(enrolment.certificate) is CertificateState.ACTIVE


def renewed(world: World, old: cmpclient.Signature, times: int) -> cmpclient.Signature:
    """The same device after so many updates, all with the same key."""
    for _ in range(times):
        enrolment = world.client(old).update(old.certificate, old.key)
        old = cmpclient.Signature(enrolment.certificate, old.key)
    return old


def test_of_many_certificates_with_one_key_the_latest_signs_where_extraCerts_is_empty(
    make_world: MakeWorld,
) -> None:
    """The oldest ones were taken once, which are revoked by then, or at their end."""
    world = make_world({"same_key_renewal": True, "old_certificate": "revoke"})
    latest = renewed(world, device(world), 5)
    request = update(key=pki.key("P-256", 123), old=latest.certificate)
    response = world.client(latest).begin().send(request, extra_certs=[])
    assert response.status == "accepted"


def test_a_transaction_goes_on_with_the_certificate_it_began_with_where_extraCerts_is_empty(
    make_world: MakeWorld,
) -> None:
    """The certificate that certConf is about has the same key, and is not confirmed yet."""
    world = make_world({"same_key_renewal": True})
    latest = renewed(world, device(world), 4)
    transaction = world.client(latest).begin()
    response = transaction.send(update(key=latest.key, old=latest.certificate))
    confirmation = requests.confirmation(response.certificate)
    assert transaction.send(confirmation, extra_certs=[]).kind == "pkiconf"


def test_of_two_updates_of_one_certificate_one_is_confirmed(make_world: MakeWorld) -> None:
    """Both were active, where the old certificate goes as the new one comes."""
    world = make_world({"old_certificate": "revoke"})
    device = world.device(number=158)
    transactions = [world.client(device).begin() for _ in range(2)]
    issued = [
        one.send(("kur", [requests.certificate_request(pki.key("P-256", 159 + number), "CN=device")]))
        for number, one in enumerate(transactions)
    ]
    assert transactions[0].confirm(issued[0]).kind == "pkiconf"
    second = transactions[1].send(requests.confirmation(issued[1].certificate))
    assert (second.kind, second.fail_info) == ("error", ("certRevoked",))
    assert world.state(issued[0].certificate) is CertificateState.ACTIVE
    assert world.state(issued[1].certificate) is CertificateState.UNCONFIRMED
    world.now += 3600
    world.run(expire_transactions(world.clm, 86400))
    assert world.state(issued[1].certificate) is CertificateState.REJECTED
