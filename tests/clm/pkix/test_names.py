"""Two names are the same by RFC 5280, section 7.1, or they are not; and names as operators write them."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from cmpd.clm.names import ATTRIBUTES, name_text, parse_name
from cmpd.clm.pkix.names import comparison_key, prepared, same_name


def cn(value: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, value)])


SAME: list[tuple[str, str]] = [
    ("pump", "PUMP"),
    ("Pump 7", "  pump   7 "),
    ("straße", "STRASSE"),
    ("ẞ", "ss"),
    ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
    ("İ", "i̇"),
    ("Å", "Å"),
    ("e\u0301", "\u00e9"),
    ("ﬁn", "FIN"),
    ("①", "1"),
    ("pu\u00admp", "pump"),
    ("pu\u200bmp", "pump"),
    ("pump\t7", "pump 7"),
    ("pump\u00a07", "pump 7"),
    ("pump\u30007", "pump 7"),
    ("pump\u0000", "pump"),
]
OTHER: list[tuple[str, str]] = [
    ("pump", "pump7"),
    ("pump 7", "pump7"),
    ("pump", "pümp"),
    ("\u0131", "i"),
    ("a b", "a \u0301b"),
    ("1.", "1"),
    ("a+b", "a\\+b"),
    ("\U0001f600", "\U0001f601"),
    ("a\U0001f600", "A\U0001f600"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_values_are_the_same_whatever_the_case_the_form_and_the_spaces(one: str, other: str) -> None:
    assert same_name(cn(one), cn(other))


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_values_that_differ_in_more_are_not(one: str, other: str) -> None:
    assert not same_name(cn(one), cn(other))


def test_the_string_type_makes_no_difference() -> None:
    types = (_ASN1Type.UTF8String, _ASN1Type.PrintableString, _ASN1Type.BMPString, _ASN1Type.T61String)
    keys = {
        comparison_key(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pump", _type=one)]))
        for one in types
    }
    assert len(keys) == 1


def rdn(*pairs: tuple[x509.ObjectIdentifier, str]) -> x509.RelativeDistinguishedName:
    return x509.RelativeDistinguishedName([x509.NameAttribute(oid, value) for oid, value in pairs])


def test_the_order_of_rdns_counts_and_that_within_one_does_not() -> None:
    a, b = (NameOID.COMMON_NAME, "a"), (NameOID.ORGANIZATION_NAME, "b")
    assert comparison_key(x509.Name([rdn(a, b)])) == comparison_key(x509.Name([rdn(b, a)]))
    keys = {
        comparison_key(x509.Name(rdns))
        for rdns in ([rdn(a), rdn(b)], [rdn(b), rdn(a)], [rdn(a, b)], [rdn(a)], [])
    }
    assert len(keys) == 5


def test_an_attribute_of_another_type_is_another() -> None:
    assert not same_name(cn("a"), x509.Name([rdn((NameOID.ORGANIZATION_NAME, "a"))]))


def test_a_value_that_looks_like_two_attributes_is_one() -> None:
    one = x509.Name([rdn((NameOID.COMMON_NAME, "a'+2.5.4.10='b"))])
    two = x509.Name([rdn((NameOID.COMMON_NAME, "a"), (NameOID.ORGANIZATION_NAME, "b"))])
    assert not same_name(one, two)
    assert not same_name(cn("a\n2.5.4.3='b"), x509.Name([*cn("a").rdns, *cn("b").rdns]))


@given(st.text(min_size=1, max_size=20))
def test_preparing_what_is_prepared_changes_nothing(text: str) -> None:
    try:
        once = prepared(text)
    except ValueError:
        return
    assert prepared(once) == once


WRITTEN: list[tuple[str, str]] = [
    ("CN=Device 1,O=Example,C=DE", "CN=Device 1,O=Example,C=DE"),
    ("/C=DE/O=Example/CN=Device 1", "CN=Device 1,O=Example,C=DE"),
    ("C = DE, O = Example, CN = Device 1", "CN=Device 1,O=Example,C=DE"),
    ("C=DE, O=Example, CN=Device 1", "C=DE,O=Example,CN=Device 1"),
    ("cn=Device 1,o=Example", "CN=Device 1,O=Example"),
    ("CN=a+O=b,C=DE", "CN=a+O=b,C=DE"),
    ("/CN=http:\\/\\/a/O=b", "O=b,CN=http://a"),
    ("/CN=a, b/O=c", "O=c,CN=a\\, b"),
    ("CN=a\\,b,O=c", "CN=a\\,b,O=c"),
    ("O = a\\, b, CN = c", "CN=c,O=a\\, b"),
    ("serialnumber=SN-7,CN=x", "serialNumber=SN-7,CN=x"),
    ("2.5.4.3=x", "CN=x"),
]


@pytest.mark.parametrize(("text", "understood"), WRITTEN)
def test_a_name_is_read_in_each_of_the_forms_that_operators_paste(text: str, understood: str) -> None:
    assert name_text(parse_name(text)) == understood


@pytest.mark.parametrize(
    "text", ["", "pump", "/", "CN=", "=x", "nonsense=x", "/nonsense=x", "CN=a,,O=b", "CN"]
)
def test_what_is_no_name_is_refused_in_our_own_words(text: str) -> None:
    with pytest.raises(ValueError, match="such as CN=Device 1,O=Example,C=DE"):
        parse_name(text)


VALUES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12)
NAMES = st.lists(
    st.lists(
        st.tuples(st.sampled_from([ATTRIBUTES[name] for name in ("CN", "O", "OU", "L")]), VALUES),
        min_size=1,
        max_size=2,
        unique_by=lambda pair: pair[0],
    ),
    min_size=1,
    max_size=4,
)


@given(NAMES)
def test_a_name_that_is_shown_is_read_as_the_same(
    parts: list[list[tuple[x509.ObjectIdentifier, str]]],
) -> None:
    name = x509.Name([rdn(*pairs) for pairs in parts])
    assert same_name(parse_name(name_text(name)), name)
