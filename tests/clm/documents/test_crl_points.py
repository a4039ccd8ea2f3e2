"""A CA's CRLs in partitions: each certificate names its own, and no other is taken for it."""

from __future__ import annotations

import itertools
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from cmpd.clm.authorities.authority import AuthorityDocument
from cmpd.clm.documents.crl_points import MOST_PARTITIONS, CrlPoints
from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.template import Template, TemplateError, ready_made
from cmpd.clm.issuance.certificate_request import CertificateRequest
from cmpd.clm.issuance.compiled_policy import CompiledPolicy
from cmpd.clm.issuance.crl_refresh import refresh_crl
from cmpd.clm.issuance.issuer import LocalIssuer
from cmpd.clm.issuance.profile import Profile
from cmpd.clm.lifecycle.ca import make_root
from cmpd.clm.lifecycle.rollover import roll_over
from cmpd.clm.model import EVERY_SERIAL, Certificate, CertificateState, ObjectKind, StoredCRL
from cmpd.clm.pkix.names import parse_name
from cmpd.clm.settings import DocumentError
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import AddCertificate, PutObject, SetCertificateState
from tests.clm.conftest import PKI, URL
from tests.clm.issuance.test_issuing import POLICY
from tests.support.issuing import done, issue

PARTS = 5
SERIALS = st.integers(1, EVERY_SERIAL.stop - 1)


@pytest.fixture
def parted(pki: PKI) -> PKI:
    """The demo PKI after a rollover of the issuing CA to a key with five CRLs."""
    root = pki.authority("root")
    old, made = done(
        roll_over(
            pki.maker, pki.stored(ObjectKind.CA, "issuing"), pki.authority(), root, crl_partitions=PARTS
        )
    )
    assert old.name == "issuing-1"
    pki.commit(*made.unit)
    return pki


