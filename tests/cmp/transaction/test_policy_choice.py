"""Addresses and profiles that name no policy for the sender: nobody learns from them what there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cmpd.clm.model import ObjectKind
from cmpd.cmp.transaction.profiles import CERT_PROFILE
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import MACHINE, PBM, SIGNING, STRANGER, World, signed_by
from tests.cmpclient import requests

BODY = ("ir", [requests.certificate_request(pki.key("P-256", 90), "CN=device")])
STRICT_POLICY = "0d4ff2f6-1b0e-4a59-9a53-3d6c1f6e7b21"
WRONG = replace(PBM, secret="no")

NAMELESS: dict[str, dict[str, str]] = {
    "no policy's UUID": {"policy": "00000000-0000-4000-8000-000000000000"},
    "no policy's name": {"policy_name": "no-such-policy"},
    "no UUID": {"policy": "not-a-uuid"},
    "a policy for others, by UUID": {"policy": STRICT_POLICY},
    "a policy for others, by name": {"policy_name": "strict"},
}
"""Addresses of no policy that the demo entity may use."""


def revoked(world: World) -> cmpclient.Protection:
    device = world.device(number=92)
    world.client().revoke(device.certificate, 1)
    return device


def self_made(world: World) -> cmpclient.Protection:
    plan = pki.Plan(pki.name("machine"), pki.key("P-256", 95), extensions=((SIGNING, True),))
    return signed_by(plan.issue(None))


ASKING: dict[str, Callable[[World], cmpclient.Protection]] = {
    "the entity's secret": lambda world: PBM,
    "a wrong secret": lambda world: WRONG,
    "an unknown reference": lambda world: replace(PBM, reference="nobody"),
    "a certificate issued here": lambda world: world.device(number=110),
    "a revoked certificate issued here": revoked,
    "the vendor certificate of the entity": lambda world: signed_by(MACHINE),
    "a vendor certificate nobody registered": lambda world: signed_by(STRANGER),
    "a certificate of nobody's": self_made,
}
TRUSTED = ("the entity's secret", "a certificate issued here")


@pytest.fixture
def strict(make_world: MakeWorld) -> World:
    """A world with a policy for others, under a CA of its own, that trusts no vendor and is choosy about
    what protects its messages."""
    world = make_world()
    world.put_ca("strict", "P-256")
    document = {
        "ca": "strict",
        "template": "device",
        "mac": {"iterations_min": 5000, "macs": ["hmac-sha512"]},
        "signatures": ["ecdsa-with-SHA384"],
    }
    world.put(ObjectKind.POLICY, STRICT_POLICY, "strict", document)
    return world


@pytest.mark.parametrize("who", ASKING)
def test_an_unknown_a_malformed_and_a_forbidden_identifier_are_told_alike(strict: World, who: str) -> None:
    protection = ASKING[who](strict)
    answers = set()
    for call in NAMELESS.values():
        transaction = strict.client(protection, call=call).begin()
        response = transaction.send_as_is(transaction.compose(BODY))
        assert response.kind == "error"
        answers.add((response.fail_info, response.text))
    (answer,) = answers
    assert (answer == (("badRequest",), "invalid identifier")) == (who in TRUSTED)


@pytest.mark.parametrize("call", NAMELESS)
def test_a_known_senders_refusal_is_signed_as_if_there_were_no_policy(strict: World, call: str) -> None:
    transaction = strict.client(strict.device(number=110), call=NAMELESS[call]).begin()
    response = transaction.send_as_is(transaction.compose(BODY))
    response.verify_signature(strict.authority)


@pytest.mark.parametrize("name", ["no-such-policy", "strict", "second"])
def test_a_stranger_learns_of_no_profile(strict: World, name: str) -> None:
    names = {CERT_PROFILE: schema.encode("CertProfileValue", [name])}
    transaction = strict.client(WRONG).begin(general_info=names)
    response = transaction.send_as_is(transaction.compose(BODY))
    assert response.fail_info == ("badMessageCheck",)
    assert "the reference is not known or the secret is another" in response.text
