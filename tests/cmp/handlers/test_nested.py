"""nested: what registration authorities pass on (RFC 9483, section 5.2.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509

from cmpd.clm.documents.rules.pem_certificates import pem_text
from cmpd.clm.entities.entity_acts import set_state
from cmpd.clm.model import CertificateState, EntityState, ObjectKind
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import (
    MACHINE,
    OPERATOR,
    OTHER_ENTITY,
    OTHER_PBM,
    PBM,
    RA_ROOT,
    SECOND_POLICY,
    SIGNING,
    World,
    ra_holder,
    signed_by,
)
from tests.cmpclient import requests
from tests.cmpclient.message import flip_last_bit

RA = signed_by(ra_holder())
UPPER_RA = signed_by(ra_holder("upper RA", 16))
KEY = pki.key("P-256", 40)
CA_CERTS = requests.general_message("1.3.6.1.5.5.7.4.17")


def composed(world: World, body: Any, protection: cmpclient.Protection | None = PBM, **changes: Any) -> bytes:
    """A first message, unsent."""
    return world.client(protection).begin().compose(body, **changes)


def wrap(world: World, *messages: bytes, ra: cmpclient.Protection | None = RA, **changes: Any) -> bytes:
    """Messages in an RA's nested one."""
    return composed(world, requests.nested(*messages), ra, **changes)


def enrolment(subject: str = "CN=device", number: int = 40, **asked: Any) -> Any:
    return ("ir", [requests.certificate_request(pki.key("P-256", number), subject, **asked)])


def answer(world: World, request: bytes, **call: Any) -> cmpclient.Response:
    return cmpclient.Response.parse(world.respond(request, **call).body)


def test_one_message_in_an_ras_envelope_is_answered_as_if_it_had_come_alone(world: World) -> None:
    transaction = world.client().begin()
    request = transaction.compose(enrolment())
    response = answer(world, wrap(world, request))
    assert response.kind == "ip"
    assert response.status == "accepted"
    transaction.last_request = request
    transaction.server_nonce = response.sender_nonce
    transaction.check(response)
    response.verify_mac(PBM.secret)

    confirmation = transaction.compose(requests.confirmation(response.certificate))
    inner_id, inner_nonce = transaction.transaction_id, response.sender_nonce
    confirmed = answer(world, wrap(world, confirmation, transaction_id=inner_id, recip_nonce=inner_nonce))
    assert confirmed.kind == "pkiconf"
    assert world.state(response.certificate) is CertificateState.ACTIVE


def test_layers_are_unwrapped_one_after_the_other(world: World) -> None:
    inner = composed(world, CA_CERTS)
    response = answer(world, wrap(world, wrap(world, inner), ra=UPPER_RA))
    assert response.kind == "genp"
    response.verify_mac(PBM.secret)


def test_more_layers_than_configured_are_refused(make_world: MakeWorld) -> None:
    world = make_world(nested_layers=2)
    message = composed(world, CA_CERTS)
    for _ in range(2):
        message = wrap(world, message)
    assert answer(world, message).kind == "genp"
    refused = answer(world, wrap(world, message))
    assert refused.fail_info == ("badRequest",)
    assert "2 layers" in refused.text


def test_a_batch_is_answered_by_a_batch_in_its_order_and_a_bad_member_spoils_no_other(
    world: World,
) -> None:
    members = [
        composed(world, enrolment("CN=first", 41)),
        composed(world, enrolment("CN=second", 42), tamper=flip_last_bit),
        b"\x30\x00",
        composed(world, CA_CERTS, OTHER_PBM),
        composed(world, enrolment("CN=last", 43)),
    ]
    batch = wrap(world, *members)
    response = answer(world, batch)
    assert response.kind == "nested"
    response.verify_signature(world.authority)
    assert response.transaction_id == cmpclient.Response.parse(batch).transaction_id
    assert response.recip_nonce == cmpclient.Response.parse(batch).sender_nonce
    answers = [cmpclient.Response.parse(bytes(der)) for der in response.content]
    assert [one.kind for one in answers] == ["ip", "error", "error", "genp", "ip"]
    assert answers[1].fail_info == ("badMessageCheck",)
    assert answers[2].fail_info == ("badDataFormat",)
    for member, one in zip(members, answers, strict=True):
        if member != b"\x30\x00":
            assert one.transaction_id == cmpclient.Response.parse(member).transaction_id
    issued = [one.certificate.subject.rfc4514_string() for one in (answers[0], answers[4])]
    assert issued == ["CN=first", "CN=last"]


def test_a_batch_sent_again_is_answered_with_the_same_members(world: World) -> None:
    members = [composed(world, enrolment("CN=once", number)) for number in (44, 45)]
    before = len(world.certificates())
    first, second = (answer(world, wrap(world, *members)) for _ in range(2))
    assert first.content == second.content
    assert len(world.certificates()) == before + 2


