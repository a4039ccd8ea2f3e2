"""What a registration authority may do is what its row says: rights, names, policy, each for itself.

Whoever was in `ra_certificates` had every right about every name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509

from cmpd.clm.documents.policy import Policy, PolicyError
from cmpd.clm.documents.rules.pem_certificates import pem_text
from cmpd.clm.documents.rules.registration import RIGHTS
from cmpd.clm.entities.entity_acts import set_state
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_POLICY
from cmpd.clm.model import CertificateState, EntityState, ObjectKind
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import OPERATOR, RA_ROOT, SIGNING, World, ra_holder, signed_by
from tests.cmpclient import requests

LINE = ra_holder("line RA", 150)
RA = signed_by(LINE)
KEY = pki.key("P-256", 151)
NEW_KEY = pki.key("P-256", 152)
CA_CERTS = "1.3.6.1.5.5.7.4.17"
DNS = x509.SubjectAlternativeName([x509.DNSName("pump-1.example")])


def row(**changes: Any) -> dict[str, Any]:
    return {"name": "line", "rights": list(RIGHTS), "certificates": [pem_text(RA_ROOT.der)], **changes}


def trusting(make_world: MakeWorld, *rows: dict[str, Any], **policy: Any) -> World:
    """A world whose policy trusts these registration authorities."""
    return make_world({"ra_certificates": [], "registration_authorities": list(rows), **policy})


def asks(kind: str = "ir", subject: Any = "CN=pump-1", key: Any = KEY, **fields: Any) -> Any:
    return (kind, [requests.certificate_request(key, subject, **fields)])


def enrols(world: World, old: x509.Certificate) -> cmpclient.Response:
    return world.client(RA).begin().send(asks())


def says_verified(world: World, old: x509.Certificate) -> cmpclient.Response:
    return world.client(RA).begin().send(asks(proof=("raVerified", None)))


def updates(world: World, old: x509.Certificate) -> cmpclient.Response:
    return world.client(RA).begin().send(asks("kur", key=NEW_KEY, controls=requests.old_certificate(old)))


def nests(world: World, old: x509.Certificate) -> cmpclient.Response:
    held = world.client().begin().compose(requests.general_message(CA_CERTS))
    transaction = world.client(RA).begin()
    return transaction.send_as_is(transaction.compose(requests.nested(held)))


def revokes(reason: int | None) -> Callable[[World, x509.Certificate], cmpclient.Response]:
    return lambda world, old: world.client(RA).revoke(old, reason)


def releases(world: World, old: x509.Certificate) -> cmpclient.Response:
    assert world.client().revoke(old, 6).status == "accepted"
    return world.client(RA).revoke(old, 8)


ACTS: dict[str, tuple[Callable[[World, x509.Certificate], cmpclient.Response], tuple[str, ...]]] = {
    "enrol": (enrols, ("enrol",)),
    "raVerified": (says_verified, ("enrol", "raVerified")),
    "update": (updates, ("update",)),
    "revoke": (revokes(1), ("revoke",)),
    "hold": (revokes(6), ("hold",)),
    "release": (releases, ("release",)),
    "nest": (nests, ("nest",)),
}


def granted(response: cmpclient.Response) -> bool:
    return response.kind == "genp" or response.status == "accepted"


@pytest.mark.parametrize("right", RIGHTS)
def test_each_right_is_given_by_itself(make_world: MakeWorld, right: str) -> None:
    act, needed = ACTS[right]
    world = trusting(make_world, row(rights=list(needed)))
    old = world.device("CN=pump-1", 153).certificate
    assert granted(act(world, old))
    for name in needed:
        world = trusting(make_world, row(rights=[one for one in RIGHTS if one != name]))
        old = world.device("CN=pump-1", 153).certificate
        response = act(world, old)
        assert response.fail_info == ("notAuthorized",)
        assert f"was not given the right {name}" in response.text
        assert world.state(old) in (CertificateState.ACTIVE, CertificateState.ON_HOLD)


NAMES: list[tuple[str, dict[str, Any], bool]] = [
    ("CN=pump-1,O=Acme", {}, True),
    ("CN=pump-1", {}, False),
    ("CN=valve-1,O=Acme", {}, False),
    ("CN=pump-1,O=Acme,C=DE", {}, False),
    ("CN=pump-1,O=Acme", {"extensions": [DNS]}, True),
    (
        "CN=pump-1,O=Acme",
        {"extensions": [x509.SubjectAlternativeName([x509.DNSName("other.example")])]},
        False,
    ),
    (
        "CN=pump-1,O=Acme",
        {"extensions": [x509.SubjectAlternativeName([x509.RFC822Name("pump-1@acme.example")])]},
        False,
    ),
]


@pytest.mark.parametrize(("subject", "fields", "covered"), NAMES)
def test_it_speaks_for_the_names_of_its_patterns_only(
    make_world: MakeWorld, subject: str, fields: dict[str, Any], covered: bool
) -> None:
    patterns = {"subject": {"CN": "pump-[0-9]+", "O": "Acme"}, "san": {"dns": r"pump-[0-9]+\.example"}}
    world = trusting(make_world, row(**patterns))
    old = world.device(subject, 154, **fields).certificate
    sent = [
        world.client(RA).begin().send(asks(subject=subject, **fields)),
        world.client(RA)
        .begin()
        .send(asks("kur", subject, NEW_KEY, controls=requests.old_certificate(old), **fields)),
        world.client(RA).revoke(old, 1),
    ]
    assert [response.status for response in sent] == ["accepted" if covered else "rejection"] * 3
    if not covered:
        assert {response.fail_info for response in sent} == {("notAuthorized",)}


def test_what_template_and_policy_make_of_the_names_is_what_its_patterns_are_held_against(
    make_world: MakeWorld,
) -> None:
    world = trusting(
        make_world,
        row(subject={"CN": "pump-[0-9]+"}),
        subject={"fixed": {"O": "Acme"}},
    )
    response = world.client(RA).begin().send(asks())
    assert (response.status, response.fail_info) == ("rejection", ("notAuthorized",))
    assert world.certificates() == []


def test_two_registration_authorities_have_rights_of_their_own(make_world: MakeWorld) -> None:
    other = ra_holder("other RA", 155)
    rows = [
        row(name="line", certificates=[pem_text(LINE.der)], rights=["enrol"]),
        row(name="office", certificates=[pem_text(other.der)], rights=["revoke"]),
    ]
    world = trusting(make_world, *rows)
    old = world.device("CN=pump-1", 156).certificate
    assert granted(enrols(world, old))
    assert revokes(1)(world, old).fail_info == ("notAuthorized",)
    assert world.client(signed_by(other)).begin().send(asks()).fail_info == ("notAuthorized",)
    assert world.client(signed_by(other)).revoke(old, 1).status == "accepted"


def test_one_that_is_pinned_needs_no_cmcra_and_vouches_for_no_other(make_world: MakeWorld) -> None:
    plain = ra_holder("plain RA", 157, extensions=((SIGNING, True),))
    client = signed_by(plain)
    unpinned = trusting(make_world, row(certificates=[pem_text(LINE.der)]))
    unpinned.change_policy(ra_certificates=[pem_text(plain.der)])
    refused = unpinned.client(client).begin().send_as_is(unpinned.client(client).begin().compose(asks()))
    assert refused.fail_info == ("signerNotTrusted",)
    assert "does not have the extended key usage id-kp-cmcRA" in refused.text
    pinned = trusting(make_world, row(certificates=[pem_text(plain.der)], pinned=True))
    assert pinned.client(client).begin().send(asks()).status == "accepted"
    root = trusting(make_world, row(pinned=True))  # the root itself is the RA, and certifies none
    begun = root.client(RA).begin()
    assert begun.send_as_is(begun.compose(asks())).fail_info == ("signerNotTrusted",)


def own_ra(world: World) -> cmpclient.Signature:
    """The demo entity's certificate, issued here, with nothing of an RA in it."""
    return world.device("CN=our RA", 158)


