"""Whose message it is, and what they may do (RFC 9483, sections 3.2 and 3.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type

from cmpd.clm.entities.entity_acts import add, password_context, set_password, set_state
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_PASSWORD
from cmpd.clm.lifecycle.ca import CAContext, certify_ca, install_certificate
from cmpd.clm.model import CertificateState, Entity, EntityState, ObjectKind
from cmpd.clm.secrets import MasterKey
from cmpd.clm.store.changes import AddEntity, UpdateEntity
from cmpd.cmp.protection.pbm import PasswordBasedMac
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import (
    ISSUING,
    MACHINE,
    MASTER_KEY,
    OPERATOR,
    OTHER_PBM,
    PBM,
    SECOND_POLICY,
    World,
    ra_holder,
    signed_by,
)
from tests.cmpclient import requests

KEY = pki.key("P-256", 90)
BODY = ("ir", [requests.certificate_request(KEY, "CN=device")])
BLOCKED = "9e0f5a9c-2f6c-4b64-8d4e-0a5b7c1d2e3f"
NO_PASSWORD = "1c0f5a9c-2f6c-4b64-8d4e-0a5b7c1d2e3f"
MOVED_PASSWORD = "2d1f5a9c-2f6c-4b64-8d4e-0a5b7c1d2e3f"
SIGNER_KEYS = ("RSA-2048", "P-256", "P-384", "P-521", "Ed25519", "Ed448")
NO_SUCH_SECRET = "protection does not verify: the reference is not known or the secret is another"


@pytest.fixture(autouse=True)
def _well_known(world: World) -> None:
    """Guesses count, until the entity proves that it knows its secret."""
    assert world.client().ask("1.3.6.1.5.5.7.4.17").kind == "genp"


def test_an_unknown_reference_and_a_wrong_secret_are_told_alike(world: World) -> None:
    answers = []
    for protection in (replace(PBM, secret="no"), replace(PBM, reference="nobody")):
        transaction = world.client(protection).begin()
        answers.append(transaction.send_as_is(transaction.compose(BODY)).status_info)
    assert answers[0] == answers[1]


def blocked(world: World) -> cmpclient.PBM:
    entity = Entity(BLOCKED, "blocked", state=EntityState.BLOCKED)
    world.run(world.store.commit(add(OPERATOR, MASTER_KEY, entity, DEMO_PASSWORD)[1]))
    return replace(PBM, reference=BLOCKED)


def without_password(world: World) -> cmpclient.Protection:
    world.run(world.store.commit(add(OPERATOR, MASTER_KEY, Entity(NO_PASSWORD, "none"), None)[1]))
    return replace(PBM, reference=NO_PASSWORD)


def moved_password(world: World) -> cmpclient.Protection:
    """Sealed for another entity: somebody moved it in the store."""
    sealed = MASTER_KEY.seal(DEMO_PASSWORD.encode(), password_context(DEMO_ENTITY))
    world.run(world.store.commit([AddEntity(Entity(MOVED_PASSWORD, "moved", password=sealed))]))
    return replace(PBM, reference=MOVED_PASSWORD)


FAILING: dict[str, Callable[[World], cmpclient.Protection]] = {
    "a wrong password": lambda world: replace(PBM, secret="no"),
    "an unknown UUID": lambda world: replace(PBM, reference="0" * 8 + DEMO_ENTITY[8:]),
    "a blocked entity's password": blocked,
    "a blocked entity, a wrong password": lambda world: replace(blocked(world), secret="no"),
    "an entity without a password": without_password,
    "an entity whose password opens no more": moved_password,
}


def test_whatever_is_wrong_with_a_secret_takes_the_same_work(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same lookups, unsealings and derivations in the same order, so that time tells nothing."""
    work: dict[str, list[str]] = {}
    answers = set()
    for case, protection_of in FAILING.items():
        world = make_world()
        protection = protection_of(world)
        done = work[case] = []
        with monkeypatch.context() as patch:
            for owner, name in (
                (type(world.store), "request_state"),
                (type(world.store), "entity_by_reference"),
                (type(world.store), "commit"),
                (MasterKey, "open"),
                (PasswordBasedMac, "derive"),
            ):
                patch.setattr(owner, name, noted(getattr(owner, name), name, done))
            transaction = world.client(protection).begin()
            response = transaction.send_as_is(transaction.compose(BODY))
        answers.add((response.fail_info, response.text))
    assert answers == {(("badMessageCheck",), NO_SUCH_SECRET)}
    assert {tuple(sorted(done)) for done in work.values()} == {
        ("commit", "derive", "entity_by_reference", "open", "request_state")
    }