def test_the_same_request_twice_in_a_batch_gets_one_certificate(world: World) -> None:
    member = composed(world, enrolment("CN=twin", 46))
    before = len(world.certificates())
    response = answer(world, wrap(world, member, member))
    assert response.content[0] == response.content[1]
    assert len(world.certificates()) == before + 1


def test_more_members_than_configured_are_refused_whole(make_world: MakeWorld) -> None:
    world = make_world(nested_messages=2)
    members = [composed(world, CA_CERTS) for _ in range(3)]
    assert answer(world, wrap(world, *members[:2])).kind == "nested"
    refused = answer(world, wrap(world, *members))
    assert refused.fail_info == ("badRequest",)


def test_the_records_of_the_members_are_with_the_batchs(world: World) -> None:
    members = [composed(world, CA_CERTS), composed(world, CA_CERTS, OTHER_PBM)]
    record = world.respond(wrap(world, *members)).log_entry
    assert [one.request for one in record.inner] == ["genm", "genm"]
    assert [one.entity for one in record.inner] == [PBM.reference, OTHER_ENTITY]
    alone = world.respond(wrap(world, wrap(world, members[0]))).log_entry
    assert [one.request for one in alone.each()] == ["nested", "nested", "genm"]
    assert [one.response for one in alone.each()] == ["genp", "genp", "genp"]


NOT_RAS: dict[str, cmpclient.Protection] = {
    "an end entity with its password": PBM,
    "a device with its vendor's certificate": signed_by(MACHINE),
    "a certificate under the RA's root without cmcRA": signed_by(
        pki.Plan(pki.name("no RA"), pki.key("P-256", 17), extensions=((SIGNING, True),)).issue(RA_ROOT)
    ),
}


@pytest.mark.parametrize("who", sorted(NOT_RAS))
def test_nested_messages_are_for_registration_authorities(world: World, who: str) -> None:
    refused = answer(world, wrap(world, composed(world, CA_CERTS), ra=NOT_RAS[who]))
    assert refused.kind == "error"
    assert refused.fail_info in (("notAuthorized",), ("signerNotTrusted",))


def test_an_ra_under_another_root_is_not_trusted(world: World) -> None:
    impostor_root = pki.Plan(pki.name("RA root"), pki.key("P-256", 18), ca=True).issue(None)
    plan = pki.Plan(
        pki.name("RA"),
        pki.key("P-256", 13),
        key_identifiers=False,
        extensions=tuple((one.value, one.critical) for one in ra_holder().certificate.extensions),
    )
    refused = answer(world, wrap(world, composed(world, CA_CERTS), ra=signed_by(plan.issue(impostor_root))))
    assert refused.fail_info == ("signerNotTrusted",)


def test_an_empty_envelope_is_refused(world: World) -> None:
    assert answer(world, wrap(world)).fail_info == ("badRequest",)


def test_an_envelope_does_not_lend_the_ras_rights_to_what_it_holds(world: World) -> None:
    victim = world.device("CN=victim", 47)
    body = requests.revocation(victim.certificate.issuer, victim.certificate.serial_number)
    refused = answer(world, wrap(world, composed(world, body, OTHER_PBM)))
    assert refused.kind == "rp"
    assert refused.fail_info == ("notAuthorized",)
    claimed = enrolment(number=48, proof=("raVerified", None))
    assert answer(world, wrap(world, composed(world, claimed))).fail_info == ("notAuthorized",)


# What an RA may do in its own name (RFC 9483, section 5.2.3)


def test_an_ra_vouches_for_the_possession_of_a_key(world: World) -> None:
    request = enrolment("CN=vouched for", 49, proof=("raVerified", None))
    response = world.client(RA).begin().send(request)
    assert response.status == "accepted"


def test_an_ra_revokes_on_behalf_of_others(world: World) -> None:
    device = world.device("CN=lost", 50)
    response = world.client(RA).revoke(device.certificate, 1)
    assert response.status == "accepted"
    assert world.state(device.certificate) is CertificateState.REVOKED


def test_an_ra_updates_on_behalf_of_others(world: World) -> None:
    device = world.device("CN=updated by its RA", 51)
    update = world.client(RA).update(device.certificate, pki.key("P-256", 52))
    assert update.certificate.subject == device.certificate.subject
    assert world.record(update.certificate).entity == world.record(device.certificate).entity


REACHED: dict[str, Callable[[World], x509.Certificate]] = {
    "a certificate of another policy": lambda world: (
        world.client(call={"policy": SECOND_POLICY}).enrol("ir", pki.key("P-256", 58)).certificate
    ),
    "the issuing CA": lambda world: world.authority,
    "the CA's signer of messages": lambda world: world.ca("issuing").signer.certificate,
}


