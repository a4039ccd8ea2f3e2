"""First enrolment by `openssl cmp` under a shared secret: what a device sends, and what it must get."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.e2e.harness import DEMO_ENTITY, DEMO_PASSWORD, Device, cmp_trace, openssl_version

UNKNOWN_ENTITY = "251069b7-bcc3-4911-b312-000000000000"
KEYS = {
    "EC:P-256": ec.EllipticCurvePublicKey,
    "EC:P-384": ec.EllipticCurvePublicKey,
    "EC:P-521": ec.EllipticCurvePublicKey,
    "RSA:2048": rsa.RSAPublicKey,
    "RSA:3072": rsa.RSAPublicKey,
    "ED25519": ed25519.Ed25519PublicKey,
    "ED448": ed448.Ed448PublicKey,
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize(("command", "answer"), [("ir", "IP"), ("cr", "CP")])
def test_a_request_for_a_key_gets_a_certificate_that_verifies(
    device: Device, command: str, answer: str, kind: str
) -> None:
    device.key(kind)
    done = device.enrol(command)
    assert done.status == 0, done.output
    assert cmp_trace(done) == [command.upper(), answer, "CERTCONF", "PKICONF"]
    assert device.verify().status == 0
    certificate = device.certificate()
    assert isinstance(certificate.public_key(), KEYS[kind])
    assert device.daemon.standing(certificate) == "active"


def test_the_certificate_is_the_client_certificate_of_the_default_template(device: Device) -> None:
    assert device.enrol().status == 0
    certificate = device.certificate()
    assert certificate.subject.rfc4514_string() in ("CN=User,O=MTG,C=DE", "C=DE,O=MTG,CN=User")
    assert [attribute.value for attribute in certificate.subject] == ["User", "MTG", "DE"]
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.CLIENT_AUTH in extended
    for extension in (
        x509.SubjectKeyIdentifier,
        x509.AuthorityKeyIdentifier,
        x509.CRLDistributionPoints,
    ):
        assert certificate.extensions.get_extension_for_class(extension)
    text = device.openssl("x509", "-in", "cert.pem", "-noout", "-text").output
    assert "Version: 3 (0x2)" in text
    assert "TLS Web Client Authentication" in text
    assert 64 < certificate.serial_number.bit_length() <= 159


@pytest.mark.parametrize("digest", ["sha224", "sha256", "sha384", "sha512"])
def test_pbm_takes_every_one_way_function(device: Device, digest: str) -> None:
    assert device.enrol("ir", "-digest", digest).status == 0
    assert device.verify().status == 0


def test_pbm_takes_sha1_as_one_way_function(device: Device) -> None:
    """In a revocation, since `-digest` is the proof of possession's hash as well."""
    assert device.enrol().status == 0
    done = device.cmp("rr", "-oldcert", "cert.pem", "-digest", "sha1")
    assert done.status == 0, done.output


def test_a_signature_with_sha1_proves_no_possession(device: Device) -> None:
    done = device.enrol("ir", "-digest", "sha1")
    assert done.status != 0
    assert "badAlg" in done


@pytest.mark.parametrize(
    "mac", ["hmac-sha1", "hmacWithSHA224", "hmacWithSHA256", "hmacWithSHA384", "hmacWithSHA512"]
)
def test_pbm_takes_every_mac(device: Device, mac: str) -> None:
    assert device.enrol("ir", "-mac", mac).status == 0
    assert device.verify().status == 0


def test_implicit_confirmation_is_granted_where_asked(device: Device) -> None:
    done = device.enrol("ir", "-implicit_confirm")
    assert done.status == 0, done.output
    assert cmp_trace(done) == ["IR", "IP"]
    assert device.daemon.standing(device.certificate()) == "active"


def test_a_client_that_never_confirms_leaves_its_certificate_unconfirmed(device: Device) -> None:
    done = device.enrol("ir", "-disable_confirm")
    assert done.status == 0, done.output
    assert cmp_trace(done) == ["IR", "IP"]
    assert device.daemon.standing(device.certificate()) == "unconfirmed"


def test_subject_alternative_names_come_as_asked(device: Device) -> None:
    names = "gateway.example, 192.0.2.7, urn:dev:7"
    assert device.enrol("ir", "-sans", names).status == 0
    san = device.certificate().extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert not san.critical
    assert san.value.get_values_for_type(x509.DNSName) == ["gateway.example"]
    assert [str(one) for one in san.value.get_values_for_type(x509.IPAddress)] == ["192.0.2.7"]
    assert san.value.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:dev:7"]


