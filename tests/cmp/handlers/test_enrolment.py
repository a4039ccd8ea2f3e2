"""ir, cr and p10cr from begin to end, and what is wrong with some (RFC 9483, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_PASSWORD
from cmpd.clm.model import CertificateState, ObjectKind
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import MACHINE, PBM, STRANGER, World, ra_holder, signed_by
from tests.cmpclient import OMIT, algorithms, requests
from tests.cmpclient.algorithms import identifier

KEY = pki.key("P-256", 30)
OTHER_KEY = pki.key("P-256", 31)
IMPLICIT_CONFIRM = "1.3.6.1.5.5.7.4.13"
CONFIRM_WAIT_TIME = "1.3.6.1.5.5.7.4.14"
SAN = x509.SubjectAlternativeName([x509.DNSName("device.example"), x509.DNSName("d.example")])
KINDS = ("ir", "cr", "p10cr")
RESPONSES = {"ir": "ip", "cr": "cp", "p10cr": "cp"}


def request(kind: str, key: Any = KEY, subject: Any = "CN=device", **asked: Any) -> Any:
    if kind == "p10cr":
        return requests.pkcs10(key, subject, **asked)
    return (kind, [requests.certificate_request(key, subject, **asked)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("who", ["MAC", "PBMAC1", "vendor certificate", "own certificate", "RA"])
def test_a_certificate_is_active_once_it_is_confirmed(world: World, kind: str, who: str) -> None:
    protections: dict[str, Callable[[], cmpclient.Protection]] = {
        "MAC": lambda: PBM,
        "PBMAC1": lambda: cmpclient.PBMAC1(DEMO_ENTITY, DEMO_PASSWORD),
        "vendor certificate": lambda: signed_by(MACHINE),
        "own certificate": lambda: world.device(number=32),
        "RA": lambda: signed_by(ra_holder()),
    }
    transaction = world.client(protections[who]()).begin()
    response = transaction.send(request(kind))
    assert (response.kind, response.status) == (RESPONSES[kind], "accepted")
    assert response.content["response"][0]["certReqId"] == (-1 if kind == "p10cr" else 0)
    certificate = response.certificate
    assert world.state(certificate) is CertificateState.UNCONFIRMED
    assert transaction.confirm(response).kind == "pkiconf"
    assert world.state(certificate) is CertificateState.ACTIVE
    assert certificate.public_key() == KEY.public_key()
    assert certificate.subject.rfc4514_string() == "CN=device"
    certificate.verify_directly_issued_by(world.authority)
    assert world.record(certificate).entity == (None if who == "RA" else DEMO_ENTITY)


@pytest.mark.parametrize("kind", KINDS)
def test_extensions_are_given_as_asked(world: World, kind: str) -> None:
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    response = world.client().begin().send(request(kind, extensions=[SAN, usage]))
    assert response.status == "accepted"
    given = response.certificate.extensions
    assert given.get_extension_for_class(x509.SubjectAlternativeName).value == SAN
    assert given.get_extension_for_class(x509.ExtendedKeyUsage).value == usage


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", ["RSA", "P-256", "P-384", "P-521", "Ed25519", "Ed448"])
def test_keys_of_every_kind_prove_their_possession(world: World, kind: str, algorithm: str) -> None:
    key = pki.key(algorithm, 33)
    transaction = world.client().begin(pvno=3)
    response = transaction.send(request(kind, key))
    assert response.status == "accepted"
    assert response.certificate.public_key() == key.public_key()
    assert transaction.confirm(response).kind == "pkiconf"


def test_a_validity_is_given_as_asked(world: World) -> None:
    start, end = world.time + timedelta(days=1), world.time + timedelta(days=30)
    response = world.client().begin().send(request("ir", not_before=start, not_after=end))
    assert response.certificate.not_valid_before_utc == start
    assert response.certificate.not_valid_after_utc == end


@pytest.mark.parametrize("kind", KINDS)
def test_implicit_confirmation_is_granted_where_it_is_asked_for(world: World, kind: str) -> None:
    transaction = world.client().begin(general_info={IMPLICIT_CONFIRM: b"\x05\x00"})
    response = transaction.send(request(kind))
    assert response.general_info[IMPLICIT_CONFIRM] == b"\x05\x00"
    assert CONFIRM_WAIT_TIME not in response.general_info
    assert world.state(response.certificate) is CertificateState.ACTIVE
    body = requests.confirmation(response.certificate, cert_req_id=-1 if kind == "p10cr" else 0)
    late = transaction.send(body)
    assert late.fail_info == ("certConfirmed",)
    assert world.state(response.certificate) is CertificateState.ACTIVE


def test_implicit_confirmation_is_not_granted_where_the_policy_forbids_it(make_world: MakeWorld) -> None:
    world = make_world({"implicit_confirm": False, "confirm_wait": "2m"})
    response = world.client().begin(general_info={IMPLICIT_CONFIRM: b"\x05\x00"}).send(request("ir"))
    assert IMPLICIT_CONFIRM not in response.general_info
    told = response.general_info[CONFIRM_WAIT_TIME]
    assert told is not None
    until = schema.decode("ConfirmWaitTimeValue", told)
    assert until == (world.time + timedelta(seconds=120)).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("kind", "protection", "sent"),
    [("ir", PBM, True), ("cr", PBM, False), ("p10cr", PBM, False), ("ir", signed_by(MACHINE), False)],
    ids=["ir by MAC", "cr by MAC", "p10cr by MAC", "ir by signature"],
)
def test_the_root_is_sent_in_an_ip_under_a_mac_only(
    world: World, kind: str, protection: cmpclient.Protection, *, sent: bool
) -> None:
    response = world.client(protection).begin().send(request(kind))
    root = x509.load_der_x509_certificate(world.ca("root").certificate_der)
    assert response.ca_pubs == ((root,) if sent else ())


def test_the_root_stays_here_where_the_policy_says_so(make_world: MakeWorld) -> None:
    assert make_world({"ca_pubs": False}).client().begin().send(request("ir")).ca_pubs == ()


@pytest.mark.parametrize("protection", [PBM, signed_by(MACHINE)], ids=["MAC", "signature"])
def test_the_chain_of_the_new_certificate_is_sent_along(
    world: World, protection: cmpclient.Protection
) -> None:
    assert world.authority in world.client(protection).begin().send(request("ir")).extra_certs


# The same request again


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_octets_again_get_the_same_octets_and_no_second_certificate(world: World, kind: str) -> None:
    transaction = world.client().begin()
    response = transaction.send(request(kind))
    issued = len(world.certificates())
    for _ in range(3):
        assert transaction.send_as_is(transaction.last_request).der == response.der
    world.restart()
    reply = world.respond(transaction.last_request)
    assert reply.body == response.der
    assert reply.log_entry.retransmission
    assert len(world.certificates()) == issued


def test_another_request_under_the_same_transactionid_is_refused(world: World) -> None:
    transaction = world.client().begin()
    transaction.send(request("ir"))
    refused = transaction.send(request("ir", OTHER_KEY), recip_nonce=OMIT)
    assert refused.fail_info == ("transactionIdInUse",)


def test_a_rejected_request_may_be_mended_under_the_same_transactionid(world: World) -> None:
    transaction = world.client().begin()
    assert transaction.send(request("ir", proof=None)).fail_info == ("badPOP",)
    assert transaction.send(request("ir"), recip_nonce=OMIT).status == "accepted"


# What is wrong with a request


def spki(algorithm: dict[str, Any], octets: bytes) -> dict[str, Any]:
    """A subjectPublicKeyInfo put together."""
    return {
        "algorithm": schema.encode("AlgorithmIdentifier", algorithm),
        "subjectPublicKey": (octets, 8 * len(octets)),
    }


P256 = identifier("1.2.840.10045.2.1", schema.encode("RawNamedCurve", "1.2.840.10045.3.1.7"))
SECP256K1 = identifier("1.2.840.10045.2.1", schema.encode("RawNamedCurve", "1.3.132.0.10"))


def signature_input(**changes: Any) -> Any:
    """A popo with poposkInput."""
    value = {
        "authInfo": ("sender", schema.encode("RawGeneralName", ("directoryName", b"\x30\x00"))),
        "publicKey": requests.subject_public_key_info(KEY),
        **changes,
    }
    kind, proof = requests.popo(KEY, schema.encode("RawPOPOSigningKeyInput", value))
    return (kind, {**proof, "poposkInput": value})


def popo_by(algorithm: dict[str, Any], octets: bytes = bytes(64)) -> Any:
    """A popo of an algorithm, which proves nothing."""
    der = schema.encode("AlgorithmIdentifier", algorithm)
    return ("signature", {"algorithmIdentifier": der, "signature": (octets, 8 * len(octets))})


@dataclass(frozen=True)
class Row:
    """A request that is right but for one thing, and what it is answered."""

    fail_info: str
    text: str
    asked: dict[str, Any]


ANY_CRMF: dict[str, Row] = {
    # 4.1.1: certReqId
    "certReqId is 1": Row("badRequest", "certReqId is 1, 0 is expected", {"cert_req_id": 1}),
    "certReqId is -1": Row("badRequest", "certReqId is -1", {"cert_req_id": -1}),
    # 4.1.1: certTemplate
    "version is v1": Row("badCertTemplate", "version: 2 (v3) is expected", {"version": 0}),
    "version is v2": Row("badCertTemplate", "version", {"version": 1}),
    "serialNumber is chosen": Row("badCertTemplate", "serialNumber: it is not", {"serialNumber": 5}),
    "signingAlg is chosen": Row(
        "badCertTemplate", "signingAlg: it is not", {"signingAlg": identifier("1.2.840.10045.4.3.2")}
    ),
    "issuerUID is chosen": Row("badCertTemplate", "issuerUID", {"issuerUID": (b"\x01", 8)}),
    "subjectUID is chosen": Row("badCertTemplate", "subjectUID", {"subjectUID": (b"\x01", 8)}),
    "subject is missing": Row("badCertTemplate", "subject: it is missing", {"subject": None}),
    "publicKey is missing": Row(
        "badCertTemplate", "does not generate keys", {"publicKey": OMIT, "proof": None}
    ),
    "publicKey is empty": Row(
        "badCertTemplate", "does not generate keys", {"publicKey": spki(P256, b""), "proof": None}
    ),
    "publicKey is of an unknown kind": Row(
        "badCertTemplate", "publicKey", {"publicKey": spki(identifier("1.2.3.4"), bytes(32))}
    ),
    "publicKey is no point of its curve": Row(
        "badCertTemplate", "publicKey", {"publicKey": spki(P256, b"\x04" + bytes(64))}
    ),
    "publicKey is on a curve nobody certifies": Row("badAlg", "", {"key": pki.key("secp256k1", 34)}),
    "publicKey is RSA of 1024 bits": Row("badCertTemplate", "publicKey", {"key": pki.key("RSA 1024", 34)}),
    "a subjectAltName of rubbish": Row(
        "badCertTemplate",
        "",
        {"extensions": [x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x05\x00")]},
    ),
    "an extension twice": Row("badCertTemplate", "xtension", {"extensions": [SAN, SAN]}),
    # 4.1.1: popo
    "popo is missing": Row("badPOP", "popo is missing", {"proof": None}),
    "popo is raVerified": Row("notAuthorized", "raVerified is for", {"proof": ("raVerified", None)}),
    "popo is of another request": Row("badPOP", "does not verify", {"proof": requests.popo(KEY, b"another")}),
    "popo is by another key": Row("badPOP", "does not verify", {"proof": requests.popo(OTHER_KEY, b"x")}),
    "popo is empty": Row(
        "badPOP", "does not verify", {"proof": popo_by(identifier("1.2.840.10045.4.3.2"), b"")}
    ),
    "popo is of an unknown algorithm": Row("badAlg", "1.2.3.4", {"proof": popo_by(identifier("1.2.3.4"))}),
    "popo is a MAC": Row(
        "badAlg", "", {"proof": popo_by(identifier(algorithms.HMACS["sha256"], b"\x05\x00"), bytes(32))}
    ),
    "popo is of another kind than the key": Row(
        "badAlg", "", {"proof": popo_by(identifier("1.2.840.113549.1.1.11", b"\x05\x00"), bytes(256))}
    ),
    "popo is by SHA-1": Row("badAlg", "", {"proof": popo_by(identifier("1.2.840.10045.4.1"))}),
    "popo has poposkInput beside subject and publicKey": Row(
        "badPOP", "poposkInput", {"proof": signature_input()}
    ),
}


@pytest.mark.parametrize("kind", ["ir", "cr"])
@pytest.mark.parametrize("row", ANY_CRMF)
def test_a_request_with_one_mistake_is_refused(world: World, kind: str, row: str) -> None:
    case = ANY_CRMF[row]
    check_refused(world, request(kind, **case.asked), case.fail_info, case.text)


def check_refused(
    world: World,
    body: Any,
    fail_info: str,
    text: str,
    protection: cmpclient.Protection = PBM,
) -> cmpclient.Response:
    """The response refuses the certificate, or an error the request; the store is as before."""
    before = world.kept()
    response = world.client(protection).begin().send(body)
    assert response.kind in ("error", RESPONSES.get(body[0], "kup"))
    assert response.status == "rejection"
    assert response.fail_info == (fail_info,)
    assert text in response.text
    if response.kind != "error":
        assert "certifiedKeyPair" not in response.content["response"][0]
    assert world.kept() == before
    return response


ANY_PKCS10: dict[str, tuple[Callable[[], Any], str, str]] = {
    "signed by another key": (
        lambda: broken(signature=requests.pkcs10(OTHER_KEY, "CN=device")[1]["signature"]),
        "badPOP",
        "does not verify",
    ),
    "not signed": (lambda: broken(signature=(b"", 0)), "badPOP", "does not verify"),
    "of an unknown algorithm": (
        lambda: broken(signatureAlgorithm=schema.encode("AlgorithmIdentifier", identifier("1.2.3.4"))),
        "badAlg",
        "1.2.3.4",
    ),
    "of no request": (lambda: broken(certificationRequestInfo=b"\x30\x00"), "badDataFormat", "PKCS #10"),
    "of a later version": (lambda: request("p10cr", version=7), "badDataFormat", "PKCS #10"),
    "with a key of an unknown kind": (
        lambda: request("p10cr", subjectPKInfo=spki(identifier("1.2.3.4"), bytes(32))),
        "badCertTemplate",
        "publicKey",
    ),
    "with RSA of 1024 bits": (
        lambda: request("p10cr", pki.key("RSA 1024", 34)),
        "badCertTemplate",
        "publicKey",
    ),
    "with an extension twice": (
        lambda: request("p10cr", extensions=[SAN, SAN]),
        "badCertTemplate",
        "xtension",
    ),
    "with a subjectAltName of rubbish": (
        lambda: request(
            "p10cr",
            extensions=[x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x05\x00")],
        ),
        "badCertTemplate",
        "",
    ),
}


def broken(**changes: Any) -> Any:
    """A p10cr with another part."""
    kind, value = request("p10cr")
    return (kind, {**value, **changes})


@pytest.mark.parametrize("row", ANY_PKCS10)
def test_a_pkcs10_request_with_one_mistake_is_refused(world: World, row: str) -> None:
    body, fail_info, text = ANY_PKCS10[row]
    check_refused(world, body(), fail_info, text)


@pytest.mark.parametrize("kind", ["ir", "cr"])
@pytest.mark.parametrize(
    ("content", "fail_info"),
    [
        pytest.param([], "badRequest", id="no CertReqMsg"),
        pytest.param([requests.certificate_request(KEY)] * 2, "badRequest", id="two CertReqMsgs"),
        pytest.param([{"certReq": b"\x05\x00"}], "badDataFormat", id="no CertRequest in it"),
        pytest.param([{"certReq": b"\x30\x03\x02\x01\x00"}], "badDataFormat", id="no certTemplate in it"),
    ],
)
def test_a_message_holds_one_request(world: World, kind: str, content: Any, fail_info: str) -> None:
    check_refused(world, (kind, content), fail_info, "")


@pytest.mark.parametrize("kind", ["ir", "cr"])
@pytest.mark.parametrize(
    ("protection", "fail_info"),
    [(signed_by(MACHINE), None), (signed_by(STRANGER), "notAuthorized"), (PBM, None)],
    ids=["a registered machine", "a machine nobody knows", "a password"],
)
def test_who_may_enrol(
    world: World, kind: str, protection: cmpclient.Protection, fail_info: str | None
) -> None:
    transaction = world.client(protection).begin()
    response = transaction.send(request(kind))
    assert response.fail_info == ((fail_info,) if fail_info else ())


@pytest.mark.parametrize("kind", KINDS)
def test_passwords_do_not_enrol_where_the_policy_wants_signatures(make_world: MakeWorld, kind: str) -> None:
    world = make_world({"password_enrolment": False})
    check_refused(world, request(kind), "wrongIntegrity", "requires a signature")
    assert world.client(signed_by(MACHINE)).begin().send(request(kind)).status == "accepted"


@pytest.mark.parametrize("kind", KINDS)
def test_an_entity_gets_no_more_certificates_than_its_policy_allows(make_world: MakeWorld, kind: str) -> None:
    world = make_world({"max_active": 1})
    assert world.client().begin().send(request(kind)).status == "accepted"
    check_refused(world, request(kind, OTHER_KEY), "notAuthorized", "as many certificates as")


def test_excess_is_trimmed_and_named_or_refused(make_world: MakeWorld) -> None:
    beyond = make_world().now + 20 * 365 * 86400
    for excess in ("trim", "refuse"):
        world = make_world({"excess": excess})
        end = (world.time + timedelta(seconds=beyond - world.now)).replace(microsecond=0)
        response = world.client().begin().send(request("ir", not_after=end))
        if excess == "trim":
            assert response.status == "grantedWithMods"
            assert "changed" in response.text
            assert response.certificate.not_valid_after_utc < end
        else:
            assert response.fail_info == ("badCertTemplate",)


def test_no_subject_is_fine_where_the_template_makes_it(make_world: MakeWorld) -> None:
    world = make_world()
    world.put(ObjectKind.TEMPLATE, "named", "named", {"subject": ["CN={entity.name}"]})
    world.change_policy(template="named")
    response = world.client().begin().send(request("ir", subject=x509.Name([])))
    assert response.certificate.subject.rfc4514_string() == "CN=demo"
