"""Whom a certificate from elsewhere names: an identity, and the trust anchor that vouches for it."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type as StringType
from cryptography.x509.oid import NameOID

from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.rules.pem_certificates import pem_text
from cmpd.clm.entities.entity_acts import add
from cmpd.clm.entities.identity_text import parse_identity
from cmpd.clm.model import Entity, EntityState, Identity, ObjectKind
from cmpd.clm.pkix.names import parse_name
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import MASTER_KEY, OPERATOR, SIGNING, VENDOR, World, ra_holder, signed_by
from tests.cmpclient import requests
from tests.cmpclient.response import Response

OTHER_VENDOR = pki.Plan(pki.name("Other vendor CA"), pki.key("P-256", 110), ca=True).issue(None)
ANCHORS = {"A": VENDOR, "B": OTHER_VENDOR}
POLICIES = {
    "A": "a0b6f2d0-2d0b-4b0e-9f0a-6f8f5c0e7a11",
    "B": "b0b6f2d0-2d0b-4b0e-9f0a-6f8f5c0e7a11",
    "both": "c0b6f2d0-2d0b-4b0e-9f0a-6f8f5c0e7a11",
}
ENTITY = "d0b6f2d0-2d0b-4b0e-9f0a-6f8f5c0e7a11"
SUBJECT = parse_name("/C=DE/O=Works/serialNumber=SN-0815/CN=Device")


def device(vendor: str, subject: x509.Name = SUBJECT) -> pki.Holder:
    plan = pki.Plan(subject, pki.key("P-256", 111), extensions=((SIGNING, True),))
    return plan.issue(ANCHORS[vendor])


def bound_to(vendor: str, identity: Identity) -> Identity:
    return Identity(identity.kind, identity.value, hashlib.sha256(ANCHORS[vendor].der).hexdigest())


def register(world: World, *identities: Identity, **fields: object) -> None:
    fields = {"policies": tuple(POLICIES.values()), **fields}
    entity = Entity(ENTITY, "station", identities=identities, **fields)  # type: ignore[arg-type] # of a test
    world.run(world.store.commit(add(OPERATOR, MASTER_KEY, entity, None)[1]))


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """Three policies: one for each vendor, and one for both."""
    world = make_world()
    for name, id in POLICIES.items():
        anchors = [pem_text(ANCHORS[one].der) for one in ("AB" if name == "both" else name)]
        document = {"ca": "issuing", "template": "device", "trust_anchors": anchors, "auto_register": True}
        world.put(ObjectKind.POLICY, id, name, Policy.of(id, name, document).document())
    return world


def asks(world: World, holder: pki.Holder, policy: str) -> Response:
    """The device's ir under a policy."""
    client = world.client(signed_by(holder), call={"policy": POLICIES[policy]})
    body = ("ir", [requests.certificate_request(pki.key("P-256", 112), "CN=device")])
    return client.begin().send(body)


def enrolled_as(world: World, holder: pki.Holder, policy: str) -> str:
    """The entity that the device's certificate is for."""
    response = asks(world, holder, policy)
    assert response.status == "accepted", response.text
    entity = world.record(response.certificate).entity
    assert entity is not None
    return entity


SN = Identity("serialNumber", "SN-0815")
WHOLE = parse_identity("subject=CN=Device,serialNumber=SN-0815,O=Works,C=DE", "")


@pytest.mark.parametrize("identity", [SN, WHOLE], ids=lambda one: one.kind)
@pytest.mark.parametrize(
    ("vendor", "policy", "anchor", "known"),
    [
        ("A", "A", "", True),
        ("A", "A", "A", True),
        ("A", "both", "A", True),
        ("A", "both", "", False),
        ("B", "both", "A", False),
        ("B", "both", "", False),
        ("B", "B", "A", False),
        ("A", "A", "B", False),
    ],
)
def test_an_identity_holds_together_with_the_anchor_that_vouches_for_it(
    world: World, identity: Identity, vendor: str, policy: str, anchor: str, known: bool
) -> None:
    register(world, bound_to(anchor, identity) if anchor else identity)
    assert (enrolled_as(world, device(vendor), policy) == ENTITY) == known


@pytest.mark.parametrize("policy", ["B", "both"])
@pytest.mark.parametrize("anchor", ["", "A"])
def test_another_vendors_device_with_the_same_serial_number_becomes_an_entity_of_its_own(
    world: World, policy: str, anchor: str
) -> None:
    register(world, bound_to("A", SN) if anchor else SN, policies=(POLICIES["A"],))
    own = enrolled_as(world, device("A"), "A")
    other = enrolled_as(world, device("B"), policy)
    assert own == ENTITY != other
    registered = world.run(world.store.entity(other))
    assert registered is not None
    (identity,) = registered.identities
    assert (identity.kind, identity.anchor) == ("fingerprint", "")