def test_an_entity_acts_as_one_by_its_certificates_where_a_row_names_it(make_world: MakeWorld) -> None:
    world = trusting(make_world, row(certificates=[], entities=[DEMO_ENTITY]))
    ra = own_ra(world)
    response = world.client(ra).begin().send(asks(subject="CN=somebody else", proof=("raVerified", None)))
    assert response.status == "accepted"
    assert world.record(response.certificate).entity is None
    renewed = world.client(ra).update(ra.certificate, NEW_KEY)
    assert world.record(renewed.certificate).entity == DEMO_ENTITY
    again = cmpclient.Signature(renewed.certificate, NEW_KEY)
    assert world.client(again).begin().send(asks(proof=("raVerified", None))).status == "accepted"
    entity = world.run(world.store.entity(DEMO_ENTITY))
    assert entity is not None
    world.run(world.store.commit(set_state(OPERATOR, entity, EntityState.BLOCKED)))
    assert world.client(again).begin().send(asks()).fail_info == ("notAuthorized",)


def test_a_device_that_it_enrols_becomes_an_entity_where_the_policy_registers(make_world: MakeWorld) -> None:
    world = trusting(make_world, row(), register=True)
    first = world.client(RA).enrol("ir", KEY, "CN=pump-1").certificate
    second = world.client(RA).enrol("ir", NEW_KEY, "CN=pump-1").certificate
    entity_id = world.record(first).entity
    assert entity_id is not None
    assert world.record(second).entity == entity_id
    entity = world.run(world.store.entity(entity_id))
    assert entity is not None
    assert (entity.name, entity.policies) == ("CN=pump-1", (DEMO_POLICY,))
    world.run(world.store.commit(set_state(OPERATOR, entity, EntityState.BLOCKED)))
    device = cmpclient.Signature(first, KEY)
    transaction = world.client(device).begin()
    assert transaction.send_as_is(transaction.compose(asks("kur", key=NEW_KEY))).fail_info == (
        "notAuthorized",
    )
    assert world.client(RA).begin().send(asks()).fail_info == ("notAuthorized",)
    nameless = world.client(RA).begin().send(asks(subject=x509.Name([]), extensions=[DNS]))
    assert nameless.fail_info == ("badCertTemplate",)


