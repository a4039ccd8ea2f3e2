"""Certificates without an end entity are bound to the policy they were issued under, and to their own names.

A device that an RA enrolled used every policy: it got other names, a CA's certificate where a policy issues
those, and became an RA where a policy issues RA certificates.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from cmpd.clm.model import ObjectKind
from cmpd.clm.store.changes import DeleteEntity
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import OTHER_ENTITY, OTHER_PBM, World, ra_holder, signed_by
from tests.cmpclient import requests

RA = signed_by(ra_holder("line RA", 140))
KEY = pki.key("P-256", 141)
NEW_KEY = pki.key("P-256", 142)
SUB_CAS = "aaaaaaaa-0000-4000-8000-000000000001"
SERVERS = "aaaaaaaa-0000-4000-8000-000000000002"
RAS = "aaaaaaaa-0000-4000-8000-000000000003"
NAMES = {SUB_CAS: "sub-cas", SERVERS: "servers", RAS: "ras"}
CERT_PROFILE = "1.3.6.1.5.5.7.4.21"
SAN = x509.SubjectAlternativeName([x509.DNSName("dev-1.example")])


def asks(kind: str, subject: str = "CN=dev-1", key: Any = NEW_KEY, **fields: Any) -> Any:
    if kind == "p10cr":
        return requests.pkcs10(key, subject, **fields)
    return (kind, [requests.certificate_request(key, subject, **fields)])


def enrolled_by_ra(world: World, subject: str = "CN=dev-1", **fields: Any) -> cmpclient.Signature:
    """A device for which an RA got a certificate, and which no end entity stands for."""
    transaction = world.client(RA).begin()
    certificate = transaction.enrol(asks("ir", subject, KEY, **fields)).certificate
    assert world.record(certificate).entity is None
    return cmpclient.Signature(certificate, KEY)


@pytest.fixture
def attacked(make_world: MakeWorld) -> World:
    """A world with policies that issue sub-CAs, servers and RAs, for others than the device."""
    world = make_world()
    for name, document in (
        ("servers", {"extended_key_usage": ["serverAuth"]}),
        ("ras", {"extended_key_usage": ["cmcRA"]}),
    ):
        world.put(ObjectKind.TEMPLATE, name, name, document)
    for id, template in ((SUB_CAS, "sub-ca"), (SERVERS, "servers"), (RAS, "ras")):
        ca = "root" if template == "sub-ca" else "issuing"
        world.put(ObjectKind.POLICY, id, NAMES[id], {"ca": ca, "template": template})
    return world


@pytest.mark.parametrize("kind", ["ir", "cr", "p10cr", "kur"])
@pytest.mark.parametrize("policy", NAMES)
@pytest.mark.parametrize("how", ["path", "name", "certProfile"])
def test_a_certificate_without_an_entity_uses_no_other_policy(
    attacked: World, kind: str, policy: str, how: str
) -> None:
    device = enrolled_by_ra(attacked)
    before = len(attacked.certificates())
    calls = {"path": {"policy": policy}, "name": {"policy_name": NAMES[policy]}, "certProfile": {}}
    info = {CERT_PROFILE: schema.encode("CertProfileValue", [NAMES[policy]])} if how == "certProfile" else {}
    response = attacked.client(device, call=calls[how]).begin().send(asks(kind), general_info=info)
    text = f"certProfile {NAMES[policy]!r} is not known" if info else "invalid identifier"
    assert (response.kind, response.fail_info, response.text) == ("error", ("badRequest",), text)
    assert len(attacked.certificates()) == before


@pytest.mark.parametrize("kind", ["ir", "cr", "p10cr"])
@pytest.mark.parametrize("subject", ["CN=dev-1", "CN=dev-2"])
def test_it_enrols_under_its_own_policy_neither(world: World, kind: str, subject: str) -> None:
    device = enrolled_by_ra(world)
    response = world.client(device).begin().send(asks(kind, subject))
    assert (response.status, response.fail_info) == ("rejection", ("notAuthorized",))


ASKED: list[tuple[str, dict[str, Any], str]] = [
    ("CN=dev-1", {"extensions": [SAN]}, "accepted"),
    ("CN=dev-1", {}, "rejection"),
    ("CN=dev-2", {"extensions": [SAN]}, "rejection"),
    (
        "CN=dev-1",
        {"extensions": [x509.SubjectAlternativeName([x509.DNSName("dev-2.example")])]},
        "rejection",
    ),
]


@pytest.mark.parametrize("kind", ["ir", "cr", "p10cr"])
@pytest.mark.parametrize(("subject", "fields", "status"), ASKED)
def test_it_gets_its_own_names_again_where_the_policy_says_so(
    make_world: MakeWorld, kind: str, subject: str, fields: dict[str, Any], status: str
) -> None:
    world = make_world({"certificate_enrolment": True})
    device = enrolled_by_ra(world, extensions=[SAN])
    response = world.client(device).begin().send(asks(kind, subject, **fields))
    assert response.status == status
    if status == "rejection":
        assert response.fail_info == ("notAuthorized",)


def test_it_updates_and_revokes_itself(world: World) -> None:
    device = enrolled_by_ra(world)
    updated = world.client(device).update(device.certificate, NEW_KEY)
    again = cmpclient.Signature(updated.certificate, NEW_KEY)
    assert world.client(again).revoke(updated.certificate).status == "accepted"
    other = world.device("CN=device", 143)
    assert world.client(device).revoke(other.certificate).fail_info == ("notAuthorized",)


def test_a_certificate_whose_entity_was_deleted_is_as_one_without(attacked: World) -> None:
    enrolled = attacked.client(OTHER_PBM).enrol_implicitly("ir", KEY, "CN=dev-1")
    device = cmpclient.Signature(enrolled.certificate, KEY)
    entity = attacked.run(attacked.store.entity(OTHER_ENTITY))
    assert entity is not None
    attacked.run(attacked.store.commit((DeleteEntity(entity.id, entity.version),)))
    for call in ({"policy_name": "foreign"}, {"policy": SERVERS}):
        refused = attacked.client(device, call=call).begin().send(asks("cr"))
        assert (refused.fail_info, refused.text) == (("badRequest",), "invalid identifier")
    assert attacked.client(device).begin().send(asks("cr")).fail_info == ("notAuthorized",)
    assert (
        attacked.client(device).update(device.certificate, NEW_KEY).certificate.subject
        == device.certificate.subject
    )


def test_the_cas_own_certificates_use_no_policy(world: World) -> None:
    """Whoever has stolen the CMP signer's key enrols nobody with it."""
    signer = world.ca("issuing").signer
    thief = cmpclient.Signature(signer.certificate, signer.key)
    response = world.client(thief).begin().send(asks("cr"))
    assert response.fail_info == ("notAuthorized",)
    named = world.client(thief, call={"policy_name": "default"}).begin().send(asks("cr"))
    assert (named.fail_info, named.text) == (("badRequest",), "invalid identifier")


def test_what_it_began_is_gone_on_with_at_the_policy_it_began_under_and_nothing_is_told_of_others(
    attacked: World,
) -> None:
    """A transactionID of one's own told which identifiers exist: elsewhere "begun under another policy"."""
    device = enrolled_by_ra(attacked)
    transaction = attacked.client(device).begin()
    issued = transaction.send(asks("kur"))
    answers = []
    for policy in (SERVERS, "aaaaaaaa-0000-4000-8000-00000000000f"):
        transaction.client = attacked.client(device, call={"policy": policy})
        confirmation = transaction.compose(requests.confirmation(issued.certificate))
        reply = cmpclient.Response.parse(attacked.respond(confirmation, policy=policy).body)
        answers.append((reply.kind, reply.fail_info, reply.text))
    assert answers == [("error", ("badRequest",), "invalid identifier")] * 2