def test_critical_subject_alternative_names_stay_critical(device: Device) -> None:
    assert device.enrol("ir", "-sans", "gateway.example, critical").status == 0
    san = device.certificate().extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert san.critical


def test_the_validity_asked_for_is_given(device: Device) -> None:
    assert device.enrol("ir", "-days", "10").status == 0
    certificate = device.certificate()
    span = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert datetime.timedelta(days=9, hours=23) < span <= datetime.timedelta(days=10, hours=1)


def test_a_request_has_no_purpose_that_the_first_policy_does_not_give(device: Device) -> None:
    wished = ["keyUsage = critical, digitalSignature", "extendedKeyUsage = clientAuth, serverAuth"]
    (device.folder / "request.cnf").write_text("\n".join(["[wished]", *wished, ""]))
    done = device.enrol("ir", "-config", "request.cnf", "-reqexts", "wished")
    assert done.status == 0, done.output
    extensions = device.certificate().extensions
    assert extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize(
    ("popo", "failure"),
    [
        pytest.param("-1", "badPOP", id="none", marks=pytest.mark.may_skip("OpenSSL 3.5 cannot be made to")),
        pytest.param("0", "notAuthorized", id="raVerified"),
    ],
)
def test_a_request_that_proves_no_possession_is_refused(device: Device, popo: str, failure: str) -> None:
    if popo == "-1" and openssl_version() >= (3, 5):
        pytest.skip("without proof of possession, OpenSSL 3.5 asks for a key made by the server")
    before = len(device.daemon.certificates())
    done = device.enrol("ir", "-popo", popo)
    assert done.status != 0
    assert failure in done
    assert len(device.daemon.certificates()) == before


def test_a_signature_proves_possession(device: Device) -> None:
    assert device.enrol("ir", "-popo", "1").status == 0


def test_a_certificate_the_client_rejects_is_revoked(device: Device) -> None:
    device.key(name="other.pem")
    device.openssl("req", "-x509", "-key", "other.pem", "-subj", "/CN=Other", "-out", "other-ca.pem")
    known = {one.serial for one in device.daemon.certificates()}
    done = device.enrol("ir", "-out_trusted", "other-ca.pem")
    assert done.status != 0
    assert cmp_trace(done) == ["IR", "IP", "CERTCONF", "PKICONF"]
    (fresh,) = [one for one in device.daemon.certificates() if one.serial not in known]
    assert fresh.state == "rejected"


def _complaint(output: str) -> str:
    lines = [line for line in output.splitlines() if "received" in line.lower() or "PKIStatus" in line]
    return "\n".join(line.partition("CMP ")[2] for line in lines)


def test_a_wrong_secret_and_an_unknown_reference_look_the_same(device: Device) -> None:
    device.key()
    answers = []
    for reference, secret in ((DEMO_ENTITY, "wrong"), (UNKNOWN_ENTITY, DEMO_PASSWORD)):
        words = ["-ref", reference, "-secret", f"pass:{secret}", "-newkey", "key.pem", "-subject", "/CN=User"]
        done = device.cmp("ir", *words, "-certout", "cert.pem", "-unprotected_errors", secret=False)
        assert done.status != 0
        assert "badMessageCheck" in done
        answers.append(_complaint(done.output))
    assert answers[0] == answers[1]
    assert not (device.folder / "cert.pem").exists()


def test_a_secret_without_a_reference_is_told_what_is_missing(device: Device) -> None:
    device.key()
    done = device.request("ir", "-secret", f"pass:{DEMO_PASSWORD}", "-unprotected_errors")
    assert done.status != 0
    assert "badMessageCheck" in done
    assert 'StatusString: "senderKID is missing' in done


@pytest.mark.parametrize("keep_alive", ["0", "1", "2"])
def test_a_connection_is_kept_as_the_client_wishes(device: Device, keep_alive: str) -> None:
    done = device.enrol("ir", "-keep_alive", keep_alive)
    assert done.status == 0, done.output
    assert cmp_trace(done) == ["IR", "IP", "CERTCONF", "PKICONF"]


def test_the_first_response_carries_the_ca_certificates_to_a_client_with_a_secret(device: Device) -> None:
    done = device.enrol(
        "ir", "-cacertsout", "cas.pem", "-extracertsout", "extra.pem", "-chainout", "chain.pem"
    )
    assert done.status == 0, done.output
    chain = x509.load_pem_x509_certificates((device.folder / "extra.pem").read_bytes())
    assert device.certificate().issuer in [one.subject for one in chain]