def certificate(pki: PKI) -> Certificate:
    """One of the CA with five CRLs."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = CertificateRequest(parse_name("CN=Device"), key.public_key())
    record = issue(pki.compiled(), None, request, now=pki.now, random=os.urandom).record()
    pki.commit(AddCertificate(record))
    return record


def revoking(record: Certificate) -> SetCertificateState:
    active, revoked = (CertificateState.ACTIVE,), CertificateState.REVOKED
    return SetCertificateState(record.ca, record.serial, record.policy, active, revoked, record.issued, 1)


def location(certificate: x509.Certificate) -> str:
    (point,) = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    (name,) = point.full_name or (x509.DNSName("none"),)
    return str(name.value)


def crls(pki: PKI) -> list[x509.CertificateRevocationList]:
    """The next CRL of each partition."""
    authority = pki.authority()

    async def make(store: Store) -> list[StoredCRL]:
        return [await refresh_crl(store, LocalIssuer(authority), one, pki.now) for one in range(PARTS)]

    return [x509.load_der_x509_crl(crl.der) for crl in pki.run(make)]


# Which certificate stands on which CRL


@given(SERIALS, st.integers(1, MOST_PARTITIONS))
def test_every_serial_number_is_in_one_partition(serial: int, partitions: int) -> None:
    points = CrlPoints(URL, "issuing-1", partitions)
    own = points.partition_of(serial)
    assert serial in points.serials(own)
    for neighbour in {own - 1, own + 1} & set(range(partitions)):
        assert serial not in points.serials(neighbour)


@given(st.integers(1, MOST_PARTITIONS))
def test_partitions_lie_end_to_end_over_all_serial_numbers(partitions: int) -> None:
    ranges = [CrlPoints(URL, "issuing-1", partitions).serials(one) for one in range(partitions)]
    assert ranges[0].start == EVERY_SERIAL.start
    assert ranges[-1].stop == EVERY_SERIAL.stop
    assert all(one.stop == other.start for one, other in itertools.pairwise(ranges))


def test_random_serial_numbers_fill_the_partitions_evenly() -> None:
    points = CrlPoints(URL, "issuing-1", 10)
    counts = [0] * 10
    for number in range(10_000):
        counts[points.partition_of((number * 0x9E3779B97F4A7C15F39CC0605CEDC8341082276B) % (1 << 159))] += 1
    assert 900 < min(counts) <= max(counts) < 1100


def test_a_ca_with_one_crl_names_it_as_ever() -> None:
    points = CrlPoints(URL, "issuing-1")
    assert points.location(0) == f"{URL}/crl/issuing-1.crl"
    assert points.serials(0) == EVERY_SERIAL
    assert (points.published(None), points.published(0)) == (0, None)


def test_a_ca_with_several_publishes_them_by_number_alone() -> None:
    points = CrlPoints(URL, "issuing-1", 3)
    assert points.location(2) == f"{URL}/crl/issuing-1/2.crl"
    assert [points.published(one) for one in (None, 0, 2, 3)] == [None, 0, 2, None]


# Certificates and CRLs


def test_all_that_the_ca_signs_names_the_crl_it_would_stand_on(parted: PKI) -> None:
    authority = parted.authority()
    issued = [x509.load_der_x509_certificate(certificate(parted).der) for _ in range(20)]
    for one in (*issued, authority.signer.certificate):
        partition = authority.points.partition_of(one.serial_number)
        assert location(one) == f"{URL}/crl/issuing-2/{partition}.crl"
    assert len({location(one) for one in issued}) > 1


def test_a_revoked_certificate_stands_on_its_crl_and_no_other(parted: PKI) -> None:
    records = [certificate(parted) for _ in range(10)]
    parted.commit(*(revoking(record) for record in records))
    for partition, crl in enumerate(crls(parted)):
        of_it = {
            one.serial for one in records if parted.authority().points.partition_of(one.serial) == partition
        }
        assert {entry.serial_number for entry in crl} == of_it
        point = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
        assert point.critical
        assert point.value.full_name == [
            x509.UniformResourceIdentifier(f"{URL}/crl/issuing-2/{partition}.crl")
        ]


def test_only_the_crl_that_a_revocation_is_for_gets_a_new_number(parted: PKI) -> None:
    record = certificate(parted)
    own = parted.authority().points.partition_of(record.serial)

    async def work(store: Store) -> tuple[list[int], int | None]:
        client = await parted.client(store)
        await client.upkeep.look_at_calendar()
        unit = await client.certificates.revoke(record, 1, actor="operator:test")
        await client.commit(unit)
        published = await client.publication("crl", "issuing", own)
        assert published is not None
        assert await client.publication("crl", "issuing", None) is None
        entry = x509.load_der_x509_crl(published[0]).get_revoked_certificate_by_serial_number(record.serial)
        numbers = [head.number for head in await store.crl_heads("issuing-2")]
        return numbers, None if entry is None else entry.serial_number

    numbers, listed = parted.run(work)
    assert numbers == [2 if one == own else 1 for one in range(PARTS)]
    assert listed == record.serial


def test_the_calendar_renews_each_crl_when_it_is_due(parted: PKI) -> None:
    async def look(store: Store) -> list[int]:
        await (await parted.client(store)).upkeep.look_at_calendar()
        return [head.number for head in await store.crl_heads("issuing-2")]

    assert parted.run(look) == [1] * PARTS
    parted.now += 3 * 86400
    authority = parted.authority()
    parted.run(lambda store: refresh_crl(store, LocalIssuer(authority), 3, parted.now))
    parted.now += 3 * 86400 + 1
    assert parted.run(look) == [2] * PARTS
    parted.now += 3 * 86400
    assert parted.run(look) == [3 if one == 3 else 2 for one in range(PARTS)]


# What verifiers say


def verify(pki: PKI, folder: Path, crl: x509.CertificateRevocationList, record: Certificate) -> str:
    """What `openssl verify` says of a certificate when it is handed one CRL."""
    authority = pki.authority()
    chain = [x509.load_der_x509_certificate(der) for der in (authority.certificate_der, *authority.chain)]
    (folder / "cas.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    (folder / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    issued = x509.load_der_x509_certificate(record.der)
    (folder / "certificate.pem").write_bytes(issued.public_bytes(Encoding.PEM))
    command = ("openssl", "verify", "-attime", str(pki.now), "-crl_check", "-extended_crl")
    files = ("-CAfile", "cas.pem", "-CRLfile", "crl.pem", "certificate.pem")
    done = subprocess.run((*command, *files), cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_openssl_takes_a_certificate_s_own_crl_and_no_other(parted: PKI, tmp_path: Path) -> None:
    good, bad = certificate(parted), certificate(parted)
    parted.commit(revoking(bad))
    made = crls(parted)
    points = parted.authority().points
    own, of_bad = points.partition_of(good.serial), points.partition_of(bad.serial)
    assert "certificate.pem: OK" in verify(parted, tmp_path, made[own], good)
    assert "certificate revoked" in verify(parted, tmp_path, made[of_bad], bad)
    for record, partition in ((good, own), (bad, of_bad)):
        other = made[(partition + 1) % PARTS]
        assert "different CRL scope" in verify(parted, tmp_path, other, record)


def test_a_certificate_that_names_a_former_url_is_verified_by_the_crl_of_today(
    pki: PKI, tmp_path: Path
) -> None:
    old = certificate(pki)
    stored = pki.stored(ObjectKind.CA, "issuing")
    for url in ("http://balancer.example", "http://other.example", "http://balancer.example"):
        document = AuthorityDocument.of(stored).at(url)
        stored = replace(stored, document=document.document())
    pki.commit(PutObject(stored))
    new = certificate(pki)
    assert location(x509.load_der_x509_certificate(new.der)) == "http://balancer.example/crl/issuing-1.crl"
    authority = pki.authority()
    stored_crl = pki.run(lambda store: refresh_crl(store, LocalIssuer(authority), 0, pki.now))
    crl = x509.load_der_x509_crl(stored_crl.der)
    for record in (old, new):
        assert "certificate.pem: OK" in verify(pki, tmp_path, crl, record)
    assert AuthorityDocument.of(stored).former_urls == (URL, "http://other.example")


# What cannot be


def test_a_template_that_leaves_out_the_certificate_s_own_crl_does_not_fit_the_ca(parted: PKI) -> None:
    authority = parted.authority()
    for url in ("{url}/crl/{ca}.crl", "http://mirror.example/{crl}.crl"):
        template = Template.of("own", {"crl_distribution_points": [url]})
        with pytest.raises(TemplateError, match=r"put \{url\}/crl/\{crl\}.crl among them"):
            Profile.of(template, authority)
    both = ["http://mirror.example/{crl}.crl", "{url}/crl/{crl}.crl"]
    profile = Profile.of(Template.of("own", {"crl_distribution_points": both}), authority)
    (point,) = profile.constant(0)[-1].value
    names = [name.value for name in point.full_name]
    assert names == ["http://mirror.example/issuing-2/0.crl", f"{URL}/crl/issuing-2/0.crl"]


def test_a_template_without_distribution_points_fits_all_the_same(parted: PKI) -> None:
    template = Template.of("own", {"crl_distribution_points": []})
    policy = Policy.of(POLICY, "own", {"ca": "issuing", "template": "own"})
    compiled = CompiledPolicy.of(policy, template, parted.authority())
    key = ec.generate_private_key(ec.SECP256R1())
    request = CertificateRequest(parse_name("CN=Device"), key.public_key())
    der = issue(compiled, None, request, now=parted.now, random=os.urandom).der
    with pytest.raises(x509.ExtensionNotFound):
        x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.CRLDistributionPoints)


@pytest.mark.parametrize("partitions", [0, -1, MOST_PARTITIONS + 1])
def test_a_ca_has_no_more_and_no_fewer_crls_than_can_be_named(pki: PKI, partitions: int) -> None:
    with pytest.raises(DocumentError, match="crl_partitions: a whole number from 1 to 1024"):
        done(make_root(pki.maker, "top", parse_name("CN=Top"), "P-256", 86400, URL, partitions))


def test_a_further_rollover_keeps_the_number_unless_told(parted: PKI) -> None:
    stored, root = parted.stored(ObjectKind.CA, "issuing"), parted.authority("root")
    for asked, partitions in ((None, PARTS), (1, 1)):
        _, made = done(roll_over(parted.maker, stored, parted.authority(), root, crl_partitions=asked))
        assert made.authority(parted.master_key).crl_partitions == partitions


def test_the_ready_made_templates_fit(parted: PKI) -> None:
    for template in ready_made().values():
        Profile.of(template, parted.authority())
