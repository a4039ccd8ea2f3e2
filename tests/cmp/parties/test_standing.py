"""Who is blocked, revoked or out of uses gets nothing, whatever was recorded before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cmpd.clm.entities.entity_acts import set_password, set_state
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_PASSWORD
from cmpd.clm.model import CertificateState, EntityState, TransactionState
from cmpd.clm.store.changes import SetCertificateState, UpdateEntity
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import MACHINE, MASTER_KEY, OPERATOR, PBM, World, ra_holder, signed_by
from tests.cmpclient import requests

KEY = pki.key("P-256", 170)
NEW_KEY = pki.key("P-256", 171)
CA_CERTS = "1.3.6.1.5.5.7.4.17"


def asks(kind: str = "ir", key: Any = KEY, **fields: Any) -> Any:
    if kind == "p10cr":
        return requests.pkcs10(key, "CN=device", **fields)
    return (kind, [requests.certificate_request(key, "CN=device", **fields)])


def set_standing(world: World, state: EntityState) -> None:
    entity = world.run(world.store.entity(DEMO_ENTITY))
    assert entity is not None
    world.run(world.store.commit(set_state(OPERATOR, entity, state)))


def move(world: World, device: cmpclient.Signature, state: CertificateState, reason: int) -> None:
    """What an operator does to a certificate."""
    record = world.record(device.certificate)
    change = SetCertificateState(
        record.ca, record.serial, record.policy, (record.state,), state, revoked=world.now, reason=reason
    )
    world.run(world.store.commit((change,)))


def recorded(world: World, protection: cmpclient.Protection, body: Any) -> tuple[bytes, bytes]:
    """A request and its answer."""
    transaction = world.client(protection).begin()
    request = transaction.compose(body)
    return request, world.respond(request).body


SENDERS: dict[str, tuple[Callable[[World], cmpclient.Protection], str, str]] = {
    "by password": (lambda world: PBM, "ir", "badMessageCheck"),
    "by a certificate issued here": (lambda world: world.device(number=172), "kur", "notAuthorized"),
    "by a vendor certificate": (lambda world: signed_by(MACHINE), "cr", "notAuthorized"),
}


@pytest.mark.parametrize("who", SENDERS)
def test_a_blocked_entity_gets_no_recorded_answer_either(make_world: MakeWorld, who: str) -> None:
    """It was sent before anybody was authenticated."""
    world = make_world()
    protection_of, kind, fail_info = SENDERS[who]
    request, answer = recorded(world, protection_of(world), asks(kind, NEW_KEY))
    assert world.respond(request).body == answer
    set_standing(world, EntityState.BLOCKED)
    refused = world.respond(request)
    assert (refused.log_entry.response, refused.log_entry.fail_info) == ("error", fail_info)
    set_standing(world, EntityState.ACTIVE)
    assert world.respond(request).body == answer


@pytest.mark.parametrize("state", [CertificateState.REVOKED, CertificateState.ON_HOLD])
def test_a_certificate_revoked_by_somebody_else_gets_no_recorded_answer_either(
    make_world: MakeWorld, state: CertificateState
) -> None:
    world = make_world()
    device = world.device(number=173)
    request, answer = recorded(world, device, asks("kur", NEW_KEY))
    assert world.respond(request).body == answer
    move(world, device, state, 1 if state is CertificateState.REVOKED else 6)
    assert world.respond(request).log_entry.fail_info == "certRevoked"


def test_a_request_that_revoked_its_own_signer_gets_its_answer_again(make_world: MakeWorld) -> None:
    world = make_world({"old_certificate": "revoke"})
    device = world.device(number=174)
    revocation = requests.revocation(device.certificate.issuer, device.certificate.serial_number)
    request, answer = recorded(world, device, revocation)
    assert world.state(device.certificate) is CertificateState.REVOKED
    assert world.respond(request).body == answer

    replaced = world.device(number=175)
    transaction = world.client(replaced).begin(general_info={"1.3.6.1.5.5.7.4.13": b"\x05\x00"})
    request = transaction.compose(asks("kur", NEW_KEY))
    answer = world.respond(request).body
    assert world.state(replaced.certificate) is CertificateState.REVOKED
    assert world.respond(request).body == answer


def limited(world: World, uses: int) -> None:
    entity = world.run(world.store.entity(DEMO_ENTITY))
    assert entity is not None
    world.run(world.store.commit(set_password(OPERATOR, MASTER_KEY, entity, DEMO_PASSWORD, uses=uses)))


def uses_left(world: World) -> int | None:
    entity = world.run(world.store.entity(DEMO_ENTITY))
    assert entity is not None
    return entity.password_uses


def by_mac(world: World) -> cmpclient.Client:
    return world.client()


def by_login(world: World) -> cmpclient.Client:
    """HTTP Basic authentication, and the key that a certificate is asked for, in a certificate of its own."""
    own = pki.Plan(pki.name("self"), KEY).issue(None)
    return world.client(signed_by(own), call={"entity": DEMO_ENTITY, "secure": True})


WAYS = {"by MAC": by_mac, "by login": by_login}
BEGINNING: dict[str, Callable[[World], Any]] = {
    "ir": lambda world: asks("ir"),
    "cr": lambda world: asks("cr"),
    "p10cr": lambda world: asks("p10cr"),
    "genm": lambda world: requests.general_message(CA_CERTS),
    "rr": lambda world: requests.revocation(world.authority.subject, 1),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["ir", "cr", "p10cr"])
def test_a_use_is_a_request_that_begins_a_transaction(make_world: MakeWorld, way: str, kind: str) -> None:
    """Under password_login one use enrolled five times."""
    world = make_world({"password_login": True})
    limited(world, 2)
    client = WAYS[way](world)
    assert client.ask(CA_CERTS).kind == "genp"
    refused = client.begin().send(requests.revocation(world.authority.issuer, 1))
    assert refused.kind == "rp"
    assert uses_left(world) == 2
    assert client.begin().send(asks(kind)).status == "accepted"
    assert client.begin().send(asks(kind)).status == "accepted"
    assert uses_left(world) == 0
    spent = client.begin()
    assert spent.send_as_is(spent.compose(asks(kind))).fail_info == ("badMessageCheck",)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", BEGINNING)
def test_a_password_that_is_used_up_begins_nothing(make_world: MakeWorld, way: str, kind: str) -> None:
    world = make_world({"password_login": True})
    body = BEGINNING[kind](world)
    limited(world, 1)
    client = WAYS[way](world)
    assert client.begin().send(asks()).status == "accepted"
    before = world.kept()
    transaction = client.begin()
    refused = transaction.send_as_is(transaction.compose(body))
    assert (refused.kind, refused.fail_info) == ("error", ("badMessageCheck",))
    assert refused.text == "protection does not verify: the reference is not known or the secret is another"
    assert world.kept() == before


@pytest.mark.parametrize("way", WAYS)
def test_what_a_password_had_begun_goes_on_to_its_end(make_world: MakeWorld, way: str) -> None:
    world = make_world({"password_login": True})
    limited(world, 1)
    transaction = WAYS[way](world).begin()
    response = transaction.send(asks())
    assert transaction.confirm(response).kind == "pkiconf"

    world = make_world({"password_login": True, "approvals": 1})
    limited(world, 1)
    transaction = WAYS[way](world).begin()
    assert transaction.send(asks()).status == "waiting"
    assert uses_left(world) == 0
    assert transaction.send(requests.poll_request()).kind == "pollRep"
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    granted = transaction.send(requests.poll_request())
    assert granted.status == "accepted"
    assert transaction.confirm(granted).kind == "pkiconf"


HOLD, RELEASE = 6, 8
RA = signed_by(ra_holder("line RA", 176))
OTHER_RA = ra_holder("other RA", 177)


def held_by_operator(world: World, device: cmpclient.Signature) -> None:
    record = world.record(device.certificate)
    unit = world.run(world.clm.certificates.revoke(record, HOLD, actor="operator:root"))
    world.run(world.store.commit(unit))


HOLDERS: dict[str, Callable[[World, cmpclient.Signature], Any]] = {
    "itself, by its signature": lambda world, device: world.client(device).revoke(device.certificate, HOLD),
    "itself, by its password": lambda world, device: world.client().revoke(device.certificate, HOLD),
    "an RA": lambda world, device: world.client(RA).revoke(device.certificate, HOLD),
    "an operator": held_by_operator,
    "nobody knows who": lambda world, device: move(world, device, CertificateState.ON_HOLD, HOLD),
}
RELEASED_BY_DEVICE = {"itself, by its signature", "itself, by its password"}
RELEASED_BY_RA = RELEASED_BY_DEVICE | {"an RA"}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_hold_is_released_by_who_put_it_or_somebody_above(make_world: MakeWorld, holder: str) -> None:
    """What an operator had put on hold, the device released."""
    for releaser, may in ((PBM, RELEASED_BY_DEVICE), (RA, RELEASED_BY_RA)):
        world = make_world()
        device = world.device(number=178)
        HOLDERS[holder](world, device)
        assert world.state(device.certificate) is CertificateState.ON_HOLD
        response = world.client(releaser).revoke(device.certificate, RELEASE)
        if holder in may:
            assert response.status == "accepted"
            assert world.state(device.certificate) is CertificateState.ACTIVE
            assert world.record(device.certificate).held_by is None
        else:
            assert (response.status, response.fail_info) == ("rejection", ("notAuthorized",))
            assert world.state(device.certificate) is CertificateState.ON_HOLD
            record = world.record(device.certificate)
            unit = world.run(world.clm.certificates.revoke(record, RELEASE, actor="operator:root"))
            world.run(world.store.commit(unit))
            assert world.state(device.certificate) is CertificateState.ACTIVE


def test_an_entity_of_another_policy_keeps_its_block_across_policies(make_world: MakeWorld) -> None:
    """Standing is the entity's, not the policy's."""
    world = make_world()
    entity = world.run(world.store.entity(DEMO_ENTITY))
    assert entity is not None
    world.run(world.store.commit((UpdateEntity(replace(entity, state=EntityState.BLOCKED)),)))
    for call in ({}, {"policy_name": "second"}, {"policy_name": "foreign"}, {"policy_name": "nothing"}):
        transaction = world.client(call=call).begin()
        assert transaction.send_as_is(transaction.compose(asks())).fail_info == ("badMessageCheck",)
