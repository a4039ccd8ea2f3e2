"""Strict DER: what is taken is encoded to the very same octets, and asn1tools takes nothing less."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmpd.cmp.wire import schema
from cmpd.cmp.wire.codec import der as asn1tools_der
from cmpd.cmp.wire.element import content_of, put

MESSAGES = {path.stem: path.read_bytes() for path in (Path(__file__).parents[1] / "messages").glob("*.der")}
TYPES: dict[str, Any] = schema._types()
DEEPEST = 7


@cache
def lenient() -> dict[str, Any]:
    """The same types, as asn1tools by itself compiles them."""
    modules = asn1tools_der.Compiler(schema._modules()).process()
    return {name: compiled for module in modules.values() for name, compiled in module.items()}


def parts(compiled: Any) -> Iterator[Any]:
    """The types that a compiled type consists of."""
    yield from getattr(compiled, "root_members", ())
    yield from getattr(compiled, "tag_to_member", {}).values()
    for inside in ("element_type", "inner"):
        if hasattr(compiled, inside):
            yield getattr(compiled, inside)


def everything() -> list[Any]:
    """Each type once that any type of the schema consists of."""
    found: dict[int, Any] = {}
    left = list(TYPES.values())
    while left:
        compiled = left.pop()
        if id(compiled) not in found:
            found[id(compiled)] = compiled
            left += parts(compiled)
    return list(found.values())


def test_every_type_is_a_strict_one_that_knows_its_tag() -> None:
    """NumericString once was asn1tools' own, and took lengths in the long form for no need."""
    for compiled in everything():
        assert type(compiled).__module__.startswith("cmpd.") or type(compiled).__name__ == "Recursive"
        assert compiled.tag is None or compiled.tag == bytes([compiled.octet])
        assert all(len(tag) == 1 for tag in getattr(compiled, "tag_to_member", ()))
        assert not getattr(compiled, "additions", None)


def element(tag: bytes, content: bytes) -> bytes:
    encoded = bytearray()
    put(encoded, tag[-1], content)
    return tag[:-1] + bytes(encoded)


LONG = b"\x02" * 256
ANY = [
    *(b"\x05\x00", b"\x30\x00", b"\x02\x01\x05", b"\x1f\x85\x01\x02ab", b"\xbf\x1f\x00"),
    *(element(b"\x04", LONG[:size]) for size in (127, 128, 255, 256)),
]
CONTENTS: dict[str, list[bytes]] = {
    "Null": [b""],
    "Boolean": [b"\x00", b"\xff"],
    "Integer": [b"\x00", b"\x02", b"\x7f", b"\x80", b"\x00\x80", b"\xff\x7f", b"\x01" + bytes(19)],
    "Enumerated": [b"\x00", b"\x01", b"\x08", b"\x0a"],
    "BitString": [b"\x00", b"\x00\x01", b"\x07\x80", b"\x05\x20", b"\x00" + LONG[:126], b"\x00" + LONG[:127]],
    "OctetString": [b"", b"abc", LONG[:127], LONG[:128], LONG],
    "ObjectIdentifier": [b"\x2a", b"\x55\x1d\x0f", b"\x88\x37\x01", b"\x2a\x86\x48\x86\xf7\x0d"],
    "GeneralizedTime": [
        b"20260101000000Z",
        b"00010101000000Z",
        b"20260101000000.5Z",
        b"20260101000000.000001Z",
    ],
    "UTCTime": [b"500101000000Z", b"491231235959Z"],
    "BMPString": ["é".encode("utf-16-be"), b"\xd8\x00\xdc\x00"],
    "UniversalString": ["é".encode("utf-32-be")],
}
"""Of primitive types, by class; other strings are text."""
TEXT = [b"", b"a", b"1 2", LONG[:128].replace(b"\x02", b"x")]


