"""Distinguished names: when two of them are one (RFC 5280, section 7.1), and how people write them.

Everything that compares names by what they mean does it by `comparison_key`. What people write is RFC 4514
text, or what OpenSSL takes and prints; the short names of attribute types are those of `attributes`.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.x509.name import _ASN1Type  # an attribute's string type is to be had nowhere else
from cryptography.x509.oid import NameOID

from cmpd.clm.pkix.attributes import ATTRIBUTES, name_text, short_name
from cmpd.clm.pkix.preparation import Prohibited, prepare
from cmpd.printable import printable

Attribute = x509.NameAttribute[str | bytes]

NO_STRINGS: Final = frozenset(
    {_ASN1Type.BitString, _ASN1Type.OctetString, _ASN1Type.UTCTime, _ASN1Type.GeneralizedTime}
)
"""Types of values that are no character strings."""


def same_name(one: x509.Name, other: x509.Name) -> bool:
    """Whether two names match (RFC 5280, section 7.1)."""
    return comparison_key(one) == comparison_key(other)


def comparison_key(name: x509.Name) -> str:
    """What names have in common that match by RFC 5280, section 7.1, and no others: ASCII text.

    The order of RDNs matters, that of the attributes within one does not, and the string type of a value
    does not either.
    """
    rdns = [
        sorted((attribute.oid.dotted_string, _attribute_key(attribute)) for attribute in rdn)
        for rdn in name.rdns
    ]
    return json.dumps(rdns, separators=(",", ":"))


def value_key(value: str) -> str:
    """The same for the value of one attribute of a DirectoryString type.

    A value with prohibited characters, which RFC 4518 lets match nothing, is equal to itself alone.
    """
    try:
        return prepare(value)  # begins with a space
    except Prohibited:
        return f"={value}"


def _attribute_key(attribute: Attribute) -> str:
    value = attribute.value
    if attribute._type in NO_STRINGS or isinstance(value, bytes):
        return f"#{x509.Name([attribute]).public_bytes().hex()}"
    if attribute.oid == NameOID.DOMAIN_COMPONENT:  # RFC 5280, section 7.3: exact but for ASCII's case
        return f"={''.join(one.lower() if one.isascii() else one for one in value)}"
    return value_key(value)


# What people write.

EXAMPLE: Final = "CN=Device 1,O=Example,C=DE"
LONGEST_TEXT: Final = 4096
"""Characters of a name that is read."""
LONGEST_SHOWN: Final = 80
"""Characters of it that an error repeats."""

TYPES: Final = {name.lower(): oid for name, oid in ATTRIBUTES.items()} | {
    alias.lower(): ATTRIBUTES[name]
    for alias, name in {
        "commonName": "CN",
        "countryName": "C",
        "domainComponent": "DC",
        "E": "emailAddress",
        "givenName": "GN",
        "localityName": "L",
        "organizationName": "O",
        "organizationalUnitName": "OU",
        "S": "ST",
        "stateOrProvinceName": "ST",
        "streetAddress": "street",
        "surname": "SN",
        "userId": "UID",
    }.items()
}
"""Attribute types by name in lower case: the short names, and what other tools call them."""

_ASSIGNMENT = re.compile(
    r" *(?:[oO][iI][dD]\.)?(?P<type>[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)(?P<blanks> *)=(?P<value>.*)",
    re.DOTALL,
)
_QUOTING = re.compile(r'\\.|"(?:\\.|[^"\\])*"|[^"\\]', re.DOTALL)
"""A character of a text in which quotation marks and backslashes take others their meaning."""
_PLAIN = re.compile(r"\\.|[^\\]", re.DOTALL)
"""The same where only backslashes do."""
_PIECE = re.compile(r"\\x?(?P<octet>[0-9A-Fa-f]{2})|\\?(?P<character>.)", re.DOTALL)
"""A character of a value, or an octet of one."""


class _NameSyntaxError(Exception):
    """What is wrong with a name's text."""


