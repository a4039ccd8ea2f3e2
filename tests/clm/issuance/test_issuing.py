"""What is asked is given wherever policy and template let it; what goes beyond is refused or trimmed."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.template import Template, ready_made
from cmpd.clm.issuance.certificate_request import CertificateRequest
from cmpd.clm.issuance.compiled_policy import CompiledPolicy
from cmpd.clm.model import Entity
from cmpd.clm.pkix.names import parse_name
from cmpd.clm.pkix.serial_numbers import new_serial
from cmpd.clm.pkix.usages import EXTENDED_KEY_USAGES, extended_key_usage, extension, key_usage
from cmpd.clm.refusal import RequestRefused
from tests.clm.conftest import NOW, PKI
from tests.support.issuing import Issuance, issue

DAY = 86400
POLICY = "11111111-2222-3333-4444-555555555555"
ENTITY = Entity("22222222-3333-4444-5555-666666666666", "pump-7", attributes={"serial": "A-100"})


@cache
def key(kind: str) -> Any:
    makers: dict[str, Callable[[], Any]] = {
        "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "P-224": lambda: ec.generate_private_key(ec.SECP224R1()),
        "Ed25519": ed25519.Ed25519PrivateKey.generate,
        "Ed448": ed448.Ed448PrivateKey.generate,
        "X25519": x25519.X25519PrivateKey.generate,
        "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
        "RSA-1024": lambda: rsa.generate_private_key(65537, 1024),
        "RSA-3": lambda: rsa.generate_private_key(3, 2048),
    }
    return makers[kind]().public_key()


def san(*names: x509.GeneralName) -> x509.Extension[Any]:
    return extension(x509.SubjectAlternativeName(names))


def asking(
    subject: str = "CN=Device", *extensions: x509.Extension[Any], kind: str = "P-256", **more: Any
) -> CertificateRequest:
    name = parse_name(subject) if subject else x509.Name([])
    return CertificateRequest(name, key(kind), x509.Extensions(list(extensions)), **more)


@dataclass
class Desk:
    """Where certificates are issued under one policy and template."""

    compiled: CompiledPolicy

    def under(self, policy: dict[str, Any], template: dict[str, Any] | str = "device") -> Desk:
        made = ready_made()[template] if isinstance(template, str) else Template.of("made", template)
        document = {"ca": "issuing", "template": made.name} | policy
        own = Policy.of(POLICY, "own", document)
        return Desk(CompiledPolicy.of(own, made, self.compiled.authority))

    def issue(self, request: CertificateRequest, entity: Entity | None = ENTITY, now: int = NOW) -> Issuance:
        return issue(self.compiled, entity, request, now=now, random=os.urandom)

    def certificate(self, request: CertificateRequest) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.issue(request).der)


@pytest.fixture
def desk(pki: PKI) -> Desk:
    return Desk(pki.compiled())


def value(certificate: x509.Certificate, cls: type[Any]) -> Any:
    return certificate.extensions.get_extension_for_class(cls).value


def test_the_device_template_makes_a_client_certificate_with_key_identifiers_and_crl(desk: Desk) -> None:
    certificate = desk.certificate(asking())
    certificate.verify_directly_issued_by(desk.compiled.authority.certificate)
    assert value(certificate, x509.KeyUsage) == key_usage(("digitalSignature",))
    assert list(value(certificate, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert value(certificate, x509.AuthorityKeyIdentifier).key_identifier == desk.compiled.authority.key_id
    assert value(certificate, x509.SubjectKeyIdentifier) == x509.SubjectKeyIdentifier.from_public_key(
        key("P-256")
    )
    assert len(certificate.extensions) == 5


GRANTED: list[tuple[str, CertificateRequest]] = [
    ("a plain subject", asking()),
    ("many attributes", asking("CN=User,O=MTG,C=DE,serialNumber=1")),
    ("names of every usual kind", asking("CN=d", san(
        x509.DNSName("a.example"), x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
        x509.UniformResourceIdentifier("urn:uuid:1"), x509.RFC822Name("a@example.org"),
        x509.DirectoryName(parse_name("CN=x")), x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))))),
    ("an empty subject beside names", asking("", san(x509.DNSName("a.example")))),
    ("its own key usage", asking("CN=d", extension(key_usage(("digitalSignature", "keyAgreement"))))),
    ("RSA key encipherment", asking("CN=d", extension(key_usage(("keyEncipherment",))), kind="RSA-2048")),
    ("a server", asking("CN=d", extension(extended_key_usage((EXTENDED_KEY_USAGES["serverAuth"],))))),
    ("basicConstraints that make no CA", asking("CN=d", extension(x509.BasicConstraints(False, None)))),
    ("the key identifier it gets anyway", asking(
        "CN=d", extension(x509.SubjectKeyIdentifier.from_public_key(key("P-256"))))),
    ("a validity", asking(not_before=NOW - 10, not_after=NOW + 30 * DAY)),
    ("an end", asking(not_after=NOW + DAY)),
    ("Ed25519", asking(kind="Ed25519")),
    ("Ed448", asking(kind="Ed448")),
    ("P-384", asking(kind="P-384")),
]  # fmt: skip


@pytest.mark.parametrize(("what", "request_"), GRANTED, ids=[what for what, _ in GRANTED])
def test_the_default_policy_gives_what_is_asked_without_modifications(
    desk: Desk, what: str, request_: CertificateRequest
) -> None:
    issuance = desk.under({"excess": "refuse"}).issue(request_)
    assert issuance.modifications == ()
    certificate = x509.load_der_x509_certificate(issuance.der)
    assert certificate.subject == request_.subject
    for asked in request_.extensions:
        assert certificate.extensions.get_extension_for_oid(asked.oid).value == asked.value
    if request_.not_after is not None:
        assert issuance.not_after == request_.not_after


@dataclass(frozen=True)
class Beyond:
    """A request that goes beyond, the field that is named, and whether the rest may be given."""

    what: str
    where: str
    request: CertificateRequest
    policy: dict[str, Any] = field(default_factory=dict)
    template: dict[str, Any] | str = "device"
    trims: bool = True


OTHER = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a")
DNS = x509.DNSName("a.example")
TLS_FEATURE = extension(x509.TLSFeature([x509.TLSFeatureType.status_request]))
STRANGE = x509.ObjectIdentifier("1.2.3.4")
BEYOND = [
    Beyond("a CA", "extensions.basicConstraints.cA",
           asking("CN=d", extension(x509.BasicConstraints(True, 0)))),
    Beyond("to sign certificates", "extensions.keyUsage.keyCertSign",
           asking("CN=d", extension(key_usage(("digitalSignature", "keyCertSign"))))),
    Beyond("encipherment with P-256", "extensions.keyUsage.keyEncipherment",
           asking("CN=d", extension(key_usage(("digitalSignature", "keyEncipherment"))))),
    Beyond("to be an RA", "extensions.extendedKeyUsage.cmcRA",
           asking("CN=d", extension(extended_key_usage((EXTENDED_KEY_USAGES["cmcRA"],))))),
    Beyond("to be a CMP signer", "extensions.extendedKeyUsage.cmcCA",
           asking("CN=d", extension(extended_key_usage((EXTENDED_KEY_USAGES["cmcCA"],))))),
    Beyond("any extended key usage", "extensions.extendedKeyUsage.2.5.29.37.0",
           asking("CN=d", extension(extended_key_usage(("2.5.29.37.0",))))),
    Beyond("another's key identifier", "extensions.subjectKeyIdentifier",
           asking("CN=d", extension(x509.SubjectKeyIdentifier(b"x" * 20)))),
    Beyond("another CRL", "extensions.cRLDistributionPoints", asking("CN=d", extension(
        x509.CRLDistributionPoints([x509.DistributionPoint(
            [x509.UniformResourceIdentifier("http://evil.example")], None, None, None)])))),
    Beyond("an unknown extension", "extensions.1.2.3.4",
           asking("CN=d", x509.Extension(STRANGE, False, x509.UnrecognizedExtension(STRANGE, b"\5\0")))),
    Beyond("name constraints", "extensions.nameConstraints",
           asking("CN=d", extension(x509.NameConstraints([DNS], None)))),
    Beyond("a wildcard", "extensions.subjectAltName.dNSName",
           asking("CN=d", san(x509.DNSName("*.a.example")))),
    Beyond("a host name with a zero octet", "extensions.subjectAltName.dNSName",
           asking("CN=d", san(x509.DNSName("bank.example\0.evil.example")))),
    Beyond("a host name with a blank", "extensions.subjectAltName.dNSName",
           asking("CN=d", san(x509.DNSName("a b.example")))),
    Beyond("a host name with an empty label", "extensions.subjectAltName.dNSName",
           asking("CN=d", san(x509.DNSName("a..example")))),
    Beyond("an empty host name", "extensions.subjectAltName.dNSName",
           asking("CN=d", san(x509.DNSName("")))),
    Beyond("a URI with a line break", "extensions.subjectAltName.uniformResourceIdentifier",
           asking("CN=d", san(x509.UniformResourceIdentifier("urn:a\nb")))),
    Beyond("a wildcard within", "extensions.subjectAltName.dNSName",
           asking("CN=d", san(x509.DNSName("a.*.example"))), {"san": {"wildcards": True}}),
    Beyond("an otherName", "extensions.subjectAltName.otherName", asking("CN=d", san(OTHER))),
    Beyond("a kind that is not allowed", "extensions.subjectAltName.iPAddress",
           asking("CN=d", san(x509.IPAddress(ipaddress.ip_address("10.0.0.1")))),
           {"san": {"kinds": ["dns"]}}),
    Beyond("an address outside", "extensions.subjectAltName.iPAddress",
           asking("CN=d", san(x509.IPAddress(ipaddress.ip_address("11.0.0.1")))),
           {"san": {"ip": {"networks": ["10.0.0.0/8"]}}}),
    Beyond("a DNS name of others", "extensions.subjectAltName.dNSName", asking("CN=d", san(DNS)),
           {"san": {"dns": {"patterns": [r"[a-z]+\.factory\.example"]}}}),
    Beyond("more names than allowed", "extensions.subjectAltName.dNSName",
           asking("CN=d", san(DNS, x509.DNSName("b.example"))), {"san": {"dns": {"max": 1}}}),
    Beyond("names where none are taken", "extensions.subjectAltName", asking("CN=d", san(DNS)),
           template="code-signing"),
    Beyond("must-staple of a device", "extensions.tlsFeature", asking("CN=d", TLS_FEATURE)),
    Beyond("an attribute that is not allowed", "subject.O", asking("CN=d,O=x"),
           {"subject": {"allowed": ["CN"]}}),
    Beyond("a forbidden attribute", "subject.emailAddress", asking("CN=d,emailAddress=a@b"),
           {"subject": {"forbidden": ["emailAddress"]}}),
    Beyond("a value that does not match", "subject.OU", asking("CN=d,OU=x"),
           {"subject": {"patterns": {"OU": "[0-9]+"}}}),
    Beyond("another organisation", "subject.O", asking("CN=d,O=Evil"), {"subject": {"fixed": {"O": "Good"}}}),
    Beyond("another's serial number", "subject.serialNumber", asking("CN=d,serialNumber=B"),
           {"subject": {"from_entity": {"serialNumber": "serial"}}}),
    Beyond("what the template composes otherwise", "subject.CN", asking("CN=other"),
           template={"subject": ["CN={entity.name}"]}),
    Beyond("too long", "validity.notAfter", asking(not_after=NOW + 400 * DAY),
           {"validity": {"longest": "365d"}}),
    Beyond("beyond the CA", "validity.notAfter", asking(not_after=NOW + 40 * 365 * DAY)),
    Beyond("too early", "validity.notBefore", asking(not_before=NOW - DAY)),
    Beyond("too far ahead", "validity.notBefore", asking(not_before=NOW + 90 * DAY)),
    Beyond("longer where only shorter is allowed", "validity.notAfter", asking(not_after=NOW + 366 * DAY),
           {"validity": {"requested_validity": "shorten"}}),
    Beyond("a subject with a zero octet", "subject.CN",
           replace(asking(), subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a\0b")])),
           trims=False),
    Beyond("a subject that reads backwards", "subject.CN", replace(
           asking(), subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a\u202eb")])),
           trims=False),
    Beyond("a missing attribute", "subject.O", asking(), {"subject": {"required": ["O"]}}, trims=False),
    Beyond("a missing name", "extensions.subjectAltName.dNSName", asking(), {"san": {"required": ["dns"]}},
           trims=False),
    Beyond("nobody", "subject", asking(""), trims=False),
    Beyond("a short RSA key", "publicKey", asking(kind="RSA-1024"), trims=False),
    Beyond("an RSA exponent of 3", "publicKey", asking(kind="RSA-3"), trims=False),
    Beyond("a curve of others", "publicKey", asking(kind="P-224"), trims=False),
    Beyond("a key for agreement only", "publicKey", asking(kind="X25519"), trims=False),
    Beyond("X25519 to sign", "publicKey", asking(kind="X25519"), {"keys": {"algorithms": ["X25519"]}},
           trims=False),
    Beyond("a key the policy leaves out", "publicKey", asking(), {"keys": {"algorithms": ["RSA"]}},
           trims=False),
    Beyond("an end before the beginning", "validity.notAfter", asking(not_after=NOW - DAY), trims=False),
]  # fmt: skip


@pytest.mark.parametrize("case", BEYOND, ids=[case.what for case in BEYOND])
def test_what_goes_beyond_is_refused_naming_the_field(desk: Desk, case: Beyond) -> None:
    with pytest.raises(RequestRefused) as refused:
        desk.under(case.policy | {"excess": "refuse"}, case.template).issue(case.request)
    assert refused.value.field == case.where
    assert refused.value.text.isprintable()


@pytest.mark.parametrize("case", BEYOND, ids=[case.what for case in BEYOND])
def test_what_goes_beyond_is_trimmed_and_told_where_the_rest_makes_sense(desk: Desk, case: Beyond) -> None:
    desk = desk.under(case.policy | {"excess": "trim"}, case.template)
    if not case.trims:
        with pytest.raises(RequestRefused):
            desk.issue(case.request)
        return
    issuance = desk.issue(case.request)
    assert any(one.startswith(f"{case.where}: ") for one in issuance.modifications)
    # What was trimmed is not asked again: the certificate itself passes under the same policy, refusing.
    certificate = x509.load_der_x509_certificate(issuance.der)
    again = replace(
        case.request, subject=certificate.subject, extensions=certificate.extensions, not_before=None
    )
    again = replace(again, not_after=issuance.not_after)
    strict = Desk(replace(desk.compiled, policy=replace(desk.compiled.policy, excess="refuse")))
    assert strict.issue(again).modifications == ()


def test_values_are_fixed_and_taken_from_the_entity_where_the_request_is_silent(desk: Desk) -> None:
    rules = {"fixed": {"O": "Good"}, "from_entity": {"serialNumber": "serial", "CN": "name"}}
    certificate = desk.under({"subject": rules}).certificate(asking("C=DE"))
    assert certificate.subject == parse_name("CN=pump-7,serialNumber=A-100,O=Good,C=DE")


def test_an_entity_without_the_value_to_be_taken_is_refused(desk: Desk) -> None:
    desk = desk.under({"subject": {"from_entity": {"serialNumber": "serial"}}})
    with pytest.raises(RequestRefused, match="has no serial"):
        desk.issue(asking(), replace(ENTITY, attributes={}))


def test_a_template_composes_subject_and_names_from_entity_and_request(desk: Desk) -> None:
    template = {
        "subject": ["CN={entity.name}", "OU={request.OU}", "O=Example"],
        "san": ["dns:{entity.name}.example.org", "uri:urn:uuid:{entity.id}"],
    }
    certificate = desk.under({}, template).certificate(asking("CN=x,OU=line 3"))
    assert {one.rfc4514_string() for one in certificate.subject} == {"CN=pump-7", "OU=line 3", "O=Example"}
    names = value(certificate, x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.DNSName) == ["pump-7.example.org"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:uuid:{ENTITY.id}"]


def test_names_are_critical_where_the_subject_is_empty(desk: Desk) -> None:
    certificate = desk.certificate(asking("", san(DNS)))
    assert certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_a_template_gives_its_extensions_in_full(desk: Desk) -> None:
    template = {
        "certificate_policies": [{"oid": "1.2.3.4", "cps": "https://pki.example/cps"}],
        "ocsp": ["{url}/ocsp"],
        "ca_issuers": ["{url}/ca/{ca}.cer"],
        "ocsp_no_check": True,
        "extensions": [{"oid": "1.2.3.5", "der": "BQA=", "critical": True}],
        "crl_distribution_points": ["http://crl.example/{ca.name}.crl"],
    }
    certificate = desk.under({}, template).certificate(asking())
    assert (
        next(iter(value(certificate, x509.CertificatePolicies))).policy_identifier.dotted_string == "1.2.3.4"
    )
    methods = [one.access_method for one in value(certificate, x509.AuthorityInformationAccess)]
    assert methods == [x509.OID_OCSP, x509.OID_CA_ISSUERS]
    assert value(certificate, x509.OCSPNoCheck) == x509.OCSPNoCheck()
    extra = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.2.3.5"))
    assert extra.critical
    assert extra.value == x509.UnrecognizedExtension(extra.oid, b"\5\0")
    (point,) = value(certificate, x509.CRLDistributionPoints)
    assert point.full_name[0].value == "http://crl.example/issuing.crl"


def test_a_certificate_never_outlives_its_ca_and_never_precedes_it(desk: Desk) -> None:
    authority = desk.compiled.authority
    late = desk.issue(asking(), now=authority.not_after - DAY)
    assert late.not_after == authority.not_after
    early = desk.issue(asking(), now=authority.not_before + 1)
    assert early.not_before >= authority.not_before


def test_a_requested_validity_is_ignored_without_a_word_where_the_policy_says_so(desk: Desk) -> None:
    desk = desk.under({"validity": {"requested_validity": "ignore"}, "excess": "refuse"})
    issuance = desk.issue(asking(not_before=NOW - 400 * DAY, not_after=NOW + 9000 * DAY))
    assert issuance.modifications == ()
    assert issuance.not_after == NOW + 365 * DAY


def test_a_certificate_is_backdated_as_the_template_says(desk: Desk) -> None:
    issuance = desk.under({}, {"backdate": "1h"}).issue(asking(), now=NOW + DAY)
    assert issuance.not_before == NOW + DAY - 3600


@given(st.binary(min_size=20, max_size=20))
def test_serial_numbers_are_positive_and_at_most_20_octets(octets: bytes) -> None:
    drawn = iter((octets, b"\1" * 20))
    assert 0 < new_serial(lambda _: next(drawn)) < 1 << 159


def test_ten_thousand_serial_numbers_do_not_repeat() -> None:
    serials = {new_serial(os.urandom) for _ in range(10_000)}
    assert len(serials) == 10_000
    assert max(serials).bit_length() > 150