@pytest.mark.parametrize("what", REACHED)
@pytest.mark.parametrize("kind", ["rr", "kur"])
def test_an_ra_reaches_no_further_than_the_policy_that_trusts_it(world: World, what: str, kind: str) -> None:
    certificate = REACHED[what](world)
    before = world.kept()
    if kind == "rr":
        body = requests.revocation(certificate.issuer, certificate.serial_number, 1)
    else:
        controls = requests.old_certificate(certificate)
        key = pki.key("P-256", 59)
        body = ("kur", [requests.certificate_request(key, certificate.subject, controls=controls)])
    response = world.client(RA).begin().send(body)
    assert response.fail_info == ("notAuthorized",)
    assert "policy that trusts this RA" in response.text
    assert world.kept() == before


def block(world: World, id: str) -> None:
    entity = world.run(world.store.entity(id))
    assert entity is not None
    world.run(world.store.commit(set_state(OPERATOR, entity, EntityState.BLOCKED)))


def test_an_ra_gets_nothing_for_who_is_blocked(make_world: MakeWorld) -> None:
    world = make_world()
    device = world.device("CN=blocked")
    block(world, PBM.reference)
    controls = requests.old_certificate(device.certificate)
    asked = requests.certificate_request(pki.key("P-256", 56), "CN=blocked", controls=controls)
    body = ("kur", [asked])
    response = world.client(RA).begin().send(body)
    assert response.fail_info == ("notAuthorized",)


def own_ra(world: World) -> cmpclient.Signature:
    """An RA whose certificate was issued here, and which the policy trusts from now on."""
    world.put(ObjectKind.TEMPLATE, "ra", "ra", {"extended_key_usage": ["cmcRA"]})
    world.change_policy(profiles=["ra"])
    key = pki.key("P-256", 57)
    profile = {"1.3.6.1.5.5.7.4.21": schema.encode("CertProfileValue", ["ra"])}
    transaction = world.client().begin(general_info=profile)
    enrolled = transaction.enrol(("ir", [requests.certificate_request(key, "CN=our RA")]))
    return cmpclient.Signature(enrolled.certificate, key)


def test_an_ra_may_have_its_certificate_from_here(make_world: MakeWorld) -> None:
    world = make_world()
    ra = own_ra(world)
    device = world.device("CN=device")
    world.change_policy(ra_certificates=[])
    assert world.client(ra).revoke(device.certificate).fail_info == ("notAuthorized",)
    world.change_policy(ra_certificates=[pem_text(world.ca("root").certificate_der)])
    assert world.client(ra).begin().send(enrolment(proof=("raVerified", None))).status == "accepted"
    assert answer(world, wrap(world, composed(world, CA_CERTS), ra=ra)).kind == "genp"
    assert world.client(ra).revoke(device.certificate).status == "accepted"
    assert world.client().revoke(ra.certificate).status == "accepted"
    refused = answer(world, wrap(world, composed(world, CA_CERTS), ra=ra))
    assert refused.fail_info == ("certRevoked",)


def test_a_device_under_the_ras_root_is_no_ra(make_world: MakeWorld) -> None:
    world = make_world()
    world.change_policy(ra_certificates=[pem_text(world.ca("root").certificate_der)])
    device = world.device("CN=device")
    assert answer(world, wrap(world, composed(world, CA_CERTS), ra=device)).fail_info == ("notAuthorized",)


def original(*messages: bytes) -> dict[str, bytes]:
    """generalInfo with origPKIMessage."""
    return {"1.3.6.1.5.5.7.4.15": schema.encode("RawCertificates", list(messages))}


def test_the_original_message_proves_what_the_ra_says_was_verified(world: World) -> None:
    first = composed(world, enrolment("CN=as it was", 53))
    changed = enrolment("CN=as the RA will have it", 53, proof=("raVerified", None))
    response = world.client(RA).begin(general_info=original(first)).send(changed)
    assert response.status == "accepted"
    assert response.certificate.subject.rfc4514_string() == "CN=as the RA will have it"


@pytest.mark.parametrize(
    ("originals", "fail_info"),
    [
        pytest.param(lambda world: [b"\x30\x00"], "badDataFormat", id="no PKIMessage"),
        pytest.param(lambda world: [], "badDataFormat", id="none"),
        pytest.param(
            lambda world: [composed(world, enrolment(number=54))] * 2, "badDataFormat", id="two of them"
        ),
        pytest.param(lambda world: [composed(world, enrolment(number=55))], "badPOP", id="of another key"),
        pytest.param(
            lambda world: [composed(world, enrolment(number=54, proof=None))], "badPOP", id="without proof"
        ),
        pytest.param(lambda world: [composed(world, CA_CERTS)], "badPOP", id="no certificate request"),
    ],
)
def test_an_original_that_proves_nothing_is_refused(world: World, originals: Any, fail_info: str) -> None:
    request = enrolment(number=54, proof=("raVerified", None))
    info = original(*originals(world))
    response = world.client(RA).begin(general_info=info).send(request)
    assert response.fail_info == (fail_info,)