def noted(function: Callable[..., Any], name: str, done: list[str]) -> Callable[..., Any]:
    """The function, noting that it was called."""

    def call(*arguments: Any, **named: Any) -> Any:
        done.append(name)
        return function(*arguments, **named)

    return call


def spell_otherwise(world: World) -> None:
    """The issuing CA gets a certificate for its key from a CA that writes names in PrintableStrings."""
    stored = world.run(world.store.object(ObjectKind.CA, ISSUING))
    assert stored is not None
    root, issuing, maker = world.ca("root"), world.ca("issuing"), CAContext(OPERATOR, MASTER_KEY)
    subject = x509.Name(
        x509.NameAttribute(one.oid, one.value, _type=_ASN1Type.PrintableString)
        for one in issuing.certificate.subject
    )
    certificate = world.run(certify_ca(maker, root, subject, issuing.key.public_key, 365 * 86400, 0))
    installed = world.run(install_certificate(maker, stored, [certificate, root.certificate]))
    world.run(world.store.commit(installed.unit))
    assert world.ca("issuing").subject_der != issuing.subject_der


def lose(world: World) -> None:
    """The issuing CA cannot be loaded any more; another issues."""
    world.put_ca("next", "P-256")
    world.change_policy(ca="next")
    world.put(ObjectKind.CA, ISSUING, "issuing", {})


@pytest.mark.parametrize("change", [spell_otherwise, lose])
def test_a_certificate_is_known_whatever_becomes_of_its_issuer(
    make_world: MakeWorld, change: Callable[[World], None]
) -> None:
    """It was looked for under the CAs that are served and have its issuer's very name: none may by now."""
    world = make_world()
    device, revoked = world.device(number=172), world.device(number=173)
    world.client(revoked).begin().send(
        requests.revocation(revoked.certificate.issuer, revoked.certificate.serial_number)
    )
    question = requests.general_message("1.3.6.1.5.5.7.4.17")
    asked = [world.client(holder).begin().compose(question) for holder in (device, revoked)]
    change(world)
    assert [world.respond(body).log_entry.fail_info for body in asked] == ["", "certRevoked"]


def test_an_issued_certificate_protects_until_its_end(make_world: MakeWorld) -> None:
    world = make_world()
    device = world.device()
    end = device.certificate.not_valid_after_utc
    world.now = int(end.timestamp())
    assert world.client(device).ask("1.3.6.1.5.5.7.4.17").kind == "genp"
    world.now += 1
    response = world.client(device).ask("1.3.6.1.5.5.7.4.17")
    assert response.fail_info == ("signerNotTrusted",)
    assert "expired" in response.text


ALLOWED: dict[str, cmpclient.Protection] = {
    "PBM with SHA-1": replace(PBM, owf="sha1", mac="sha1"),
    "PBM with SHA-512": replace(PBM, owf="sha512", mac="sha512"),
    "PBM with the fewest iterations": replace(PBM, iterations=100),
    "PBM with the most iterations": replace(PBM, iterations=10_000),
    "PBMAC1": cmpclient.PBMAC1(DEMO_ENTITY, DEMO_PASSWORD),
    "PBMAC1 with SHA-512": cmpclient.PBMAC1(DEMO_ENTITY, DEMO_PASSWORD, prf="sha512", mac="sha512"),
    "PBMAC1 with other hashes for key and MAC": cmpclient.PBMAC1(
        DEMO_ENTITY, DEMO_PASSWORD, prf="sha384", mac="sha256"
    ),
}


@pytest.mark.parametrize("which", ALLOWED)
def test_a_mac_is_answered_with_the_same_mac_and_parameters(world: World, which: str) -> None:
    protection = ALLOWED[which]
    transaction = world.client(protection).begin()
    response = transaction.send(BODY)
    assert response.status == "accepted"
    assert response.algorithm == cmpclient.Response.parse(transaction.last_request).algorithm
    response.verify_mac(DEMO_PASSWORD)


def test_a_shared_key_hmac_is_fine_where_the_policy_allows_it(make_world: MakeWorld) -> None:
    world = make_world({"mac": {"shared_key_hmac": True}})
    response = world.client(cmpclient.SharedKey(DEMO_ENTITY, DEMO_PASSWORD)).begin().send(BODY)
    assert response.status == "accepted"


def test_a_policys_bounds_are_narrower_than_the_servers(make_world: MakeWorld) -> None:
    world = make_world({"mac": {"iterations_min": 1000}})
    transaction = world.client().begin()
    refused = transaction.send_as_is(transaction.compose(BODY))
    assert refused.fail_info == ("badAlg",)
    assert world.client(replace(PBM, iterations=1000)).begin().send(BODY).status == "accepted"


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521", "Ed25519", "Ed448"])
def test_a_certificate_issued_here_protects_with_any_kind_of_key(world: World, kind: str) -> None:
    key = pki.key(kind, 98)
    certificate = world.client().enrol_implicitly("ir", key, "CN=device").certificate
    device = cmpclient.Signature(certificate, key)
    response = world.client(device).ask("1.3.6.1.5.5.7.4.17")
    assert response.kind == "genp"
    response.verify_signature(world.authority)


