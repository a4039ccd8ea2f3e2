"""Weak keys protect no message, and certify nobody who does. A vendor certificate with RSA-512 enrolled."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from cmpd.clm.configuration.contradictions import check_together
from cmpd.clm.documents.policy import Policy, PolicyError
from cmpd.clm.documents.rules.pem_certificates import pem_text
from cmpd.clm.documents.template import ready_made
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_POLICY
from cmpd.clm.model import Identity
from cmpd.clm.settings import DocumentError
from cmpd.clm.store.changes import UpdateEntity
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import RA_ROOT, SIGNING, VENDOR, World, ra_holder, signed_by
from tests.cmpclient import requests

BODY = ("ir", [requests.certificate_request(pki.key("P-256", 195), "CN=device")])
USAGE = ((SIGNING, True),)


def device(kind: str, issuer: pki.Holder = VENDOR) -> pki.Holder:
    return pki.Plan(pki.name(f"device {kind}"), pki.key(kind, 196), extensions=USAGE).issue(issuer)


def known(world: World, holder: pki.Holder) -> None:
    """The device is the demo entity's."""
    entity = world.run(world.store.entity(DEMO_ENTITY))
    assert entity is not None
    fingerprint = hashlib.sha256(holder.der).hexdigest()
    identities = (*entity.identities, Identity("fingerprint", fingerprint))
    world.run(world.store.commit((UpdateEntity(replace(entity, identities=identities)),)))


LEAVES: list[tuple[str, dict[str, Any], str]] = [
    ("RSA 1024", {}, "RSA key of 1024 bits; 2048 are the least"),
    ("RSA 1024", {"rsa_min": 1024}, ""),
    ("RSA", {}, ""),
    ("RSA", {"rsa_min": 3072}, "RSA key of 2048 bits; 3072 are the least"),
    ("P-256", {}, ""),
    ("P-256", {"algorithms": ["P-384"]}, "algorithm P-256; allowed are P-384"),
    ("secp256k1", {}, "kind or curve that does not protect messages"),
    ("Ed25519", {}, ""),
]


@pytest.mark.parametrize(("kind", "rules", "text"), LEAVES)
def test_a_protection_certificates_key_is_as_strong_as_the_policy_asks(
    make_world: MakeWorld, kind: str, rules: dict[str, Any], text: str
) -> None:
    world = make_world({"protection_keys": rules} if rules else {})
    holder = device(kind)
    known(world, holder)
    transaction = world.client(signed_by(holder)).begin()
    response = transaction.send_as_is(transaction.compose(BODY))
    if text and kind == "secp256k1":
        assert response.fail_info in (("badAlg",), ("signerNotTrusted",))
    elif text:
        assert response.fail_info == ("signerNotTrusted",)
        assert text in response.text
    else:
        assert response.status == "accepted"


def test_a_weak_key_at_a_policy_that_is_named_is_told_as_at_one_that_is_not_there(
    make_world: MakeWorld,
) -> None:
    world = make_world()
    holder = device("RSA 1024")
    known(world, holder)
    answers = set()
    for policy in (DEMO_POLICY, "99999999-1111-4111-8111-111111111111"):
        transaction = world.client(signed_by(holder), call={"policy": policy}).begin()
        response = transaction.send_as_is(transaction.compose(BODY))
        answers.add((response.fail_info, response.text))
    assert answers == {(("signerNotTrusted",), "the protection certificate is not trusted")}


def test_a_weak_ca_in_the_path_and_a_weak_ra_are_refused(make_world: MakeWorld) -> None:
    world = make_world({"protection_keys": {"rsa_min": 3072}})
    works = pki.Plan(pki.name("Works"), pki.key("RSA", 197), ca=True).issue(VENDOR)
    holder = device("P-256", works)
    known(world, holder)
    for sender, extra in ((holder, [works.der]), (ra_holder("RSA RA", 198, key=pki.key("RSA", 198)), [])):
        transaction = world.client(signed_by(sender)).begin()
        message = transaction.compose(BODY, extra_certs=[sender.der, *extra])
        response = transaction.send_as_is(message)
        assert response.fail_info == ("signerNotTrusted",)
        assert "RSA key of 2048 bits; 3072 are the least" in response.text


def test_a_certificate_issued_here_is_held_to_it_too(make_world: MakeWorld) -> None:
    world = make_world()
    key = pki.key("RSA", 199)
    enrolled = world.client().enrol_implicitly("ir", key, "CN=device")
    from tests import cmpclient

    own = cmpclient.Signature(enrolled.certificate, key)
    assert world.client(own).ask("1.3.6.1.5.5.7.4.17").kind == "genp"
    world.change_policy(protection_keys={"rsa_min": 3072})
    refused = world.client(own).ask("1.3.6.1.5.5.7.4.17")
    assert refused.fail_info == ("signerNotTrusted",)


ANCHOR = pki.Plan(pki.name("Old vendor"), pki.key("RSA 1024", 200), ca=True).issue(None)
WRITTEN: list[tuple[dict[str, Any], str]] = [
    ({"trust_anchors": [pem_text(ANCHOR.der)]}, "trust_anchors[0]"),
    ({"ra_certificates": [pem_text(RA_ROOT.der), pem_text(ANCHOR.der)]}, "ra_certificates[1]"),
    (
        {
            "registration_authorities": [
                {"name": "old", "rights": ["enrol"], "certificates": [pem_text(ANCHOR.der)]}
            ]
        },
        "registration_authorities[0].certificates[0]",
    ),
]


@pytest.mark.parametrize(("keys", "where"), WRITTEN)
def test_a_weak_anchor_is_refused_when_it_is_written(world: World, keys: dict[str, Any], where: str) -> None:
    policy = Policy.of(DEMO_POLICY, "default", {"ca": "issuing", "template": "device", **keys})
    with pytest.raises(DocumentError, match="trust another certificate") as caught:
        check_together(policy, ready_made()["device"], world.ca("issuing"), world.now)
    assert caught.value.key == where


def test_a_policy_that_no_key_could_satisfy_is_refused() -> None:
    document = {"ca": "issuing", "template": "device", "protection_keys": {"algorithms": []}}
    with pytest.raises(PolicyError, match="nothing signs"):
        Policy.of(DEMO_POLICY, "default", document)