def parse_name(text: str) -> x509.Name:
    """A name from what people write. Raises ValueError, with one line that says what is expected.

    - RFC 4514, ``CN=Device 1,O=Example,C=DE``, with or without blanks after the commas: the last RDN written
      is the first one encoded.
    - What OpenSSL takes as ``-subj``, ``/C=DE/O=Example/CN=Device 1``: in the order of encoding.
    - What OpenSSL prints, ``C = DE, O = Example, CN = Device 1``: in the order of encoding, too. Its newer
      versions leave out the blanks around =; where blanks follow the commas, a name that begins with C or DC
      and does not end so is taken for theirs.

    Types are names of `TYPES`, in any case, or OIDs. Values may be longer than they should be, as in the
    certificates of others (see `require_lengths`).
    """
    try:
        if len(text) > LONGEST_TEXT:
            raise _NameSyntaxError(f"it has more than {LONGEST_TEXT} characters")
        return x509.Name(_slashed(text) if text.startswith("/") else _with_commas(text))
    except _NameSyntaxError as error:
        raise ValueError(f"{_shown(text)} is not a distinguished name such as {EXAMPLE}: {error}") from None


def require_lengths(name: x509.Name) -> None:
    """Raises ValueError, one line, for a name that a certificate must not have (RFC 5280, appendix A.1)."""
    for attribute in name:
        try:
            x509.NameAttribute(attribute.oid, attribute.value, attribute._type)
        except ValueError:
            shown = f"{short_name(attribute.oid)}={attribute.value!s}"
            raise ValueError(
                f"{_shown(shown)} is too long or too short: C has 2 octets of UTF-8, CN at most 64"
            ) from None


def rfc4514_text(name: x509.Name) -> str:
    """RFC 4514 text that `parse_name` reads as a name that matches; printable."""
    return _with_visible_letters(name_text(name))


def encoding_text(name: x509.Name) -> str:
    """The same in the order of encoding, as OpenSSL takes it: ``/C=DE/O=Example/CN=Device 1``."""
    return "".join(f"/{'+'.join(map(_slash_text, rdn))}" for rdn in name.rdns)


def _slash_text(attribute: Attribute) -> str:
    value = attribute.value
    if isinstance(value, bytes):
        return f"{short_name(attribute.oid)}=#{value.hex()}"
    escaped = re.sub(r"([\\/+]|\A#)", r"\\\1", value)
    return f"{short_name(attribute.oid)}={_with_visible_letters(escaped)}"


def _with_visible_letters(text: str) -> str:
    """Letters that would not show as their octets in UTF-8 (RFC 4514, section 2.4)."""
    return "".join(
        letter if letter.isprintable() else "".join(f"\\{octet:02X}" for octet in letter.encode())
        for letter in text
    )


def _slashed(text: str) -> list[x509.RelativeDistinguishedName]:
    return [_rdn(_split(part, "+", _PLAIN), _PLAIN) for part in _split(text[1:], "/", _PLAIN)]


def _with_commas(text: str) -> list[x509.RelativeDistinguishedName]:
    parts = _split(text, ",", _QUOTING)
    rdns = [_rdn(_split(part, "+", _QUOTING), _QUOTING) for part in parts]
    return rdns if _is_openssl(parts) else rdns[::-1]


def _is_openssl(parts: Sequence[str]) -> bool:
    """Whether RDNs with commas between them are in the order of encoding (`parse_name` says when)."""
    found = [match for part in parts if (match := _ASSIGNMENT.fullmatch(part))]
    if all(match["blanks"] and match["value"].startswith(" ") for match in found):
        return True
    first, last = (TYPES.get(match["type"].lower()) for match in (found[0], found[-1]))
    root = (NameOID.COUNTRY_NAME, NameOID.DOMAIN_COMPONENT)
    return all(part.startswith(" ") for part in parts[1:]) and first in root and last not in root


