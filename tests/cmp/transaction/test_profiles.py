"""certProfile: a client names what it wants a certificate for (RFC 9810, section 5.1.1.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from cmpd.clm.lifecycle.bootstrap import DEMO_POLICY
from cmpd.clm.model import ObjectKind, TransactionState
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import FOREIGN_POLICY, OTHER_PBM, PBM, SECOND_POLICY, World, ra_holder, signed_by
from tests.cmpclient import requests

CERT_PROFILE = "1.3.6.1.5.5.7.4.21"
KEY = pki.key("P-256", 60)


def profile(*names: str) -> dict[str, bytes]:
    """generalInfo that names profiles."""
    return {CERT_PROFILE: schema.encode("CertProfileValue", list(names))}


def request(kind: str = "ir") -> Any:
    if kind == "p10cr":
        return requests.pkcs10(KEY, "CN=device")
    return (kind, [requests.certificate_request(KEY, "CN=device")])


@pytest.fixture(scope="module")
def offering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose default policy offers the template `tls-client` as a profile, not `sub`."""
    world = World(tmp_path_factory.mktemp("world"))
    world.put(ObjectKind.TEMPLATE, "tls-client", "tls-client", {"extended_key_usage": ["clientAuth"]})
    world.put(ObjectKind.TEMPLATE, "sub", "sub", {"extended_key_usage": ["serverAuth"]})
    world.change_policy(profiles=["tls-client"])
    yield world
    world.close()


@pytest.mark.parametrize("kind", ["ir", "cr", "p10cr"])
@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("second", SECOND_POLICY),
        (SECOND_POLICY, SECOND_POLICY),
        (SECOND_POLICY.upper(), SECOND_POLICY),
        ("", None),
        ("default", None),
    ],
)
def test_a_profile_chooses_the_policy_by_name_or_uuid(
    world: World, kind: str, name: str, policy: str | None
) -> None:
    transaction = world.client().begin()
    response = transaction.send(request(kind), general_info=profile(name))
    assert response.status == "accepted"
    transaction.confirm(response)
    record = world.record(response.certificate)
    assert record.policy == (policy or DEMO_POLICY)


def test_later_messages_of_a_transaction_need_not_repeat_the_profile(world: World) -> None:
    transaction = world.client().begin()
    response = transaction.send(request(), general_info=profile("second"))
    assert transaction.confirm(response).kind == "pkiconf"


def test_a_profile_may_be_a_template_the_policy_offers(offering: World) -> None:
    response = offering.client().begin().send(request(), general_info=profile("tls-client"))
    usage = response.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_key_update_may_name_a_profile(offering: World) -> None:
    device = offering.device("CN=changing", 61)
    body = ("kur", [requests.certificate_request(pki.key("P-256", 62), "CN=changing")])
    response = offering.client(device).begin().send(body, general_info=profile("tls-client"))
    assert response.kind == "kup"
    usage = response.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize("kind", ["ir", "cr", "p10cr"])
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("nothing-like-it", id="no such profile"),
        pytest.param("9" * 8 + "-1111-4111-8111-111111111111", id="no such policy"),
        pytest.param("foreign", id="a policy of others, by name"),
        pytest.param(FOREIGN_POLICY, id="a policy of others, by UUID"),
        pytest.param("sub", id="a template the policy does not offer"),
        pytest.param("sub-ca", id="a ready-made template the policy does not offer"),
        pytest.param("device ", id="almost the template's name"),
        pytest.param("DEFAULT", id="the policy's name in other letters"),
    ],
)
def test_what_is_no_profile_of_the_client_is_refused_by_its_name(
    offering: World, kind: str, name: str
) -> None:
    before = len(offering.certificates())
    response = offering.client().begin().send(request(kind), general_info=profile(name))
    assert response.kind == "error"
    assert response.fail_info == ("badRequest",)
    assert response.text == f"certProfile {name!r} is not known"
    assert len(offering.certificates()) == before


def test_a_profile_of_others_is_for_the_others(offering: World) -> None:
    response = offering.client(OTHER_PBM).begin().send(request(), general_info=profile("foreign"))
    assert response.status == "accepted"


@pytest.mark.parametrize(
    ("value", "fail_info"),
    [
        pytest.param(b"\x05\x00", "badDataFormat", id="NULL"),
        pytest.param(b"\x0c\x03abc", "badDataFormat", id="a bare UTF8String"),
        pytest.param(schema.encode("CertProfileValue", ["second", "second"]), "badRequest", id="two names"),
        pytest.param(None, None, id="absent value"),
        pytest.param(schema.encode("CertProfileValue", []), None, id="no name"),
    ],
)
def test_a_certprofile_is_one_name_for_one_request(
    world: World, value: bytes | None, fail_info: str | None
) -> None:
    response = world.client().begin().send(request(), general_info={CERT_PROFILE: value})
    if fail_info is None:
        assert response.status == "accepted"
    else:
        assert response.kind == "error"
        assert response.fail_info == (fail_info,)


def test_a_profile_outlasts_the_wait_for_approval(make_world: MakeWorld) -> None:
    world = make_world({"approvals": 1})
    transaction = world.client().begin()
    assert transaction.send(request(), general_info=profile("second")).status == "waiting"
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    world.restart()
    response = transaction.poll()[0]
    assert response.status == "accepted"
    assert world.record(response.certificate).policy == SECOND_POLICY
    assert transaction.confirm(response).kind == "pkiconf"


def test_an_ra_may_name_a_profile_too(world: World) -> None:
    body = ("ir", [requests.certificate_request(KEY, "CN=device", proof=("raVerified", None))])
    response = world.client(signed_by(ra_holder())).begin().send(body, general_info=profile("second"))
    assert response.status == "accepted"


@pytest.mark.parametrize("protection", [PBM, OTHER_PBM], ids=["its own", "another's"])
def test_the_refusal_is_protected_as_the_request_was(world: World, protection: cmpclient.PBM) -> None:
    response = world.client(protection).begin().send(request(), general_info=profile("nothing"))
    response.verify_mac(protection.secret)
