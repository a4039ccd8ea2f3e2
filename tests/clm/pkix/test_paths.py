"""Path building and validation (RFC 5280, section 6.1)."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from cmpd.clm.pkix import paths
from cmpd.clm.pkix.paths import Fault, PathError, build_path
from tests.clm.pki import NOW, Holder, Plan, chain, key, name, three

UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")


def build(holders: list[Holder], now: int = NOW) -> list[x509.Certificate]:
    """The path for the last of a chain, its first being the anchor."""
    root, *intermediates, leaf = holders
    return build_path(leaf.certificate, [each.certificate for each in intermediates], [root.der], now)


@pytest.mark.parametrize(
    "kind", ["RSA", "P-256", "P-384", "P-521", "Ed25519", "Ed448", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]
)
def test_a_path_is_built_over_every_kind_of_key(kind: str) -> None:
    root, intermediate, leaf = three(kind)
    assert build([root, intermediate, leaf]) == [
        leaf.certificate,
        intermediate.certificate,
        root.certificate,
    ]


CONSTRAINED = x509.NameConstraints(
    [x509.DNSName("example.com"), x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))], None
)


def san(*names: x509.GeneralName) -> dict[str, Any]:
    return {"extensions": ((x509.SubjectAlternativeName(names), False),)}


FAULTS: list[tuple[str, Fault, dict[str, dict[str, Any]]]] = [
    ("expired leaf", Fault.EXPIRED, {"leaf": {"days": (-10, -1)}}),
    ("expired intermediate", Fault.EXPIRED, {"intermediate": {"days": (-10, -1)}}),
    ("expired anchor", Fault.EXPIRED, {"root": {"days": (-10, -1)}}),
    ("leaf not valid yet", Fault.NOT_YET_VALID, {"leaf": {"days": (1, 2)}}),
    ("intermediate not valid yet", Fault.NOT_YET_VALID, {"intermediate": {"days": (1, 2)}}),
    ("intermediate is not a CA", Fault.NOT_A_CA, {"intermediate": {"ca": False}}),
    ("intermediate without basicConstraints", Fault.NOT_A_CA, {"intermediate": {"basic_constraints": False}}),
    ("intermediate without keyCertSign", Fault.NOT_A_CA, {"intermediate": {"key_cert_sign": False}}),
    ("anchor is not a CA", Fault.NOT_A_CA, {"root": {"ca": False}}),
    ("pathLen of the anchor", Fault.PATH_LENGTH, {"root": {"path_length": 0}}),
    ("critical extension in leaf", Fault.CRITICAL_EXTENSION, {"leaf": {"extensions": ((UNKNOWN, True),)}}),
    (
        "critical extension in intermediate",
        Fault.CRITICAL_EXTENSION,
        {"intermediate": {"extensions": ((UNKNOWN, True),)}},
    ),
    (
        "explicit policy demanded",
        Fault.POLICY,
        {"intermediate": {"extensions": ((x509.PolicyConstraints(0, None), True),)}},
    ),
    ("AKI of another issuer", Fault.MISSING_ISSUER, {"leaf": {"authority_key_identifier": b"another"}}),
    ("issuer's name differs", Fault.MISSING_ISSUER, {"leaf": {"issuer_name": name("another")}}),
    ("weak issuer key", Fault.WEAK, {"intermediate": {"key": key("RSA 1024")}}),
    (
        "DNS name outside",
        Fault.NAMES,
        {
            "intermediate": {"extensions": ((CONSTRAINED, True),)},
            "leaf": san(x509.DNSName("example.org")),
        },
    ),
    (
        "address outside",
        Fault.NAMES,
        {
            "root": {"extensions": ((CONSTRAINED, True),)},
            "leaf": san(x509.DNSName("a.example.com"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))),
        },
    ),
]


@pytest.mark.parametrize(("fault", "changes"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_a_faulty_path_is_refused_naming_the_fault(fault: Fault, changes: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(PathError) as raised:
        build(three(**changes))
    assert raised.value.kind is fault
    role = next(iter(reversed(changes))) if fault is not Fault.PATH_LENGTH else "intermediate"
    assert f"CN={role}" in str(raised.value)


def test_names_inside_the_constraints_pass() -> None:
    names = (x509.DNSName("a.example.com"), x509.IPAddress(ipaddress.ip_address("10.1.2.3")))
    assert build(three(intermediate={"extensions": ((CONSTRAINED, True),)}, leaf=san(*names)))


def test_an_unknown_extension_that_is_not_critical_passes() -> None:
    assert build(three(leaf={"extensions": ((UNKNOWN, False),)}))


def test_a_missing_intermediate_is_named() -> None:
    root, _, leaf = three()
    with pytest.raises(PathError, match=r"CN=leaf.*issuer that is not at hand.*CN=intermediate") as raised:
        build([root, leaf])
    assert raised.value.kind is Fault.MISSING_ISSUER


def test_an_unknown_root_is_named() -> None:
    _, intermediate, leaf = three()
    stranger = Plan(name("stranger"), key("P-256", 9), ca=True).issue(None)
    with pytest.raises(PathError, match=r"CN=intermediate.*CN=root") as raised:
        build([stranger, intermediate, leaf])
    assert raised.value.kind is Fault.MISSING_ISSUER


def test_a_root_that_came_along_is_no_anchor() -> None:
    root, intermediate, leaf = three()
    stranger = Plan(name("stranger"), key("P-256", 9), ca=True).issue(None)
    with pytest.raises(PathError) as raised:
        build([stranger, root, intermediate, leaf])
    assert raised.value.kind is Fault.MISSING_ISSUER


def test_a_signature_by_another_key_of_the_same_name_is_refused() -> None:
    root, intermediate, leaf = three(leaf={"key_identifiers": False})
    impostor = Plan(name("intermediate"), key("P-256", 8), ca=True).issue(root)
    with pytest.raises(PathError) as raised:
        build([root, impostor, leaf])
    assert raised.value.kind is Fault.SIGNATURE
    assert build([root, impostor, intermediate, leaf])[1] == intermediate.certificate


def test_sha1_is_refused_in_a_path_and_borne_in_an_anchor(sha1_certificate: x509.Certificate) -> None:
    with pytest.raises(PathError) as raised:
        paths.validate([sha1_certificate, three()[0].certificate], NOW)
    assert raised.value.kind is Fault.WEAK
    paths.validate([sha1_certificate], NOW)


@pytest.fixture
def sha1_certificate() -> x509.Certificate:
    """A self-signed certificate that says sha1WithRSAEncryption (its signature is not at stake here)."""
    holder = Plan(name("old"), key("RSA"), ca=True, hash=hashes.SHA256()).issue(None)
    sha256, sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    return x509.load_der_x509_certificate(holder.der.replace(sha256, sha1))


def test_a_leaf_that_is_an_anchor_is_trusted_as_it_is() -> None:
    leaf = three()[2]
    assert build_path(leaf.certificate, [], [leaf.der], NOW) == [leaf.certificate]


def test_an_expired_leaf_that_is_an_anchor_is_refused() -> None:
    leaf = three()[2]
    with pytest.raises(PathError) as raised:
        build_path(leaf.certificate, [], [leaf.der], NOW + 11 * 86400)
    assert raised.value.kind is Fault.EXPIRED


def test_without_anchors_nothing_is_trusted() -> None:
    root, intermediate, leaf = three()
    with pytest.raises(PathError):
        build_path(leaf.certificate, [intermediate.certificate, root.certificate], [], NOW)


def test_self_issued_certificates_do_not_count_for_the_path_length() -> None:
    holders = chain(
        Plan(name("root"), key("P-256", 1), ca=True, path_length=1),
        Plan(name("intermediate"), key("P-256", 2), ca=True, path_length=0),
        Plan(name("intermediate"), key("P-256", 4), ca=True, path_length=0),
        Plan(name("leaf"), key("P-256", 3)),
    )
    assert len(build(holders)) == 4


def test_a_path_longer_than_the_bound_is_refused() -> None:
    plans = [Plan(name(f"ca {n}"), key("P-256", n), ca=True) for n in range(paths.LONGEST_PATH)]
    with pytest.raises(PathError) as raised:
        build(chain(*plans, Plan(name("leaf"), key("P-256", 100))))
    assert raised.value.kind is Fault.PATH_LENGTH


def test_cross_certified_cas_end_the_search() -> None:
    one, two = key("P-256", 1), key("P-256", 2)
    a = Holder(Plan(name("a"), one, ca=True).issue(None).certificate, one)
    b = Plan(name("b"), two, ca=True).issue(a)
    again = Plan(name("a"), one, ca=True).issue(b)
    leaf = Plan(name("leaf"), key("P-256", 3)).issue(b)
    with pytest.raises(PathError) as raised:
        build_path(leaf.certificate, [b.certificate, again.certificate], [], NOW)
    assert raised.value.kind is Fault.MISSING_ISSUER


def test_a_swarm_of_candidate_issuers_is_cut_short() -> None:
    root, intermediate, leaf = three(leaf={"key_identifiers": False})
    swarm = [
        Plan(name("intermediate"), key("P-256", 8), ca=True).issue(root).certificate
        for _ in range(paths.MOST_STEPS)
    ]
    assert build_path(leaf.certificate, [intermediate.certificate, *swarm], [root.der], NOW)
    with pytest.raises(PathError):
        build_path(leaf.certificate, [*swarm, intermediate.certificate], [root.der], NOW)


def test_a_key_update_by_the_same_ca_finds_the_right_key() -> None:
    old, new = (Plan(name("root"), key("P-256", n), ca=True).issue(None) for n in (1, 2))
    leaf = Plan(name("leaf"), key("P-256", 3)).issue(new)
    assert build_path(leaf.certificate, [], [old.der, new.der], NOW)[1] == new.certificate


def test_a_subject_that_is_absurdly_long_is_cut_in_the_text() -> None:
    long_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x" * 64) for _ in range(50)])
    leaf = Plan(long_name, key("P-256", 3)).issue(None)
    with pytest.raises(PathError) as raised:
        build_path(leaf.certificate, [], [], NOW)
    assert len(str(raised.value)) < 400