def _split(text: str, separator: str, characters: re.Pattern[str]) -> list[str]:
    """The parts between those separators that nothing takes their meaning."""
    parts = [""]
    position = 0
    while match := characters.match(text, position):
        if match[0] == separator:
            parts.append("")
        else:
            parts[-1] += match[0]
        position = match.end()
    if position < len(text):
        what = (
            "backslash is followed by nothing" if text[position] == "\\" else "quotation mark is not closed"
        )
        raise _NameSyntaxError(f"a {what}")
    return parts


def _rdn(parts: Sequence[str], characters: re.Pattern[str]) -> x509.RelativeDistinguishedName:
    attributes: list[Attribute] = []
    for part in parts:
        attribute = _attribute(part, characters)
        if attribute in attributes:
            raise _NameSyntaxError(f"{_shown(part)} stands twice in one RDN")
        attributes.append(attribute)
    return x509.RelativeDistinguishedName(attributes)


def _attribute(text: str, characters: re.Pattern[str]) -> Attribute:
    match = _ASSIGNMENT.fullmatch(text)
    if match is None:
        raise _NameSyntaxError(
            f"a type and a value, as in CN=Device 1, are expected where {_shown(text)} stands"
        )
    oid = _type(match["type"])
    value = match["value"] if characters is _PLAIN else _without_blanks(match["value"])
    if value.startswith("#"):
        return _octets(oid, value)
    if characters is _QUOTING:
        value = _without_quotes(value)
    if not value:
        raise _NameSyntaxError(f"{match['type']} has no value")
    return _any_length(oid, _unescaped(value))


def _any_length(oid: x509.ObjectIdentifier, value: str) -> Attribute:
    """An attribute of which certificates may have more than they should."""
    try:
        return x509.NameAttribute(oid, value)
    except ValueError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return x509.NameAttribute(oid, value, _validate=False)


def _type(name: str) -> x509.ObjectIdentifier:
    try:
        return TYPES.get(name.lower()) or x509.ObjectIdentifier(name)
    except ValueError:
        known = ", ".join(ATTRIBUTES)
        raise _NameSyntaxError(
            f"{_shown(name)} is not an attribute type; known are {known} and OIDs"
        ) from None


def _octets(oid: x509.ObjectIdentifier, value: str) -> Attribute:
    """The value of the one attribute type that has octets instead of text, as `name_text` gives it."""
    if oid != NameOID.X500_UNIQUE_IDENTIFIER or not re.fullmatch(r"#(?:[0-9A-Fa-f]{2})+", value):
        raise _NameSyntaxError(
            f"a text is expected where {_shown(value)} stands; a # that is meant is written \\#"
        )
    return x509.NameAttribute(oid, bytes.fromhex(value[1:]), _ASN1Type.BitString)


def _without_blanks(value: str) -> str:
    """The value without blanks around it, but those a backslash keeps."""
    stripped = value.strip(" ")
    backslashes = len(stripped) - len(stripped.rstrip("\\"))
    return f"{stripped} " if backslashes % 2 else stripped


def _without_quotes(value: str) -> str:
    """The value without quotation marks around it; without them, what should be escaped must be."""
    if re.fullmatch(r'"(?:\\.|[^"\\])*"', value, re.DOTALL):
        return value[1:-1]
    bare = re.search(r'(?<!\\)(?:\\\\)*([";<>])', value)
    if bare is not None:
        raise _NameSyntaxError(f"a {bare[1]} that is meant is written \\{bare[1]}")
    return value


def _unescaped(value: str) -> str:
    """The value with what stands behind its backslashes: octets of UTF-8 in hexadecimal, or a character."""
    octets = bytearray()
    for match in _PIECE.finditer(value):
        octets += bytes.fromhex(match["octet"]) if match["octet"] else match["character"].encode()
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise _NameSyntaxError(
            f"the octets behind the backslashes of {_shown(value)} are not UTF-8"
        ) from None


def _shown(text: str) -> str:
    text = text.strip()
    return repr(printable(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"))