def test_what_it_was_granted_names_it_in_the_audit_and_the_record(make_world: MakeWorld) -> None:
    world = trusting(make_world, row())
    device = world.client(RA).enrol("ir", KEY, "CN=pump-1").certificate
    world.client(RA).revoke(device, 1)

    async def audited() -> list[tuple[str, str, Any]]:
        return [
            (record.event.action, record.event.actor, record.event.detail.get("by"))
            async for record in world.store.audit()
            if record.event.action.startswith("certificate.")
        ]

    by = f"ra:line certificate {LINE.certificate.serial_number:x} of CN=RA root,O=Example"
    assert world.run(audited())[-3:] == [
        ("certificate.issue", "ra:line", by),
        ("certificate.confirm", "ra:line", None),
        ("certificate.revoke", "ra:line", by),
    ]
    assert world.record(device).requested_by == by


def test_a_questions_profile_is_for_the_policies_that_name_the_registration_authority(
    make_world: MakeWorld,
) -> None:
    world = trusting(make_world, row())
    hidden = "bbbbbbbb-0000-4000-8000-000000000001"
    world.put(ObjectKind.POLICY, hidden, "hidden", {"ca": "issuing", "template": "device"})
    for name in ("hidden", "nothing"):
        info = {"1.3.6.1.5.5.7.4.21": schema.encode("CertProfileValue", [name])}
        response = world.client(RA).begin().send(requests.general_message(CA_CERTS), general_info=info)
        assert response.fail_info == ("badRequest",)
        assert response.text == f"certProfile {name!r} is not known"


CONTRADICTIONS: list[tuple[list[dict[str, Any]], str, str]] = [
    ([row(rights=[])], "registration_authorities[0].rights", "is empty"),
    ([row(certificates=[])], "registration_authorities[0]", "neither certificates nor entities"),
    ([row(rights=["everything"])], "registration_authorities[0].rights[0]", "one of enrol"),
    ([row(entities=["me"])], "registration_authorities[0].entities[0]", "UUID"),
    ([row(subject={"CN": "("})], "registration_authorities[0].subject.CN", "regular expression"),
    ([row(), row()], "registration_authorities[1]", "stands there twice"),
    ([row(), row(name="same root")], "registration_authorities[1]", "that RA line has too"),
    (
        [row(certificates=[pem_text(ra_holder("plain", 159, extensions=()).der)])],
        "registration_authorities[0].certificates[0]",
        "pinned = true",
    ),
]


@pytest.mark.parametrize(("rows", "key", "text"), CONTRADICTIONS)
def test_a_row_that_cannot_be_meant_is_refused_when_written(
    rows: list[dict[str, Any]], key: str, text: str
) -> None:
    document = {"ca": "issuing", "template": "device", "registration_authorities": rows}
    with pytest.raises(PolicyError) as caught:
        Policy.of(DEMO_POLICY, "default", document)
    assert caught.value.key == key
    assert text in caught.value.text
