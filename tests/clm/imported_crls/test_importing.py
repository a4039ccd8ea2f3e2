"""CRLs that operators hand in are verified, and none replaces a later one (RFC 5280, section 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.documents.policy import Policy, certificates_in
from cmpd.clm.documents.rules.pem_certificates import CERTIFICATES, pem_text
from cmpd.clm.imported_crls import importing
from cmpd.clm.imported_crls.importing import (
    CRLRefused,
    Import,
    import_crl,
    read_crls,
    remove_crl,
    trusted_issuers,
)
from cmpd.clm.imported_crls.stored import ImportedCRL, imported_crls
from cmpd.clm.model import Act
from cmpd.clm.settings import TEXT, listing, nested, setting
from cmpd.clm.store.base import Store
from cmpd.cmp.wire import schema
from tests.clm.conftest import PKI
from tests.clm.crls import CRL, UNKNOWN, CRLPlan, entry, point, reason, revoking
from tests.clm.pki import NOW, Holder, Plan, key, name

ACT = Act("operator:test", NOW)
ROOT = Plan(name("Vendor Root"), key("P-256", 40), ca=True).issue(None)
WORKS = Plan(name("Vendor Works"), key("P-256", 41), ca=True).issue(ROOT)
DEVICE = Plan(name("device"), key("P-256", 42)).issue(WORKS)
OLD = Plan(name("Old Root"), key("RSA", 46), ca=True).issue(None)
STRANGER = Plan(name("Stranger"), key("P-256", 43), ca=True).issue(None)
NAMESAKE = Plan(name("Vendor Root"), key("P-256", 44), ca=True).issue(None)
UNFIT = Plan(name("Vendor Works"), key("P-256", 41), ca=True, crl_sign=False).issue(ROOT)
URL = x509.UniformResourceIdentifier("http://vendor.example/crl")


@pytest.fixture
def trusting(pki: PKI) -> PKI:
    """The demo PKI, with a policy that trusts the vendor's root."""
    document = {"ca": "issuing", "template": "device", "trust_anchors": [pem_text(ROOT.der)]}
    pki.put_policy(Policy.of("7be5c0a4-1c57-4f0e-8a33-6f1d2e4b5a20", "vendors", document))
    return pki


def taken(pki: PKI, *crls: CRL, more: tuple[Holder, ...] = ()) -> list[Import]:
    """What comes of CRLs, handed in one after the other."""

    async def work(store: Store) -> list[Import]:
        issuers = await trusted_issuers(store, [one.certificate for one in more], NOW)
        return [await import_crl(store, crl, issuers, ACT) for crl in crls]

    return pki.run(work)


def kept(pki: PKI) -> list[ImportedCRL]:
    return pki.run(imported_crls)


