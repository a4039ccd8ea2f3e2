"""Name constraints (RFC 5280, section 4.2.1.10), form by form."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from cmpd.clm.pkix.name_constraints import violation


def dn(*values: str) -> x509.Name:
    oids = (NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in zip(oids, values, strict=False)])


DIRECTORY = x509.DirectoryName
DNS = x509.DNSName
MAIL = x509.RFC822Name
URI = x509.UniformResourceIdentifier

CASES: list[tuple[x509.GeneralName, x509.GeneralName, bool]] = [
    (DIRECTORY(dn("DE", "Example")), DIRECTORY(dn("DE", "Example", "device")), True),
    (DIRECTORY(dn("DE", "Example")), DIRECTORY(dn("DE", " example  ", "device")), True),
    (DIRECTORY(dn("DE", "Example")), DIRECTORY(dn("DE", "Other", "device")), False),
    (DIRECTORY(dn("DE", "Example", "device")), DIRECTORY(dn("DE", "Example")), False),
    (DNS("example.com"), DNS("example.com"), True),
    (DNS("example.com"), DNS("Host.EXAMPLE.com"), True),
    (DNS("example.com"), DNS("host.example.com."), True),
    (DNS("example.com"), DNS("badexample.com"), False),
    (DNS(""), DNS("anything.example"), True),
    (MAIL("a@example.com"), MAIL("a@EXAMPLE.com"), True),
    (MAIL("a@example.com"), MAIL("b@example.com"), False),
    (MAIL("example.com"), MAIL("b@example.com"), True),
    (MAIL("example.com"), MAIL("b@sub.example.com"), False),
    (MAIL(".example.com"), MAIL("b@sub.example.com"), True),
    (MAIL(".example.com"), MAIL("b@example.com"), False),
    (URI("example.com"), URI("https://example.com/x"), True),
    (URI("example.com"), URI("https://sub.example.com/x"), False),
    (URI(".example.com"), URI("https://sub.example.com:8443/x"), True),
    (x509.IPAddress(ip_network("10.0.0.0/8")), x509.IPAddress(ip_address("10.1.2.3")), True),
    (x509.IPAddress(ip_network("10.0.0.0/8")), x509.IPAddress(ip_address("11.1.2.3")), False),
    (x509.IPAddress(ip_network("10.0.0.0/8")), x509.IPAddress(ip_address("2001:db8::1")), False),
]


@pytest.mark.parametrize(("base", "name", "inside"), CASES)
def test_what_is_inside_a_subtree_is_permitted_or_excluded(
    base: x509.GeneralName, name: x509.GeneralName, inside: bool
) -> None:
    alternative = x509.SubjectAlternativeName([name])
    permitted = violation(x509.Name([]), alternative, x509.NameConstraints([base], None))
    excluded = violation(x509.Name([]), alternative, x509.NameConstraints(None, [base]))
    assert (permitted is None) is inside
    assert (excluded is None) is not inside


@pytest.mark.parametrize("permitted", [True, False])
def test_a_uri_without_a_host_is_forbidden_either_way(permitted: bool) -> None:
    bases = [URI("example.com")]
    constraints = x509.NameConstraints(bases if permitted else None, None if permitted else bases)
    alternative = x509.SubjectAlternativeName([URI("urn:uuid:0")])
    assert violation(x509.Name([]), alternative, constraints) == "urn:uuid:0"


def test_a_constraint_on_a_form_not_understood_forbids_that_form() -> None:
    registered = x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))
    constraints = x509.NameConstraints([registered], None)
    assert violation(x509.Name([]), x509.SubjectAlternativeName([registered]), constraints) is not None
    assert violation(x509.Name([]), x509.SubjectAlternativeName([DNS("a")]), constraints) is None


def test_a_constraint_on_one_form_leaves_the_others_alone() -> None:
    constraints = x509.NameConstraints([DNS("example.com")], None)
    assert violation(dn("DE", "Other"), x509.SubjectAlternativeName([MAIL("a@b.c")]), constraints) is None


def test_the_subject_is_constrained_and_so_is_its_mail_address_without_subject_alt_name() -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@other.com")])
    constraints = x509.NameConstraints([MAIL("example.com")], None)
    assert violation(subject, None, constraints) == "a@other.com"
    assert violation(subject, x509.SubjectAlternativeName([DNS("a")]), constraints) is None
    assert violation(dn("DE", "Other"), None, x509.NameConstraints([DIRECTORY(dn("DE", "A"))], None))