SIGNED: list[tuple[str, dict[str, Any], str, str]] = [
    ("RSA", {"digest": "sha256"}, "RSA-2048", "1.2.840.113549.1.1.11"),
    ("RSA", {"digest": "sha384"}, "RSA-2048", "1.2.840.113549.1.1.12"),
    ("RSA", {"digest": "sha512"}, "RSA-2048", "1.2.840.113549.1.1.13"),
    ("RSA", {"pss": True}, "RSA-2048", "1.2.840.113549.1.1.10"),
    ("RSA", {"pss": True, "digest": "sha512"}, "P-256", "1.2.840.10045.4.3.2"),
    ("P-256", {"digest": "sha256"}, "P-256", "1.2.840.10045.4.3.2"),
    ("P-384", {"digest": "sha384"}, "P-384", "1.2.840.10045.4.3.3"),
    ("P-521", {"digest": "sha512"}, "P-521", "1.2.840.10045.4.3.4"),
    ("P-521", {"digest": "sha256"}, "P-521", "1.2.840.10045.4.3.4"),
    ("Ed25519", {}, "Ed25519", "1.3.101.112"),
    ("Ed448", {}, "Ed448", "1.3.101.113"),
    ("P-256", {"digest": "sha256"}, "RSA-2048", "1.2.840.113549.1.1.11"),
]
"""A device's key, how it signs with it, the CMP signer's key, the OID of what it answers in."""


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with a CA, and a policy, for each kind of key that signs responses."""
    world = World(tmp_path_factory.mktemp("world"))
    entity = world.run(world.store.entity(DEMO_ENTITY))
    assert entity is not None
    policies = {kind: f"00000000-0000-4000-9000-00000000000{n}" for n, kind in enumerate(SIGNER_KEYS)}
    for kind, id in policies.items():
        world.put_ca(f"ca-{kind}", kind)
        world.put(ObjectKind.POLICY, id, kind, {"ca": f"ca-{kind}", "template": "device"})
    allowed = replace(entity, policies=(*entity.policies, *policies.values()))
    world.run(world.store.commit((UpdateEntity(allowed),)))
    yield world
    world.close()


@pytest.mark.parametrize(("kind", "how", "signer", "oid"), SIGNED)
def test_a_signature_of_every_kind_is_taken_and_answered_in_one_that_suits_the_signers_key(
    signers: World, kind: str, how: dict[str, Any], signer: str, oid: str
) -> None:
    key = pki.key(kind, 98)
    call = {"policy_name": signer}
    enrolled = signers.client(call=call).enrol_implicitly("ir", key, "CN=device")
    protection = cmpclient.Signature(enrolled.certificate, key, **how)
    transaction = signers.client(protection, call=call).begin()
    new_key = pki.key(kind, 99)
    response = transaction.send_as_is(
        transaction.compose(("kur", [requests.certificate_request(new_key, "CN=device")]))
    )
    assert (response.kind, response.status) == ("kup", "accepted")
    response.verify_signature(signers.ca(f"ca-{signer}").certificate)
    assert response.algorithm is not None
    assert response.algorithm["algorithm"] == oid


def test_an_issued_certificate_need_not_be_sent_along(world: World) -> None:
    transaction = world.client(world.device(number=99)).begin()
    assert transaction.send(requests.general_message("1.3.6.1.5.5.7.4.17"), extra_certs=[]).kind == "genp"


def test_an_algorithm_the_policy_leaves_out_is_refused(make_world: MakeWorld) -> None:
    world = make_world({"signatures": ["ecdsa-with-SHA384"]})
    transaction = world.client(signed_by(MACHINE)).begin()
    response = transaction.send_as_is(transaction.compose(BODY))
    assert response.fail_info == ("badAlg",)
    assert "ecdsa-with-SHA256" in response.text
    better = replace(signed_by(MACHINE), digest="sha384")
    assert world.client(better).begin().send(BODY).status == "accepted"


def test_a_blocked_entity_gets_nothing_by_whatever_protection(make_world: MakeWorld) -> None:
    world = make_world()
    device = world.device()
    entity = world.run(world.store.entity(DEMO_ENTITY))
    assert entity is not None
    world.run(world.store.commit(set_state(OPERATOR, entity, EntityState.BLOCKED)))
    expected: list[tuple[cmpclient.Protection, str]] = [
        (PBM, "badMessageCheck"),
        (device, "notAuthorized"),
        (signed_by(MACHINE), "notAuthorized"),
    ]
    for protection, fail_info in expected:
        transaction = world.client(protection).begin()
        response = transaction.send_as_is(transaction.compose(BODY))
        assert response.fail_info == (fail_info,)


def test_a_password_ends_with_its_time_and_its_uses(make_world: MakeWorld) -> None:
    world = make_world()
    entity = world.run(world.store.entity(DEMO_ENTITY))
    assert entity is not None
    unit = set_password(OPERATOR, MASTER_KEY, entity, DEMO_PASSWORD, expires=world.now + 100, uses=2)
    world.run(world.store.commit(unit))
    transaction = world.client().begin()
    response = transaction.send(BODY)
    transaction.confirm(response)
    assert world.client().begin().send(BODY).status == "accepted"
    spent = world.client().begin()
    assert spent.send_as_is(spent.compose(BODY)).fail_info == ("badMessageCheck",)

    entity = world.run(world.store.entity(DEMO_ENTITY))
    assert entity is not None
    unit = set_password(OPERATOR, MASTER_KEY, entity, DEMO_PASSWORD, expires=world.now + 100)
    world.run(world.store.commit(unit))
    world.now += 101
    late = world.client().begin()
    assert late.send_as_is(late.compose(BODY)).fail_info == ("badMessageCheck",)


# Who may do what


@pytest.mark.parametrize("kind", ["ir", "cr"])
def test_a_certificate_asks_for_another_under_another_policy(world: World, kind: str) -> None:
    device = world.device(number=111)
    client = world.client(device, call={"policy": SECOND_POLICY})
    enrolled = client.enrol(kind, pki.key("P-256", 112), "CN=another name")
    record = world.record(enrolled.certificate)
    assert (record.policy, record.entity) == (SECOND_POLICY, DEMO_ENTITY)
    assert world.record(device.certificate).policy != SECOND_POLICY
    assert world.state(device.certificate) is CertificateState.ACTIVE


def test_an_entity_may_use_its_own_policies_only(make_world: MakeWorld) -> None:
    world = make_world()
    for call in ({"policy_name": "foreign"}, {"policy": "7be5c0a4-1c57-4f0e-8a33-6f1d2e4b5a20"}):
        response = world.client(call=call).begin().send(BODY)
        assert response.fail_info == ("badRequest",)
        assert response.text.startswith("invalid identifier")


@pytest.mark.parametrize(
    "call",
    [
        {"policy": "not-a-uuid"},
        {"policy": "00000000-0000-4000-8000-000000000000"},
        {"policy_name": "no-such-policy"},
    ],
    ids=["no UUID", "no policy's UUID", "no policy's name"],
)
def test_a_policy_that_is_not_there_is_an_invalid_identifier(world: World, call: dict[str, str]) -> None:
    response = world.client(call=call).begin().send(BODY)
    assert (response.kind, response.fail_info) == ("error", ("badRequest",))
    assert response.text.startswith("invalid identifier")


def test_http_and_message_must_name_the_same_entity(world: World) -> None:
    client = world.client(call={"entity": OTHER_PBM.reference})
    response = client.begin().send(BODY)
    assert response.fail_info == ("notAuthorized",)
    assert world.client(call={"entity": DEMO_ENTITY}).begin().send(BODY).status == "accepted"


def test_an_ra_certificate_is_checked_like_any_other(world: World) -> None:
    for days in ((-10, -1), (1, 10)):
        client = world.client(signed_by(ra_holder(number=100, days=days)))
        transaction = client.begin()
        response = transaction.send_as_is(transaction.compose(BODY))
        assert response.fail_info == ("signerNotTrusted",)


def test_the_signer_of_responses_is_the_cas_with_its_chain_but_the_root(world: World) -> None:
    response = world.client(world.device(number=101)).ask("1.3.6.1.5.5.7.4.17")
    signer, *chain = response.extra_certs
    usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert x509.ObjectIdentifier("1.3.6.1.5.5.7.3.27") in usage
    assert signer.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert chain == [world.authority]
    sender = schema.decode("RawGeneralName", response.header["sender"])
    assert sender == ("directoryName", signer.subject.public_bytes())
    identity = signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert response.header["senderKID"] == identity.digest


def test_a_response_is_for_the_requests_sender(world: World) -> None:
    transaction = world.client().begin()
    response = transaction.send(BODY)
    request = cmpclient.Response.parse(transaction.last_request)
    assert response.header["recipient"] == request.header["sender"]
    assert abs(response.header["messageTime"] - world.time.replace(tzinfo=None)) < timedelta(seconds=1)