def test_each_vendors_device_is_known_where_both_have_the_same_serial_number(world: World) -> None:
    register(world, bound_to("A", SN))
    other = Entity("e" + ENTITY[1:], "other", policies=(POLICIES["both"],), identities=(bound_to("B", SN),))
    world.run(world.store.commit(add(OPERATOR, MASTER_KEY, other, None)[1]))
    assert enrolled_as(world, device("A"), "both") == ENTITY
    assert enrolled_as(world, device("B"), "both") == other.id


@pytest.mark.parametrize("policy", ["A", "both"])
def test_a_fingerprint_names_a_certificate_without_an_anchor(world: World, policy: str) -> None:
    holder = device("A")
    register(world, Identity("fingerprint", hashlib.sha256(holder.der).hexdigest()))
    assert enrolled_as(world, holder, policy) == ENTITY


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        ("subject=serialNumber=SN-0815,CN=x", parse_name("/CN=x/serialNumber=SN-0815")),
        ("subject=/CN=x/serialNumber=sn-0815", parse_name("/CN=x/serialNumber=SN-0815")),
        ("subject=CN = Gate  7, O = WORKS", parse_name("/CN=gate 7/O=Works")),
        ("subject=emailAddress=Me@Example.com,CN=x", parse_name("/CN=x/emailAddress=me@example.com")),
        ("serialNumber=sn-0815", parse_name("/CN=x/serialNumber=SN-0815")),
        (
            "serialNumber=SN_0815",
            x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, "sn_0815", StringType.UTF8String)]),
        ),
    ],
)
def test_an_identity_is_found_however_it_is_written(world: World, written: str, subject: x509.Name) -> None:
    register(world, parse_identity(written, ""))
    assert enrolled_as(world, device("A", subject), "A") == ENTITY


def test_the_order_of_RDNs_matters(world: World) -> None:
    register(world, parse_identity("subject=/CN=Device/serialNumber=SN-0815/O=Works/C=DE", ""))
    assert enrolled_as(world, device("A"), "A") != ENTITY


@pytest.mark.parametrize("policy", ["A", "both", "B"])
def test_a_blocked_entitys_vendor_certificate_gets_nothing_and_registers_nobody(
    world: World, policy: str
) -> None:
    register(world, SN, state=EntityState.BLOCKED, policies=(POLICIES["A"],))
    holder = device("B" if policy == "B" else "A")
    assert asks(world, holder, policy).fail_info == ("signerNotTrusted",)


def test_a_block_of_one_vendors_device_leaves_alone_anothers_that_is_told_apart(world: World) -> None:
    register(world, bound_to("A", SN), state=EntityState.BLOCKED)
    assert enrolled_as(world, device("B"), "both") != ENTITY


BLOCKED = ["subject=CN=blkA", "subject=/CN=blkA", "subject=cn= blkA "]


@pytest.mark.parametrize("anchor", ["", "A"])
@pytest.mark.parametrize("asked", ["CN=blkA", "CN=BLKA", "CN=blka", "CN= blkA"])
@pytest.mark.parametrize("written", BLOCKED)
def test_an_ra_gets_nothing_for_the_subject_of_who_is_blocked(
    world: World, written: str, asked: str, anchor: str
) -> None:
    identity = parse_identity(written, "")
    register(world, bound_to(anchor, identity) if anchor else identity, state=EntityState.BLOCKED)
    key = pki.key("P-256", 113)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, asked.removeprefix("CN="))])
    body = ("ir", [requests.certificate_request(key, name, proof=("raVerified", None))])
    response = world.client(signed_by(ra_holder())).begin().send(body)
    assert response.fail_info == ("notAuthorized",)


@pytest.mark.parametrize("text", ["/CN=Gate 7", f"/O=x/CN={'y' * 70}", "/1.2.3.4=ẞ"])
def test_whom_an_ra_registered_is_found_by_the_subject_again(world: World, text: str) -> None:
    entity, unit = world.clm.register_subject(parse_name(text), POLICIES["A"])
    world.run(world.store.commit(unit))
    found = world.run(world.clm.credentials.entity_of_subject(parse_name(text)))
    assert found is not None
    assert found.id == entity.id


def test_a_block_is_not_got_round_by_registering_the_subject_with_another_anchor(world: World) -> None:
    subject = parse_identity("subject=CN=blkA", "")
    register(world, bound_to("B", subject), state=EntityState.BLOCKED)
    twin = Entity("e" + ENTITY[1:], "twin", policies=tuple(POLICIES.values()), identities=(subject,))
    world.run(world.store.commit(add(OPERATOR, MASTER_KEY, twin, None)[1]))
    found = world.run(world.clm.credentials.entity_of_subject(parse_name("CN=BLKA")))
    assert found is not None
    assert found.id == ENTITY
