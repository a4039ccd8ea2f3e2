"""When two distinguished names are the same (RFC 5280, section 7.1), and names as operators write them.

Everything that compares names compares `comparison_key`. Values are prepared by RFC 4518: mapped, folded in
case, normalized, spaces made one; so neither the string type, nor letters' case, nor spaces at the ends make
a difference. The order of RDNs does, that of the attributes within one does not.
"""

from __future__ import annotations

import re
import stringprep
import unicodedata
from functools import lru_cache
from typing import Final

from cryptography import x509

_TO_NOTHING: Final = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x1806, 0x1806), (0x180B, 0x180E), (0xFE00, 0xFE0F)),
    *((0x0000, 0x0008), (0x000E, 0x001F), (0x007F, 0x0084), (0x0086, 0x009F), (0x06DD, 0x06DD)),
    *((0x070F, 0x070F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x2063), (0x206A, 0x206F)),
    *((0xFEFF, 0xFEFF), (0xFFF9, 0xFFFC), (0x1D173, 0x1D17A), (0xE0001, 0xE0001), (0xE0020, 0xE007F)),
)
"""Code points that are left out, first and last of each range (RFC 4518, section 2.2)."""
_TO_SPACE: Final = (
    *((0x0009, 0x000D), (0x0085, 0x0085), (0x00A0, 0x00A0), (0x1680, 0x1680), (0x2000, 0x200A)),
    *((0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)),
)
"""Code points that become a space (RFC 4518, section 2.2)."""
_MAPPED: Final = {
    **{code: None for first, last in _TO_NOTHING for code in range(first, last + 1)},
    **{code: " " for first, last in _TO_SPACE for code in range(first, last + 1)},
}
_PROHIBITED: Final = (
    stringprep.in_table_a1,  # unassigned
    stringprep.in_table_c3,  # for private use
    stringprep.in_table_c4,  # no characters
    stringprep.in_table_c5,  # surrogates
    stringprep.in_table_c8,  # changing how text is shown
    lambda character: character == "\ufffd",
)
"""Of what is left, what no prepared string may have (RFC 4518, section 2.4)."""


class Prohibited(ValueError):
    """A value has a character that RFC 4518 does not prepare; such values are equal by their octets only."""


@lru_cache(4096)
def prepared(value: str) -> str:
    """A value as caseIgnoreMatch compares it (RFC 4518, sections 2.1 to 2.6). Raises Prohibited."""
    mapped = value.translate(_MAPPED)
    folded = "".join(map(stringprep.map_table_b2, mapped))
    normal = unicodedata.normalize("NFKC", folded)
    for character in normal:
        if any(prohibited(character) for prohibited in _PROHIBITED):
            raise Prohibited(f"U+{ord(character):04X} is not for names")
    return _one_space(normal)


def _one_space(text: str) -> str:
    """Without spaces at the ends, and with one where there are several (RFC 4518, section 2.6.1): a space
    with a combining mark after it is none."""
    kept: list[str] = []
    for index, character in enumerate(text):
        following = text[index + 1 : index + 2]
        space = character == " " and not (following and unicodedata.category(following).startswith("M"))
        if space and (not kept or kept[-1] == " "):
            continue
        kept.append(character)
    if kept and kept[-1] == " ":
        kept.pop()
    return "".join(kept)


def comparison_key(name: x509.Name) -> str:
    """What is the same for two names if and only if they match by RFC 5280, section 7.1."""
    return "\n".join(_rdn_key(rdn) for rdn in name.rdns)


def same_name(one: x509.Name, other: x509.Name) -> bool:
    """Whether two names match by RFC 5280, section 7.1."""
    return one == other or comparison_key(one) == comparison_key(other)


def _rdn_key(rdn: x509.RelativeDistinguishedName) -> str:
    return "+".join(sorted(f"{one.oid.dotted_string}={_value_key(one.value)}" for one in rdn))


def value_key(value: str) -> str:
    """What is the same for two values of an attribute that match: of serialNumber, for one."""
    return _value_key(value)


def _value_key(value: str | bytes) -> str:
    if isinstance(value, bytes):
        return f"#{value.hex()}"
    try:
        return f"'{_escaped(prepared(value))}'"
    except Prohibited:
        return f'"{_escaped(value)}"'


def _escaped(text: str) -> str:
    """Printable, and without what separates the parts of a key."""
    return text.encode("unicode_escape").decode("ascii").replace("+", "\\+")


_SLASHED: Final = re.compile(r"/(?=[A-Za-z0-9.]+ ?=)")
_SPACED: Final = re.compile(r"(?:^|[,+] ?)[A-Za-z0-9.]+ = ")


def from_text(text: str, attributes: dict[str, x509.ObjectIdentifier]) -> x509.Name:
    """The name that an operator wrote, in any of three forms: RFC 4514 (``CN=Device 1,O=Example``: the last
    RDN first), or as OpenSSL takes it (``/O=Example/CN=Device 1``) and prints it (``O = Example, CN = Device
    1``), both in the order of the encoding. `attributes`: short names, in whatever case they are written.

    Raises ValueError, which says what is expected.
    """
    text = _trimmed(text)
    if text.startswith("/"):
        parts = [part.rstrip() for part in _SLASHED.split(text)[1:]]
        if not parts:
            raise _unreadable(text)
        return _in_order([part.replace("\\/", "/") for part in parts], text, attributes)
    if _SPACED.match(text):
        return _in_order([_unspaced(part) for part in _parts(text)], text, attributes)
    return _read(text, text, attributes)


def _trimmed(text: str) -> str:
    """Without blanks around it; one that is escaped belongs to the value."""
    return re.sub(r"(?<!\\)[ \t\r\n]+$", "", text).lstrip(" \t\r\n")


def _parts(text: str) -> list[str]:
    return re.split(r"(?<!\\), ?(?=[A-Za-z0-9.]+ ?=)", text)


def _unspaced(part: str) -> str:
    return re.sub(r"^([A-Za-z0-9.]+) = ", r"\1=", re.sub(r" \+ ([A-Za-z0-9.]+) = ", r"+\1=", part))


def _in_order(parts: list[str], text: str, attributes: dict[str, x509.ObjectIdentifier]) -> x509.Name:
    rdns = [rdn for part in parts for rdn in _read(_quoted(part), text, attributes).rdns]
    return x509.Name(rdns)


def _quoted(part: str) -> str:
    """An RDN with what RFC 4514 gives a meaning in its value escaped."""
    kind, equals, value = part.partition("=")
    value = re.sub(r'(?<!\\)([,;"<>])', r"\\\1", value)
    return f"{kind.strip()}{equals}{value}"


def _read(text: str, whole: str, attributes: dict[str, x509.ObjectIdentifier]) -> x509.Name:
    spelled = {name.lower(): name for name in attributes}

    def known(match: re.Match[str]) -> str:
        return match[1].rstrip(" ") + spelled.get(match[2].lower(), match[2]) + "="

    text = re.sub(r"(^|(?<!\\)[,+] ?)([A-Za-z0-9.]+)\s?=", known, text)
    try:
        name = x509.Name.from_rfc4514_string(text, attributes)
    except ValueError:
        raise _unreadable(whole) from None
    if not list(name):
        raise ValueError("the distinguished name is empty; give one such as CN=Device 1,O=Example,C=DE")
    return name


def _unreadable(text: str) -> ValueError:
    return ValueError(
        f"{text!r} is no distinguished name; one is expected such as CN=Device 1,O=Example,C=DE, or "
        "/C=DE/O=Example/CN=Device 1"
    )