def tampered(crl: CRL) -> CRL:
    """With another serial number in its entry, under the same signature."""
    der = crl.public_bytes(Encoding.DER)
    (one,) = crl
    octets = one.serial_number.to_bytes((one.serial_number.bit_length() + 8) // 8, "big")
    assert octets in der
    return x509.load_der_x509_crl(der.replace(octets, octets[:-1] + bytes([octets[-1] ^ 1])))


def said_to_be_sha1(crl: CRL) -> CRL:
    """A CRL that says sha1WithRSAEncryption (its signature is not at stake)."""
    sha256, sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    return x509.load_der_x509_crl(crl.public_bytes(Encoding.DER).replace(sha256, sha1))


def endless(crl: CRL) -> CRL:
    """The same of `ROOT`'s, without nextUpdate."""
    whole = schema.decode("CertificateList", crl.public_bytes(Encoding.DER))
    del whole["tbsCertList"]["nextUpdate"]
    signature = ROOT.key.sign(schema.encode("TBSCertList", whole["tbsCertList"]), ec.ECDSA(hashes.SHA256()))
    whole["signature"] = (signature, 8 * len(signature))
    return x509.load_der_x509_crl(schema.encode("CertificateList", whole))


def delta() -> tuple[x509.ExtensionType, bool]:
    return x509.DeltaCRLIndicator(1), True


CERTIFICATE_ISSUER = x509.CertificateIssuer([x509.DirectoryName(STRANGER.certificate.subject)])
SOME_REASONS = frozenset({x509.ReasonFlags.key_compromise})
RELATIVE = x509.RelativeDistinguishedName(list(name("part").rdns[0]))


@dataclass(frozen=True)
class Row:
    """A CRL that is not taken."""

    told: str
    crl: CRL
    more: tuple[Holder, ...] = ()


REFUSED = {
    "of nobody's": Row("--issuer", CRLPlan().issue(STRANGER)),
    "of an issuer whose certificate was not handed in": Row("--issuer", CRLPlan().issue(WORKS)),
    "by another key of the same name": Row("signature", CRLPlan().issue(NAMESAKE)),
    "changed after it was signed": Row("signature", tampered(revoking(DEVICE).issue(ROOT))),
    "of an issuer that may not sign CRLs": Row("cRLSign", CRLPlan().issue(UNFIT), (UNFIT,)),
    "signed with SHA-1": Row("SHA1", said_to_be_sha1(CRLPlan().issue(OLD))),
    "without nextUpdate": Row("nextUpdate", endless(CRLPlan().issue(ROOT))),
    "a delta CRL": Row("delta", CRLPlan(extensions=(delta(),)).issue(ROOT)),
    "an indirect one": Row("indirect", CRLPlan(extensions=((point(indirect_crl=True), True),)).issue(ROOT)),
    "one with entries of another issuer's": Row(
        "certificateIssuer", CRLPlan(entries=(entry(5, (CERTIFICATE_ISSUER, True)),)).issue(ROOT)
    ),
    "for end entities only": Row(
        "onlyContainsUserCerts",
        CRLPlan(extensions=((point(only_contains_user_certs=True), True),)).issue(ROOT),
    ),
    "for CAs only": Row(
        "onlyContainsCACerts", CRLPlan(extensions=((point(only_contains_ca_certs=True), True),)).issue(ROOT)
    ),
    "for attribute certificates": Row(
        "onlyContainsAttributeCerts",
        CRLPlan(extensions=((point(only_contains_attribute_certs=True), True),)).issue(ROOT),
    ),
    "for some reasons": Row(
        "onlySomeReasons",
        CRLPlan(extensions=((point(only_some_reasons=SOME_REASONS, full_name=[URL]), True),)).issue(ROOT),
    ),
    "for a relative distribution point": Row(
        "nameRelativeToCRLIssuer",
        CRLPlan(extensions=((point(relative_name=RELATIVE), True),)).issue(ROOT),
    ),
    "with an unknown critical extension": Row(
        "1.3.6.1.4.1.55555.1", CRLPlan(extensions=((UNKNOWN, True),)).issue(ROOT)
    ),
    "with an unknown critical extension in an entry": Row(
        "1.3.6.1.4.1.55555.1", CRLPlan(entries=(entry(5, (UNKNOWN, True)),)).issue(ROOT)
    ),
    "yet to come": Row("yet to come", CRLPlan(days=(1, 7)).issue(ROOT)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_crl_that_would_be_misread_or_misled_is_refused_with_the_reason(trusting: PKI, case: str) -> None:
    row = REFUSED[case]
    with pytest.raises(CRLRefused) as refused:
        taken(trusting, row.crl, more=row.more)
    assert row.told in str(refused.value)
    assert kept(trusting) == []


TAKEN = {
    "of an anchor": (CRLPlan().issue(ROOT), ()),
    "of a CA below one": (CRLPlan().issue(WORKS), (WORKS,)),
    "without a number": (CRLPlan(number=None).issue(ROOT), ()),
    "with a number of 20 octets": (CRLPlan(number=(1 << 159) - 1).issue(ROOT), ()),
    "without a key identifier": (CRLPlan(key_identifier=False).issue(ROOT), ()),
    "for a distribution point": (CRLPlan(extensions=((point(full_name=[URL]), True),)).issue(ROOT), ()),
    "with an unknown extension": (CRLPlan(extensions=((UNKNOWN, False),)).issue(ROOT), ()),
    "out of date": (CRLPlan(days=(-9, -2)).issue(ROOT), ()),
    "ahead of the clock by less than an hour": (CRLPlan(days=(1 / 48, 7)).issue(ROOT), ()),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_complete_crl_of_a_trusted_issuer_is_taken(trusting: PKI, case: str) -> None:
    crl, more = TAKEN[case]
    (done,) = taken(trusting, crl, more=more)
    assert done.is_new
    (found,) = kept(trusting)
    assert found.der == crl.public_bytes(Encoding.DER)


@pytest.mark.parametrize("kind", ["RSA", "P-384", "Ed25519", "Ed448", "ML-DSA-65"])
def test_a_crl_is_verified_by_every_kind_of_key(trusting: PKI, kind: str) -> None:
    works = Plan(name("Other Works"), key(kind, 47), ca=True).issue(ROOT)
    (done,) = taken(trusting, CRLPlan().issue(works), more=(works,))
    assert done.is_new


LATER: dict[str, tuple[CRLPlan, CRLPlan, str | None]] = {
    "a higher number": (CRLPlan(number=7), CRLPlan(number=8), None),
    "a lower number": (CRLPlan(number=7), CRLPlan(number=6, days=(0, 8)), "number 7 is there"),
    "the same number, another content": (CRLPlan(number=7), revoking(DEVICE, number=7), "no later"),
    "a higher number of an earlier time": (CRLPlan(), CRLPlan(number=2, days=(-2, 9)), "older"),
    "no numbers, a later time": (CRLPlan(number=None), CRLPlan(number=None, days=(0, 7)), None),
    "no numbers, an earlier time": (CRLPlan(number=None), CRLPlan(number=None, days=(-2, 7)), "older"),
    "no numbers, the same time": (CRLPlan(number=None), revoking(DEVICE, number=None), "no later"),
    "the number is new": (CRLPlan(number=None), CRLPlan(number=1, days=(0, 7)), None),
    "the number is gone": (CRLPlan(number=1), CRLPlan(number=None, days=(0, 7)), None),
}


@pytest.mark.parametrize("case", LATER)
def test_a_crl_gives_way_to_a_later_one_only(trusting: PKI, case: str) -> None:
    first, second, told = LATER[case]
    taken(trusting, first.issue(ROOT))
    if told is None:
        taken(trusting, second.issue(ROOT))
    else:
        with pytest.raises(CRLRefused, match=told):
            taken(trusting, second.issue(ROOT))
    (found,) = kept(trusting)
    assert found.number == (first if told else second).number


def test_the_same_crl_again_changes_nothing(trusting: PKI) -> None:
    crl = CRLPlan().issue(ROOT)
    first, second = taken(trusting, crl, crl)
    assert (first.is_new, second.is_new) == (True, False)
    assert first.crl.act == second.crl.act


def test_a_crl_taken_away_lets_an_earlier_one_in(trusting: PKI) -> None:
    (done,) = taken(trusting, CRLPlan(number=7).issue(ROOT))
    trusting.run(lambda store: remove_crl(store, done.crl.id, ACT))
    assert kept(trusting) == []
    (again,) = taken(trusting, CRLPlan(number=6).issue(ROOT))
    assert again.crl.act > done.crl.act
    with pytest.raises(CRLRefused, match=done.crl.id):
        trusting.run(lambda store: remove_crl(store, "5", ACT))


def test_issuers_points_and_keys_have_a_crl_each(trusting: PKI) -> None:
    at = CRLPlan(extensions=((point(full_name=[URL]), True),))
    renewed = Plan(name("Vendor Works"), key("P-256", 45), ca=True).issue(ROOT)
    crls = [CRLPlan().issue(ROOT), at.issue(ROOT), CRLPlan().issue(WORKS), CRLPlan().issue(renewed)]
    taken(trusting, *crls, more=(WORKS, renewed))
    assert {one.der for one in kept(trusting)} == {crl.public_bytes(Encoding.DER) for crl in crls}


def test_an_issuer_that_no_policy_trusts_is_refused(trusting: PKI) -> None:
    with pytest.raises(CRLRefused, match="not trusted by any policy"):
        taken(trusting, CRLPlan().issue(STRANGER), more=(STRANGER,))


@dataclass(frozen=True)
class Inner:
    chain: tuple[bytes, ...] = setting(CERTIFICATES, ())


@dataclass(frozen=True)
class Outer:
    roots: tuple[bytes, ...] = setting(CERTIFICATES, ())
    one: Inner = setting(nested(Inner), Inner())
    rows: tuple[Inner, ...] = setting(listing(nested(Inner)), ())
    names: tuple[str, ...] = setting(listing(TEXT), ())


def test_issuers_are_the_certificates_of_a_policy_under_whatever_key_they_stand() -> None:
    rows = (Inner((STRANGER.der,)), Inner((NAMESAKE.der, UNFIT.der)))
    settings = Outer((ROOT.der,), Inner((WORKS.der,)), rows, ("a", "b"))
    expected = [one.der for one in (ROOT, WORKS, STRANGER, NAMESAKE, UNFIT)]
    assert list(certificates_in(settings)) == expected
    document = {"ca": "issuing", "template": "device", "ra_certificates": [pem_text(ROOT.der)]}
    policy = Policy.of("7be5c0a4-1c57-4f0e-8a33-6f1d2e4b5a20", "vendors", document)
    assert list(policy.certificates()) == [ROOT.der]


def test_acts_are_in_the_audit_with_issuer_and_number(trusting: PKI) -> None:
    (done,) = taken(trusting, revoking(DEVICE, number=1 << 70).issue(ROOT))
    trusting.run(lambda store: remove_crl(store, done.crl.id, ACT))

    async def read(store: Store) -> list[tuple[str, str, object]]:
        events = [one.event async for one in store.audit()]
        return [(one.action, one.subject, one.detail.get("number")) for one in events[-2:]]

    subject = f"crl:{done.crl.id}"
    assert trusting.run(read) == [("crl.import", subject, str(1 << 70)), ("crl.remove", subject, None)]


def test_a_file_holds_one_crl_in_der_or_several_in_pem() -> None:
    crls = [CRLPlan().issue(ROOT), CRLPlan().issue(WORKS)]
    assert read_crls(crls[0].public_bytes(Encoding.DER)) == crls[:1]
    pem = b"and a word before\n" + b"\n".join(one.public_bytes(Encoding.PEM) for one in crls)
    assert read_crls(pem) == crls


@pytest.mark.parametrize(
    "octets", [b"", b"no CRL", DEVICE.der, pem_text(DEVICE.der).encode(), b"-----BEGIN X509 CRL-----\nAA=="]
)
def test_a_file_that_holds_no_crl_is_refused(octets: bytes) -> None:
    with pytest.raises(CRLRefused, match="no CRL"):
        read_crls(octets)


def test_a_file_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(CRLRefused, match="longer than 16 MiB"):
        read_crls(bytes(importing.LARGEST + 1))


def test_of_an_entry_only_removefromcrl_says_that_it_is_none(trusting: PKI) -> None:
    flags = [one for one in x509.ReasonFlags if one is not x509.ReasonFlags.unspecified]
    entries = tuple(entry(number, reason(flag)) for number, flag in enumerate(flags, 1))
    (done,) = taken(trusting, replace(CRLPlan(), entries=(*entries, entry(99))).issue(ROOT))
    listed = {flag for number, flag in enumerate(flags, 1) if done.crl.lists(number)}
    assert listed == {*flags} - {x509.ReasonFlags.remove_from_crl}
    assert done.crl.lists(99)
    assert not done.crl.lists(100)
