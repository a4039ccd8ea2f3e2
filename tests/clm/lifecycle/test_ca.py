"""CAs made here, imported and certified elsewhere can issue; those that cannot work are refused."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from cmpd.clm.authorities.authority import Authority, AuthorityDocument
from cmpd.clm.authorities.ca_files import read_certificates, read_key, read_pkcs12
from cmpd.clm.authorities.chains import CAProblem
from cmpd.clm.authorities.key_kinds.software import SoftwareKey
from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.template import ready_made
from cmpd.clm.issuance.certificate_request import CertificateRequest
from cmpd.clm.issuance.compiled_policy import CompiledPolicy
from cmpd.clm.lifecycle.ca import (
    CAChange,
    import_ca,
    install_certificate,
    make_issuing,
    make_root,
    renew_signer,
    request_ca,
)
from cmpd.clm.lifecycle.rollover import roll_over
from cmpd.clm.model import ObjectKind
from cmpd.clm.pkix import keypairs
from cmpd.clm.pkix.algorithms import KEYS
from cmpd.clm.pkix.names import parse_name
from cmpd.clm.pkix.usages import key_usage
from cmpd.clm.store.changes import AddCertificate
from tests.clm.conftest import NOW, PKI, URL
from tests.support.issuing import done, issue, private_key

YEAR = 365 * 86400
NAME = parse_name("CN=Factory CA,O=Example,C=DE")
POLICY = Policy.of("11111111-2222-3333-4444-555555555555", "p", {"ca": "x", "template": "device"})


def issues(authority: Authority) -> x509.Certificate:
    """A certificate of the CA for a fresh device."""
    compiled = CompiledPolicy.of(POLICY, ready_made()["device"], authority)
    request = CertificateRequest(parse_name("CN=d"), ec.generate_private_key(ec.SECP256R1()).public_key())
    return x509.load_der_x509_certificate(issue(compiled, None, request, now=NOW, random=os.urandom).der)


def verify(certificate: x509.Certificate, authority: Authority) -> None:
    """By hand, since verify_directly_issued_by knows no ML-DSA in every release."""
    assert certificate.issuer == authority.certificate.subject
    key = authority.certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        certificate.verify_directly_issued_by(authority.certificate)
    else:
        key.verify(certificate.signature, certificate.tbs_certificate_bytes)  # type: ignore[union-attr,call-arg] # EdDSA, ML-DSA


def root(pki: PKI, algorithm: str = "P-256", name: str = "factory") -> CAChange:
    return done(make_root(pki.maker, name, NAME, algorithm, YEAR, URL))


@pytest.mark.parametrize("algorithm", [name for name in KEYS.makers() if name != "RSA-4096"])
def test_a_root_of_every_key_algorithm_issues_certificates_and_has_a_signer_of_its_kind(
    pki: PKI, algorithm: str
) -> None:
    try:
        keypairs.generate(algorithm)
    except keypairs.KeyProblem:
        assert algorithm.startswith("ML-DSA")  # an older cryptography or OpenSSL
        return
    authority = root(pki, algorithm).authority(pki.master_key)
    assert keypairs.key_name(authority.certificate.public_key()) == algorithm
    verify(issues(authority), authority)
    verify(authority.signer.certificate, authority)
    own, above = authority.signer.certificate.public_key(), authority.certificate.public_key()
    assert KEYS.of(own).name == KEYS.of(above).name


def test_a_cmp_signer_says_so_in_its_certificate(pki: PKI) -> None:
    certificate = pki.authority().signer.certificate
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [one.dotted_string for one in usage] == ["1.3.6.1.5.5.7.3.27"]
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value == key_usage(
        ("digitalSignature",)
    )
    key_id = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert key_id == pki.authority().key_id
    assert certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)


def test_a_key_generation_authority_says_so_in_its_certificate(pki: PKI) -> None:
    made = done(renew_signer(pki.maker, pki.stored(ObjectKind.CA, "issuing"), pki.authority(), "kga"))
    kga = made.authority(pki.master_key).kga
    assert kga is not None
    usage = kga.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ObjectIdentifier("1.3.6.1.5.5.7.3.32")]
    assert ExtendedKeyUsageOID.CLIENT_AUTH not in usage


def test_a_ca_under_another_keeps_to_its_end_and_path_length(pki: PKI) -> None:
    above = root(pki).authority(pki.master_key)
    made = done(make_issuing(pki.maker, "line", parse_name("CN=Line CA"), "P-256", 9 * YEAR, URL, above))
    authority = made.authority(pki.master_key)
    assert authority.not_after == above.not_after
    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert authority.chain == (above.certificate_der,)
    with pytest.raises(CAProblem, match="pathLenConstraint 0"):
        done(make_issuing(pki.maker, "cell", parse_name("CN=Cell CA"), "P-256", YEAR, URL, authority))


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"name": "a b"}, "name"),
        ({"name": ""}, "name"),
        ({"algorithm": "P-192"}, "key"),
        ({"url": "ftp://x"}, "url"),
        ({"url": "http://x/"}, "url"),
        ({"validity": -1}, "validity"),
    ],
)
def test_a_ca_that_cannot_work_is_refused_naming_what_is_wrong(
    pki: PKI, changed: dict[str, Any], key: str
) -> None:
    arguments: dict[str, Any] = {
        "name": "x",
        "subject": NAME,
        "algorithm": "P-256",
        "validity": YEAR,
        "url": URL,
    } | changed
    if changed.get("validity") == -1:
        arguments["validity"] = -YEAR
    with pytest.raises(Exception, match=key) as error:
        done(make_root(pki.maker, **arguments))
    assert getattr(error.value, "key", None) == key


def elsewhere(pki: PKI) -> tuple[Authority, Any]:
    """A CA made by somebody else: (as that one has it, its key)."""
    above = root(pki, name="above").authority(pki.master_key)
    made = done(
        make_issuing(pki.maker, "there", parse_name("CN=Made there"), "P-384", YEAR, "http://x", above)
    )
    authority = made.authority(pki.master_key)
    return authority, private_key(authority)


def test_a_ca_is_imported_from_pem_with_its_chain_in_any_order(pki: PKI) -> None:
    there, key = elsewhere(pki)
    pem = b"".join(
        x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
        for der in (*there.chain, there.certificate_der)
    )
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    made = done(
        import_ca(
            pki.maker,
            "here",
            read_certificates(pem, "c.pem"),
            SoftwareKey(read_key(key_pem, "secret", "k.pem")),
            URL,
        )
    )
    authority = made.authority(pki.master_key)
    assert authority.certificate == there.certificate
    assert authority.chain == there.chain
    verify(issues(authority), there)


def test_a_ca_is_imported_from_pkcs12(pki: PKI) -> None:
    there, key = elsewhere(pki)
    above = [x509.load_der_x509_certificate(der) for der in there.chain]
    data = pkcs12.serialize_key_and_certificates(
        b"ca", key, there.certificate, above, BestAvailableEncryption(b"secret")
    )
    loaded, certificates = read_pkcs12(data, "secret", "ca.p12")
    verify(
        issues(
            done(import_ca(pki.maker, "here", certificates, SoftwareKey(loaded), URL)).authority(
                pki.master_key
            )
        ),
        there,
    )
    for wrong in (None, "guess"):
        with pytest.raises(CAProblem, match="password"):
            read_pkcs12(data, wrong, "ca.p12")


def test_an_import_that_does_not_fit_together_is_refused(pki: PKI) -> None:
    there, key = elsewhere(pki)
    above = [x509.load_der_x509_certificate(der) for der in there.chain]
    device = issues(there)
    other = ec.generate_private_key(ec.SECP256R1())
    for certificates, private, words in (
        ([there.certificate], key, "is missing, which issued"),
        ([there.certificate, *above], other, "none of the certificates is that of the private key"),
        (above, key, "none of the certificates"),
    ):
        with pytest.raises(CAProblem, match=words):
            done(import_ca(pki.maker, "here", certificates, SoftwareKey(private), URL))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    with pytest.raises(CAProblem, match="passphrase"):
        read_key(pem, None, "k.pem")
    small = rsa.generate_private_key(65537, 1024)
    der = small.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(CAProblem, match="2048 to 4096 bits"):
        read_key(der, None, "k.der")
    for rubbish in (b"", b"-----BEGIN", device.public_bytes(Encoding.DER)[:-3]):
        with pytest.raises(CAProblem, match="expected"):
            read_certificates(rubbish, "c.pem")
    strange = dsa.generate_private_key(2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(CAProblem, match="not supported"):
        read_key(strange, None, "k.pem")


def test_an_expired_ca_and_a_device_are_not_imported(pki: PKI) -> None:
    there, key = elsewhere(pki)
    above = [x509.load_der_x509_certificate(der) for der in there.chain]
    pki.now = there.not_after + 1
    with pytest.raises(CAProblem, match="is expired"):
        done(import_ca(pki.maker, "here", [there.certificate, *above], SoftwareKey(key), URL))
    own = ec.generate_private_key(ec.SECP256R1())
    start = datetime.fromtimestamp(pki.now, UTC) - timedelta(days=1)
    device = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(own.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=9))
        .sign(own, keypairs.signature_hash(own))
    )
    with pytest.raises(CAProblem, match="is not a CA"):
        done(import_ca(pki.maker, "here", [device], SoftwareKey(own), URL))


def test_a_ca_is_certified_elsewhere_from_a_request(pki: PKI) -> None:
    above = root(pki).authority(pki.master_key)
    made, pem = done(request_ca(pki.maker, "plant", parse_name("CN=Plant CA"), "P-256", URL))
    with pytest.raises(CAProblem, match="waits for its certificate"):
        made.authority(pki.master_key)
    csr = x509.load_pem_x509_csr(pem.encode())
    assert csr.is_signature_valid
    compiled = CompiledPolicy.of(POLICY, ready_made()["sub-ca"], above)
    issuance = issue(
        compiled,
        None,
        CertificateRequest(csr.subject, csr.public_key(), csr.extensions),
        now=NOW,
        random=os.urandom,
    )
    certificate = x509.load_der_x509_certificate(issuance.der)
    installed = done(install_certificate(pki.maker, made.stored, [above.certificate, certificate]))
    authority = installed.authority(pki.master_key)
    verify(issues(authority), authority)
    assert authority.chain == (above.certificate_der,)
    with pytest.raises(CAProblem, match="none of the certificates is that of the private key"):
        done(install_certificate(pki.maker, made.stored, [above.certificate]))


def test_a_rollover_of_a_root_makes_both_cross_certificates_and_passes_the_name_on(pki: PKI) -> None:
    made = root(pki)
    old = made.authority(pki.master_key)
    pki.now += YEAR // 2
    retired, fresh = done(roll_over(pki.maker, made.stored, old, None))
    new = fresh.authority(pki.master_key)
    assert (retired.id, retired.name) == ("factory-1", "factory-1")
    assert (new.id, new.name, new.predecessor) == ("factory-2", "factory", "factory-1")
    assert AuthorityDocument.of(retired).successor == "factory-2"
    assert new.certificate.subject == old.certificate.subject
    assert new.new_with_old is not None
    assert new.old_with_new is not None
    new_with_old = x509.load_der_x509_certificate(new.new_with_old)
    old_with_new = x509.load_der_x509_certificate(new.old_with_new)
    new_with_old.verify_directly_issued_by(old.certificate)
    old_with_new.verify_directly_issued_by(new.certificate)
    assert new_with_old.public_key() == new.certificate.public_key()
    assert old_with_new.public_key() == old.certificate.public_key()
    with pytest.raises(CAProblem, match="rolled over already"):
        done(roll_over(pki.maker, retired, old, None))


def test_a_rollover_of_an_issuing_ca_is_certified_by_the_ca_above(pki: PKI) -> None:
    stored, old = pki.stored(ObjectKind.CA, "issuing"), pki.authority("issuing")
    with pytest.raises(CAProblem, match="certified elsewhere"):
        done(roll_over(pki.maker, stored, old, None))
    _, fresh = done(roll_over(pki.maker, stored, old, pki.authority("root"), "P-384"))
    pki.commit(*fresh.unit)
    new = pki.authority("issuing")
    assert new.id == "issuing-2"
    new.certificate.verify_directly_issued_by(pki.authority("root").certificate)
    assert KEYS.of(new.certificate.public_key()).name == "P-384"
    assert pki.compiled().authority.id == "issuing-2"
    recorded = [change.certificate.ca for change in fresh.unit if isinstance(change, AddCertificate)]
    assert sorted(recorded) == ["issuing-2", "root-1"]


def test_a_key_sealed_for_one_ca_opens_for_no_other(pki: PKI) -> None:
    made = root(pki)
    moved = replace(made, stored=replace(made.stored, id="other-1"))
    with pytest.raises(Exception, match="moved there from another record"):
        moved.authority(pki.master_key)