@st.composite
def ders(draw: st.DrawFn, compiled: Any, depth: int = 0) -> bytes:
    """DER of a type."""
    kind = type(compiled).__name__
    match kind:
        case "Recursive":
            return draw(ders(compiled.inner, depth))
        case "Any_":
            return draw(st.sampled_from(ANY))
        case "Choice":
            members = list(compiled.tag_to_member.values())
            simple = [one for one in members if not list(parts(one))]
            chosen = simple if depth > DEEPEST and simple else members
            return draw(ders(draw(st.sampled_from(chosen)), depth + 1))
        case "ExplicitTag":
            return element(compiled.tag, draw(ders(compiled.inner, depth + 1)))
        case "Sequence":
            content = b""
            for member in compiled.root_members:
                may_lack = member.optional or member.has_default()
                if not may_lack or (depth <= DEEPEST and draw(st.booleans())):
                    content += draw(ders(member, depth + 1))
            return element(compiled.tag, content)
        case "SequenceOf" | "SetOf":
            most = 2 if depth <= DEEPEST else 0
            elements = [
                draw(ders(compiled.element_type, depth + 1)) for _ in range(draw(st.integers(0, most)))
            ]
            return element(compiled.tag, b"".join(sorted(elements) if kind == "SetOf" else elements))
        case _:
            return element(compiled.tag, draw(st.sampled_from(CONTENTS.get(kind, TEXT))))


def in_the_long_form(octets: bytearray, at: int) -> None:
    """What may be a length, written as DER does not."""
    if at < len(octets):
        octets[at : at + 1] = bytes([0x81, octets[at]])


CHANGES: list[Callable[[bytearray, int], None]] = [
    in_the_long_form,
    lambda octets, at: octets.__delitem__(slice(at, at + 1)),
    lambda octets, at: octets.__delitem__(slice(at, None)),
    *(
        lambda octets, at, value=value: octets.__setitem__(slice(at, at + 1), value)
        for value in (b"\x00", b"\x01", b"\x1f", b"\x20", b"\x30", b"\x7f", b"\x80", b"\xa0", b"\xff")
    ),
    *(
        lambda octets, at, value=value: octets.__setitem__(slice(at, at), value)
        for value in (b"\x00", b"\x80", b"\x82\x00", b"\x05\x00", b"\x00\x00")
    ),
]


def check(name: str, octets: bytes) -> bool:
    """Whether they are taken; if so, they have to come back, and asn1tools has to take them whole."""
    try:
        value = schema.decode(name, octets)
    except schema.DecodeError:
        return False
    assert schema.encode(name, value) == octets
    _, end = lenient()[name].decode_with_length(octets)
    assert end == len(octets)
    return True


@settings(max_examples=400)
@given(st.data())
def test_what_is_taken_is_encoded_to_the_very_same_octets(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(TYPES)))
    octets = bytearray(data.draw(ders(TYPES[name])))
    for _ in range(data.draw(st.integers(0, 3))):
        data.draw(st.sampled_from(CHANGES))(octets, data.draw(st.integers(0, len(octets))))
    check(name, bytes(octets))


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("view", ["RawMessage", "PKIMessage"])
def test_a_message_that_ends_anywhere_before_its_end_is_refused(name: str, view: str) -> None:
    whole = MESSAGES[name]
    assert check(view, whole)
    for end in range(len(whole)):
        assert not check(view, whole[:end])


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_with_any_octet_changed_is_refused_or_comes_back(name: str) -> None:
    whole = MESSAGES[name]
    for at in range(min(len(whole), 300)):
        for change in (0x01, 0x80):
            changed = bytearray(whole)
            changed[at] ^= change
            check("PKIMessage", bytes(changed))


@pytest.mark.parametrize(
    ("octets", "content"),
    [
        ("00", (1, 1)),
        ("7f", (1, 128)),
        ("8180", (2, 130)),
        ("81ff", (2, 257)),
        ("820100", (3, 259)),
        ("8401000000", (5, 5 + (1 << 24))),
        ("fe01" + 125 * "00", (127, 127 + (1 << 1000))),
        ("80", None),
        ("ff" + 127 * "01", None),
        ("8100", None),
        ("817f", None),
        ("82007f", None),
        ("820080", None),
        ("8200ff", None),
        ("", None),
        ("81", None),
        ("8201", None),
        ("84ffffff", None),
        ("fe" + 125 * "ff", None),
    ],
)
def test_a_length_is_definite_whole_and_in_its_shortest_form(
    octets: str, content: tuple[int, int] | None
) -> None:
    """Whether the content is there is for what holds the element to see."""
    data = bytes.fromhex(octets)
    if content is None:
        with pytest.raises((asn1tools_der.ber.DecodeError, IndexError)):
            content_of(data, 0)
    else:
        assert content_of(data, 0) == content


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536, 1 << 24])
def test_a_length_is_written_as_it_is_read(size: int) -> None:
    encoded = bytearray()
    put(encoded, 0x04, bytes(size))
    start, end = content_of(bytes(encoded), 1)
    assert (end - start, end) == (size, len(encoded))
    assert encoded == b"\x04" + asn1tools_der.encode_length_definite(size) + bytes(size)
