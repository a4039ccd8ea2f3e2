"""Names compare by RFC 5280, section 7.1, and are read as people write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type as StringType  # tests build what others encode
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from cmpd.clm.pkix.attributes import ATTRIBUTES, name_text
from cmpd.clm.pkix.names import (
    comparison_key,
    encoding_text,
    parse_name,
    require_lengths,
    rfc4514_text,
    same_name,
    value_key,
)

Attribute = x509.NameAttribute[str | bytes]


def cn(value: str, kind: StringType = StringType.UTF8String) -> Attribute:
    return x509.NameAttribute(NameOID.COMMON_NAME, value, kind)


def of(*rdns: list[Attribute]) -> x509.Name:
    return x509.Name([x509.RelativeDistinguishedName(rdn) for rdn in rdns])


def attribute(name: str, value: str) -> Attribute:
    return x509.NameAttribute(ATTRIBUTES[name], value)


EQUAL_VALUES = {
    "case": ("Device", "dEVICE"),
    "sharp s is folded to ss": ("Straße", "STRASSE"),
    "dotted capital I is folded to i and a dot above": ("İ", "i̇"),
    "final sigma is a sigma": ("ΟΔΟΣ", "οδος"),
    "titlecase digraph": ("ǅ", "ǆ"),
    "compatibility: a ligature": ("ﬁle", "FILE"),
    "compatibility: full width": ("ＡＢＣ１", "abc1"),  # noqa: RUF001 - what it is about
    "compatibility: a unit": ("㎏", "KG"),
    "composed and decomposed": ("é", "e\u0301"),
    "leading and trailing spaces": ("  Device ", "Device"),
    "inner runs of spaces": ("Device   1", "Device 1"),
    "a tab is a space": ("Device\t1", "Device 1"),
    "a no-break space is a space": ("Device\u00a01", "Device 1"),
    "a line break is a space": ("Device\r\n1", "Device 1"),
    "a soft hyphen is nothing": ("De\u00advice", "Device"),
    "a zero width space is nothing": ("De\u200bvice", "Device"),
    "a variation selector is nothing": ("De\ufe0fvice", "Device"),
    "a direction mark is nothing": ("\u200eDevice", "Device"),
    "a control is nothing": ("De\x07vice", "Device"),
    "nothing but spaces": (" ", "   "),
}

UNEQUAL_VALUES = {
    "another letter": ("Device", "Devise"),
    "a space that is there or not": ("Device 1", "Device1"),
    "an accent": ("é", "e"),
    "dotless i": ("ı", "i"),  # noqa: RUF001 - what it is about
    "dotted capital I is no plain i": ("İ", "i"),
    "a hyphen is a letter": ("De-vice", "Device"),
    "Cyrillic looks alike": ("а", "a"),  # noqa: RUF001 - what it is about
    "a space that a mark stands on": ("a \u0301b", "a b"),
    "capital sharp s came after Unicode 3.2": ("ẞ", "ß"),
    "private use": ("\ue000A", "\ue000a"),
    "replacement character": ("\ufffdA", "\ufffda"),
    "unassigned": ("\u0378A", "\u0378a"),
}


@pytest.mark.parametrize("pair", EQUAL_VALUES.values(), ids=EQUAL_VALUES.keys())
def test_values_match_that_RFC_4518_prepares_alike(pair: tuple[str, str]) -> None:
    assert same_name(of([cn(pair[0])]), of([cn(pair[1])]))


@pytest.mark.parametrize("pair", UNEQUAL_VALUES.values(), ids=UNEQUAL_VALUES.keys())
def test_values_do_not_match_that_RFC_4518_keeps_apart(pair: tuple[str, str]) -> None:
    assert not same_name(of([cn(pair[0])]), of([cn(pair[1])]))


@pytest.mark.parametrize("value", ["ẞ", "\ue000A", "\ufffdA", "\u0378A"])
def test_a_value_with_prohibited_characters_is_equal_to_itself_alone(value: str) -> None:
    assert same_name(of([cn(value)]), of([cn(value, StringType.BMPString)]))


CHARACTER_STRINGS = (
    StringType.UTF8String,
    StringType.PrintableString,
    StringType.T61String,
    StringType.BMPString,
    StringType.UniversalString,
    StringType.VisibleString,
    StringType.IA5String,
)


@pytest.mark.parametrize("kind", CHARACTER_STRINGS, ids=lambda kind: kind.name)
def test_the_string_type_makes_no_difference(kind: StringType) -> None:
    assert same_name(of([cn("Device 1", kind)]), of([cn("device 1")]))


@pytest.mark.parametrize(
    "kind", [StringType.OctetString, StringType.GeneralizedTime], ids=lambda kind: kind.name
)
def test_what_is_no_character_string_is_compared_as_DER(kind: StringType) -> None:
    assert not same_name(of([cn("20260101000000Z", kind)]), of([cn("20260101000000Z")]))
    assert same_name(of([cn("20260101000000Z", kind)]), of([cn("20260101000000Z", kind)]))
    assert not same_name(of([cn("20260101000000Z", kind)]), of([cn("20260101000000z", kind)]))


def test_a_bit_string_is_compared_as_DER() -> None:
    def unique(octets: bytes) -> x509.Name:
        oid = NameOID.X500_UNIQUE_IDENTIFIER
        return of([x509.NameAttribute(oid, octets, StringType.BitString)])

    assert same_name(unique(b"\0A"), unique(b"\0A"))
    assert not same_name(unique(b"\0A"), unique(b"\0a"))


A, B = cn("a"), attribute("O", "b")
EQUAL_NAMES = {
    "attributes of one RDN in another order": (of([A, B]), of([B, A])),
    "the same": (of([A], [B]), of([A], [B])),
    "no RDN": (of(), of()),
    "an address in another case": (
        of([attribute("emailAddress", "me@Example.com")]),
        of([attribute("emailAddress", "ME@example.com")]),
    ),
    "a domain in another case": (of([attribute("DC", "Example")]), of([attribute("DC", "eXAMPLE")])),
    "serialNumber as UTF8String": (
        of([attribute("serialNumber", "SN-1")]),
        of([x509.NameAttribute(NameOID.SERIAL_NUMBER, "sn-1", StringType.UTF8String)]),
    ),
}
UNEQUAL_NAMES = {
    "RDNs in another order": (of([A], [B]), of([B], [A])),
    "one RDN of two attributes is not two RDNs": (of([A, B]), of([A], [B])),
    "one RDN more": (of([A]), of([A], [B])),
    "one attribute more": (of([A]), of([A, B])),
    "none": (of([A]), of()),
    "another type": (of([attribute("O", "x")]), of([attribute("OU", "x")])),
    "values change places": (
        of([cn("x"), attribute("O", "y")]),
        of([cn("y"), attribute("O", "x")]),
    ),
    "a domain with a space": (of([attribute("DC", "a b")]), of([attribute("DC", "a  b")])),
    "what looks like a key of two attributes": (of([cn("a"), B]), of([cn("a'+2.5.4.10='b")])),
    "what looks like two attributes": (of([cn("a"), B]), of([cn('a"],["2.5.4.10"," b')])),
}


@pytest.mark.parametrize("pair", EQUAL_NAMES.values(), ids=EQUAL_NAMES.keys())
def test_names_match(pair: tuple[x509.Name, x509.Name]) -> None:
    assert same_name(*pair)


@pytest.mark.parametrize("pair", UNEQUAL_NAMES.values(), ids=UNEQUAL_NAMES.keys())
def test_names_do_not_match(pair: tuple[x509.Name, x509.Name]) -> None:
    assert not same_name(*pair)


def test_a_comparison_key_is_ASCII_whatever_the_name_has() -> None:
    assert comparison_key(of([cn("\0 Gerät \U0001f600")])).isascii()


def test_a_serial_number_alone_compares_as_within_a_name() -> None:
    assert value_key(" SN  1") == value_key("sn 1") != value_key("sn1")


@pytest.mark.parametrize("text", ["C=DEU,CN=x", f"CN={'x' * 65},O=y"])
def test_what_certificates_must_not_have_is_read_all_the_same_and_told(text: str) -> None:
    name = parse_name(text)
    assert rfc4514_text(name) == text
    with pytest.raises(ValueError, match="is too long or too short: C has 2 octets"):
        require_lengths(name)


VALUES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=16)
TEXTS = st.builds(attribute, st.sampled_from(sorted(ATTRIBUTES.keys() - {"C"})), VALUES)
UTF8 = st.builds(attribute, st.sampled_from(["CN", "O", "OU", "L", "ST", "UID"]), VALUES)
COUNTRIES = st.builds(attribute, st.just("C"), st.sampled_from(["DE", "fr"]))
OTHERS = st.builds(lambda value: x509.NameAttribute(x509.ObjectIdentifier("1.2.3.4"), value), VALUES)
UNIQUE = st.binary(min_size=1, max_size=9).map(
    lambda octets: x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, octets, StringType.BitString)
)


def names_of(attributes: st.SearchStrategy[Attribute]) -> st.SearchStrategy[x509.Name]:
    rdns = st.lists(attributes, min_size=1, max_size=3, unique=True)
    return st.lists(rdns, min_size=1, max_size=4).map(lambda rdns: of(*rdns))


NAMES = names_of(TEXTS | COUNTRIES | OTHERS | UNIQUE)


@pytest.mark.parametrize("text_of", [name_text, rfc4514_text, encoding_text])
@given(name=NAMES)
def test_a_name_comes_back_from_its_text(text_of: Callable[[x509.Name], str], name: x509.Name) -> None:
    assert comparison_key(parse_name(text_of(name))) == comparison_key(name)
    assert parse_name(text_of(name)) == name


@given(name=names_of(UTF8 | COUNTRIES | OTHERS | UNIQUE))
def test_a_name_that_was_encoded_compares_as_before(name: x509.Name) -> None:
    assert same_name(x509.Name.from_bytes(name.public_bytes()), name)


@given(name=NAMES)
def test_what_is_shown_of_a_name_is_printable(name: x509.Name) -> None:
    assert rfc4514_text(name).isprintable()
    assert encoding_text(name).isprintable()


THE_DEVICE = of([attribute("C", "DE")], [attribute("O", "Example, Inc.")], [cn("Gerät 1")])


@pytest.mark.parametrize(
    "text",
    [
        r"CN=Gerät 1,O=Example\, Inc.,C=DE",
        r"CN=Gerät 1, O=Example\, Inc., C=DE",
        r"cn=Gerät 1,o=Example\, Inc.,c=DE",
        r"commonName=Gerät 1,organizationName=Example\2C Inc.,countryName=DE",
        r'CN=Gerät 1,O="Example, Inc.",C=DE',
        r"CN=Ger\C3\A4t 1,O=Example\, Inc.,C=DE",
        r"2.5.4.3=Gerät 1,OID.2.5.4.10=Example\, Inc.,C=DE",
        "/C=DE/O=Example, Inc./CN=Gerät 1",
        r"/C=DE/O=Example, Inc./CN=Ger\xC3\xA4t 1",
        r'C = DE, O = "Example, Inc.", CN = Ger\C3\A4t 1',
        r'C=DE, O="Example, Inc.", CN=Ger\C3\A4t 1',
        r"C = DE, O = Example\, Inc., CN = Gerät 1",
    ],
)
def test_a_name_is_read_as_tools_print_it(text: str) -> None:
    assert parse_name(text) == THE_DEVICE


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("CN = x, O = y", "/CN=x/O=y"),
        ("CN=x, O=y", "/O=y/CN=x"),
        ("C=DE,O=y,CN=x", "/CN=x/O=y/C=DE"),
        ("DC=com, DC=example, CN=x", "/DC=com/DC=example/CN=x"),
        ("CN=x, DC=example, DC=com", "/DC=com/DC=example/CN=x"),
        ("CN=x + serialNumber=7, O=y", "/O=y/CN=x+serialNumber=7"),
        ("/O=y/CN=x+serialNumber=7", "/O=y/CN=x+serialNumber=7"),
        (r"/O=a\/b\+c/CN=x", r"/O=a\/b\+c/CN=x"),
        (r"CN=\ x\ ,O=\#y", r"/O=\#y/CN= x "),
        (r"/CN=http:\/\/a/O=b", r"/CN=http:\/\/a/O=b"),
        ("/CN=a, b/O=c", "/CN=a, b/O=c"),
        (r"O = a\, b, CN = c", "/O=a, b/CN=c"),
        ("CN=a = b,O=y", "/O=y/CN=a = b"),
    ],
)
def test_the_order_of_encoding_is_told(text: str, encoded: str) -> None:
    assert encoding_text(parse_name(text)) == encoded


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a type and a value, as in CN=Device 1, are expected where '' stands"),
        ("Device", "are expected where 'Device' stands"),
        ("CN", "are expected where 'CN' stands"),
        ("=x", "are expected where '=x' stands"),
        ("CN=a,,O=b", "are expected where '' stands"),
        ("XY=1", "'XY' is not an attribute type; known are CN, O,"),
        ("9.9.9=1", "'9.9.9' is not an attribute type"),
        ("CN=", "CN has no value"),
        ("CN=a;O=b", r"a ; that is meant is written \\;"),
        ('CN=a "b"', r"a \" that is meant"),
        ('CN="a', "a quotation mark is not closed"),
        ("CN=a\\", "a backslash is followed by nothing"),
        (r"CN=\C3", "are not UTF-8"),
        ("CN=#0401", r"a # that is meant is written \\#"),
        ("CN=a+CN=a", "'CN=a' stands twice in one RDN"),
        ("/CN=host/printer", "are expected where 'printer' stands"),
        ("CN=" + "x" * 5000, "it has more than 4096 characters"),
        ("\x1b[2J", r"where '\\\\u001b\[2J' stands"),
    ],
)
def test_what_is_no_name_is_refused_in_one_line_of_our_own(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        parse_name(text)
    assert "is not a distinguished name such as CN=Device 1,O=Example,C=DE: " in str(caught.value)
    assert str(caught.value).isprintable()


@given(st.text())
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    try:
        name = parse_name(text)
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017 - there is no telling which is refused
    else:
        assert same_name(parse_name(rfc4514_text(name)), name)
