"""Central key generation from begin to end (RFC 9483, section 4.1.6)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from hypothesis import given
from hypothesis import strategies as st

from cmpd.clm.documents.policy import Policy
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_PASSWORD, DEMO_POLICY
from cmpd.clm.lifecycle.upkeep import Upkeep
from cmpd.clm.model import CertificateState, TransactionState
from cmpd.clm.pkix import keypairs
from cmpd.clm.pkix.algorithms import KEYS
from cmpd.cmp.handlers import generation
from cmpd.cmp.information.key_types import key_identifier
from cmpd.cmp.protection.hashing import NULL
from cmpd.cmp.requests.cert_request import KeyGenRequest
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from tests import cmpclient
from tests.clm import pki
from tests.cmp.cms import reader
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import ISSUING, World, ra_holder, signed_by
from tests.cmpclient import requests
from tests.cmpclient.client import IMPLICIT_CONFIRM
from tests.cmpclient.response import Response

ALLOWED = {"central_key_generation": True}
RSA_KEY_LENGTH = "1.3.6.1.5.5.7.5.1.12"
EVERY_USE = [
    x509.KeyUsage(True, False, True, False, True, False, False, False, False),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"), ALLOWED)
    yield world
    world.close()


def identifier(oid: str, parameters: bytes | None = None) -> bytes:
    value = {"algorithm": oid} if parameters is None else {"algorithm": oid, "parameters": parameters}
    return schema.encode("AlgorithmIdentifier", value)


def asked(
    kind: str = "ir",
    algorithm: bytes | None = None,
    *,
    subject: str | x509.Name = "CN=device",
    controls: dict[str, bytes] | None = None,
    proof: Any = None,
    **template: Any,
) -> tuple[str, Any]:
    """A request that leaves the key to the server: with no publicKey, or with an algorithm and no key."""
    if algorithm is not None:
        template["publicKey"] = {"algorithm": algorithm, "subjectPublicKey": (b"", 0)}
    request: dict[str, Any] = {"certReqId": 0, "certTemplate": requests.template(None, subject, **template)}
    if controls:
        request["controls"] = [{"type": oid, "value": value} for oid, value in controls.items()]
    message = {"certReq": schema.encode("RawCertRequest", request)}
    return kind, [message if proof is None else {**message, "popo": proof}]


def enveloped(response: Response) -> dict[str, Any]:
    """The EnvelopedData with the private key."""
    return reader.enveloped(response.content["response"][0]["certifiedKeyPair"]["privateKey"])


def root(world: World) -> pki.Holder:
    [authority] = [
        one for one in world.run(world.clm.catalog.authorities()) if one.certificate_der == one.root_der
    ]
    return pki.Holder(authority.certificate, None)


def opened(world: World, folder: Path, signed: bytes) -> Any:
    """The private key in a SignedData whose signer OpenSSL trusts because of the root."""
    return reader.read_package(reader.openssl_verify(folder, signed, root(world)))


def public(key: Any) -> bytes:
    der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


@pytest.mark.parametrize(
    ("algorithm", "made"),
    [
        (None, "P-256"),
        (identifier("1.2.840.10045.2.1"), "P-256"),
        *((key_identifier(KEYS[name]), name) for name in ("P-256", "P-384", "P-521", "Ed25519", "Ed448")),
        (key_identifier(KEYS["RSA"]), "RSA-2048"),
        (identifier("1.2.840.113549.1.1.1"), "RSA-2048"),
    ],
    ids=["no-key", "ec", "P-256", "P-384", "P-521", "Ed25519", "Ed448", "RSA", "RSA-without-NULL"],
)
def test_under_a_shared_secret_the_key_comes_for_that_secret(
    world: World, tmp_path: Path, algorithm: bytes | None, made: str
) -> None:
    transaction = world.client(pvno=3).begin()
    response = transaction.send(asked("ir", algorithm))
    assert (response.kind, response.status) == ("ip", "accepted")
    assert response.header["pvno"] == 3
    private = opened(world, tmp_path, reader.password_decrypt(enveloped(response), DEMO_PASSWORD.encode()))
    assert keypairs.key_name(private.public_key()) == made
    assert public(private.public_key()) == public(response.certificate.public_key())
    assert world.state(response.certificate) is CertificateState.UNCONFIRMED
    transaction.confirm(response)
    assert world.state(response.certificate) is CertificateState.ACTIVE


def test_raVerified_claims_nothing_where_there_is_no_key(world: World) -> None:
    """What Bouncy Castle 1.86 puts where no proof is set; RFC 9483 would have it absent."""
    response = world.client(pvno=3).begin().send(asked(proof=("raVerified", None)))
    assert response.status == "accepted"


@pytest.mark.parametrize("bits", [2048, 3072])
def test_rsaKeyLen_says_how_long_an_rsa_key_is(world: World, bits: int) -> None:
    controls = {RSA_KEY_LENGTH: schema.encode("RsaKeyLenCtrl", bits)}
    body = asked("ir", key_identifier(KEYS["RSA"]), controls=controls)
    response = world.client(pvno=3).begin().send(body)
    key: Any = response.certificate.public_key()
    assert key.key_size == bits


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521"])
@pytest.mark.parametrize(("request_kind", "answer"), [("cr", "cp"), ("kur", "kup")])
def test_under_a_signature_the_key_comes_for_the_protection_certificate(
    world: World, tmp_path: Path, kind: str, request_kind: str, answer: str
) -> None:
    own = pki.key(kind, 60)
    subject = f"CN={kind} {request_kind}"
    enrolment = world.client().enrol_implicitly("ir", own, subject, extensions=EVERY_USE)
    client = world.client(cmpclient.Signature(enrolment.certificate, own), pvno=3)
    transaction = client.begin()
    response = transaction.send(asked(request_kind, subject=subject))
    assert response.kind == answer
    [(technique, _)] = enveloped(response)["recipientInfos"]
    assert technique == ("ktri" if kind == "RSA" else "kari")
    private = opened(world, tmp_path, reader.openssl_decrypt(tmp_path, enveloped(response), own))
    assert public(private.public_key()) == public(response.certificate.public_key())
    transaction.confirm(response)
    assert world.state(response.certificate) is CertificateState.ACTIVE


def opened_by_openssl(world: World, folder: Path, signed: bytes) -> Any:
    """The private key that a SignedData holds alone, as OpenSSL 3.5 and 3.6 read it."""
    return load_der_private_key(reader.openssl_verify(folder, signed, root(world)), None)


@pytest.mark.parametrize("name", [None, "P-256", "P-384", "P-521", "Ed25519", "Ed448", "RSA"])
def test_under_pvno_2_the_key_comes_as_openssl_reads_it(
    world: World, tmp_path: Path, name: str | None
) -> None:
    transaction = world.client(pvno=2).begin()
    response = transaction.send(asked("ir", key_identifier(KEYS[name]) if name else None))
    assert (response.kind, response.status) == ("ip", "accepted")
    assert response.header["pvno"] == 2
    secret = DEMO_PASSWORD.encode()
    signed = reader.openssl_password_decrypt(tmp_path, enveloped(response), secret)
    private = opened_by_openssl(world, tmp_path, signed)
    assert public(private.public_key()) == public(response.certificate.public_key())
    transaction.confirm(response)
    assert world.state(response.certificate) is CertificateState.ACTIVE


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521"])
@pytest.mark.parametrize("request_kind", ["cr", "kur"])
def test_under_pvno_2_and_a_signature_it_comes_for_the_protection_certificate(
    world: World, tmp_path: Path, kind: str, request_kind: str
) -> None:
    own = pki.key(kind, 64)
    subject = f"CN={kind} {request_kind} 2"
    enrolment = world.client().enrol_implicitly("ir", own, subject, extensions=EVERY_USE)
    client = world.client(cmpclient.Signature(enrolment.certificate, own), pvno=2)
    response = client.begin().send(asked(request_kind, subject=subject))
    private = opened_by_openssl(world, tmp_path, reader.openssl_decrypt(tmp_path, enveloped(response), own))
    assert public(private.public_key()) == public(response.certificate.public_key())


def test_what_waited_under_pvno_2_comes_as_openssl_reads_it(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world({**ALLOWED, "approvals": 1})
    transaction = world.client(pvno=2).begin()
    assert transaction.send(asked()).status == "waiting"
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    [response] = transaction.poll()
    secret = DEMO_PASSWORD.encode()
    signed = reader.openssl_password_decrypt(tmp_path, enveloped(response), secret)
    private = opened_by_openssl(world, tmp_path, signed)
    assert public(private.public_key()) == public(response.certificate.public_key())


@pytest.mark.parametrize("name", ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
def test_post_quantum_keys_are_made_where_the_policy_certifies_them(
    make_world: MakeWorld, tmp_path: Path, name: str
) -> None:
    world = make_world({**ALLOWED, "keys": {"algorithms": [name]}})
    response = world.client(pvno=3).begin().send(asked(algorithm=key_identifier(KEYS[name])))
    private = opened(world, tmp_path, reader.password_decrypt(enveloped(response), DEMO_PASSWORD.encode()))
    assert keypairs.key_name(private.public_key()) == name
    assert public(private.public_key()) == public(response.certificate.public_key())


def test_a_key_that_the_library_cannot_make_is_systemFailure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def generate(name: str) -> Any:
        raise keypairs.KeyProblem("not in this build")

    monkeypatch.setattr(keypairs, "generate", generate)
    reply = world.respond(world.client(pvno=3).begin().compose(asked()))
    response = Response.parse(reply.body)
    assert response.fail_info == ("systemFailure",)
    assert "P-256 keys cannot be generated by this server" in response.text
    assert reply.log_entry.detail == "not in this build"


def test_implicit_confirmation_is_granted(world: World) -> None:
    client = world.client(pvno=3)
    response = client.begin(general_info={IMPLICIT_CONFIRM: NULL}).send(asked())
    assert IMPLICIT_CONFIRM in response.general_info
    assert world.state(response.certificate) is CertificateState.ACTIVE


def test_the_same_request_again_gets_the_same_bytes_and_no_other_key(world: World) -> None:
    client = world.client(pvno=3)
    transaction = client.begin()
    request = transaction.compose(asked())
    before = len(world.certificates())
    assert client.transport(request) == client.transport(request)
    assert len(world.certificates()) == before + 1


def test_the_private_key_is_nowhere_in_the_store(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(ALLOWED)
    response = world.client(pvno=3).begin().send(asked())
    signed = reader.password_decrypt(enveloped(response), DEMO_PASSWORD.encode())
    private = opened(world, tmp_path, signed)
    scalar = private.private_numbers().private_value.to_bytes(32, "big")
    assert scalar in signed
    world.restart()
    stored = b"".join(path.read_bytes() for path in world.folder.iterdir())
    assert response.der in stored
    assert scalar not in stored


def test_keys_are_made_away_from_the_event_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def generate(name: str) -> Any:
        threads.append(threading.get_ident())
        return pki.key("P-256", 61)

    monkeypatch.setattr(keypairs, "generate", generate)
    response = world.client(pvno=3).begin().send(asked())
    assert response.status == "accepted"
    assert threads
    assert threading.get_ident() not in threads


def test_what_waits_for_approval_gets_its_key_when_it_is_approved(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    world = make_world({**ALLOWED, "approvals": 1})
    transaction = world.client(pvno=3).begin()
    assert transaction.send(asked()).status == "waiting"
    world.decide(transaction.transaction_id, TransactionState.APPROVED)
    [response] = transaction.poll()
    private = opened(world, tmp_path, reader.password_decrypt(enveloped(response), DEMO_PASSWORD.encode()))
    assert public(private.public_key()) == public(response.certificate.public_key())


def test_the_server_chooses_among_what_the_policy_certifies(make_world: MakeWorld) -> None:
    world = make_world({**ALLOWED, "keys": {"algorithms": ["RSA", "P-384"]}})
    response = world.client(pvno=3).begin().send(asked())
    assert keypairs.key_name(response.certificate.public_key()) == "P-384"


X25519 = identifier("1.3.101.110")
SECP256K1 = identifier("1.2.840.10045.2.1", schema.encode("RawNamedCurve", "1.3.132.0.10"))
RSA = key_identifier(KEYS["RSA"])
SIGNED = ("signature", {"algorithmIdentifier": identifier("1.2.840.10045.4.3.2"), "signature": (b"x", 8)})
LENGTH = {bits: {RSA_KEY_LENGTH: schema.encode("RsaKeyLenCtrl", bits)} for bits in (1024, 2049, 8192)}


@pytest.mark.parametrize(
    ("body", "failure", "text"),
    [
        (asked(proof=SIGNED), "badPOP", "no public key"),
        (asked(proof=("keyEncipherment", ("subsequentMessage", 0))), "badPOP", "no public key"),
        (asked(algorithm=X25519), "badCertTemplate", "are not generated"),
        (asked(algorithm=SECP256K1), "badCertTemplate", "are not generated"),
        (asked(algorithm=key_identifier(KEYS["ML-DSA-44"])), "badCertTemplate", "does not generate"),
        (asked(algorithm=NULL), "badDataFormat", "no algorithm"),
        (asked(algorithm=RSA, controls=LENGTH[1024]), "badCertTemplate", "of this length"),
        (asked(algorithm=RSA, controls=LENGTH[2049]), "badCertTemplate", "of this length"),
        (asked(algorithm=RSA, controls=LENGTH[8192]), "badCertTemplate", "of this length"),
        (asked(algorithm=RSA, controls={RSA_KEY_LENGTH: NULL}), "badDataFormat", "rsaKeyLen"),
        (asked(serialNumber=1), "badCertTemplate", "serialNumber"),
    ],
    ids=[
        "popo-signature",
        "popo-keyEncipherment",
        "X25519",
        "secp256k1",
        "ML-DSA-44",
        "no-algorithm",
        "RSA-1024",
        "RSA-2049",
        "RSA-8192",
        "no-length",
        "serialNumber",
    ],
)
def test_what_cannot_be_made_is_refused(world: World, body: tuple[str, Any], failure: str, text: str) -> None:
    before = len(world.certificates())
    response = world.client(pvno=3).begin().send(body)
    assert response.fail_info == (failure,)
    assert text in response.text
    assert len(world.certificates()) == before


@pytest.mark.parametrize(
    ("policy", "failure", "text"),
    [
        ({}, "badCertTemplate", "publicKey"),
        ({**ALLOWED, "keys": {"algorithms": ["P-256"]}}, "badCertTemplate", "does not generate RSA keys"),
        ({**ALLOWED, "keys": {"rsa_min": 5000, "rsa_max": 6000}}, "badCertTemplate", "of this length"),
    ],
    ids=["not-allowed", "no-RSA", "no-length"],
)
def test_what_the_policy_does_not_let_be_made_is_refused(
    make_world: MakeWorld, policy: dict[str, Any], failure: str, text: str
) -> None:
    world = make_world(policy)
    response = world.client(pvno=3).begin().send(asked(algorithm=RSA))
    assert response.fail_info == (failure,)
    assert text in response.text


def test_the_first_key_asked_for_has_its_authority_certified(make_world: MakeWorld) -> None:
    world = make_world(ALLOWED)
    assert [one.kga for one in world.run(world.clm.catalog.authorities())] == [None, None]
    assert world.client(pvno=3).begin().send(asked()).status == "accepted"
    authority = world.run(world.clm.catalog.authority(ISSUING))
    assert authority is not None
    assert authority.kga is not None
    usage = authority.kga.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [oid.dotted_string for oid in usage] == ["1.3.6.1.5.5.7.3.32"]


def test_where_none_can_be_certified_it_is_systemFailure(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(upkeep: Upkeep) -> None:
        pass

    world = make_world(ALLOWED)
    monkeypatch.setattr(Upkeep, "look_at_calendar", nothing)
    reply = world.respond(world.client(pvno=3).begin().compose(asked()))
    response = Response.parse(reply.body)
    assert response.fail_info == ("systemFailure",)
    assert "key generation authority" in response.text
    assert "id-kp-cmKGA" in reply.log_entry.detail


def test_a_protection_certificate_that_only_signs_can_receive_no_key(world: World) -> None:
    response = world.client(world.device("CN=signs", 62), pvno=3).begin().send(asked("cr"))
    assert response.fail_info == ("badRequest",)
    assert "keyAgreement" in response.text


def test_no_key_is_made_for_an_ra(world: World) -> None:
    response = world.client(signed_by(ra_holder()), pvno=3).begin().send(asked("cr"))
    assert response.fail_info == ("notAuthorized",)


def test_through_an_ra_the_key_comes_for_the_device(world: World, tmp_path: Path) -> None:
    transaction = world.client(pvno=3).begin()
    wrapped = requests.nested(transaction.compose(asked()))
    message = world.client(signed_by(ra_holder())).begin().compose(wrapped)
    response = Response.parse(world.respond(message).body)
    private = opened(world, tmp_path, reader.password_decrypt(enveloped(response), DEMO_PASSWORD.encode()))
    assert public(private.public_key()) == public(response.certificate.public_key())


@given(
    st.one_of(st.binary(max_size=40), st.binary(max_size=8).map(lambda der: identifier("1.2.3", NULL) + der))
)
def test_any_octets_for_an_algorithm_are_refused(der: bytes) -> None:
    def unused(key: Any) -> Any:
        raise AssertionError("no key was to be made")

    cert_request = KeyGenRequest(0, der, {}, lambda: None, unused)
    policy = Policy.of(DEMO_POLICY, "any", {"ca": "issuing", "template": "device"})
    with pytest.raises(CMPFailure) as raised:
        generation.key_name(cert_request, policy)
    assert raised.value.fail_info in (FailInfo.badDataFormat, FailInfo.badCertTemplate)


def test_no_key_is_made_for_who_signs_with_the_requested_key(make_world: MakeWorld) -> None:
    world = make_world({**ALLOWED, "password_login": True})
    holder = pki.Plan(pki.name("login"), pki.key("P-256", 63)).issue(None)
    client = world.client(signed_by(holder), call={"entity": DEMO_ENTITY}, pvno=3)
    response = client.begin().send(asked("cr"))
    assert response.fail_info == ("notAuthorized",)
