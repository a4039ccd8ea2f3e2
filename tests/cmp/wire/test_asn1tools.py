"""What `cmpd.cmp.wire` relies on of asn1tools beyond its documentation: why its minor version is pinned.

Where a test here fails with another version, that version's classes are not those that the strict ones
replace.
"""

from __future__ import annotations

import inspect
import re
from importlib.metadata import requires
from typing import Any

import pytest

from cmpd.cmp.wire import der as strict
from cmpd.cmp.wire.codec import ber, clean_bit_string_value, der

TEXT = """
M DEFINITIONS EXPLICIT TAGS ::= BEGIN
S ::= SEQUENCE { a INTEGER, b [0] BOOLEAN OPTIONAL, c [1] IMPLICIT OCTET STRING DEFAULT '00'H }
O ::= SEQUENCE OF INTEGER
T ::= SET OF INTEGER
C ::= CHOICE { x INTEGER, y UTF8String }
A ::= ANY
B ::= BIT STRING
E ::= ENUMERATED { one(1) }
END
"""


@pytest.fixture(scope="module")
def compiled() -> dict[str, Any]:
    """The types as asn1tools' own compiler makes them."""
    from asn1tools.parser import parse_string

    types: dict[str, Any] = der.Compiler(parse_string(TEXT)).process()["M"]
    return types


def test_the_minor_version_is_pinned() -> None:
    (pin,) = [one for one in requires("cmpd") or () if one.startswith("asn1tools")]
    lowest, below = sorted(re.findall(r"(?:>=|<)0\.(\d+)", pin), key=int)
    assert int(below) == int(lowest) + 1


def test_a_type_is_an_object_of_exactly_the_class_that_is_exchanged(compiled: dict[str, Any]) -> None:
    """`Compiler` exchanges the class of each compiled type for a strict one, by its exact class."""
    made = {name: type(one.type) for name, one in compiled.items()}
    assert made == {
        "S": der.Sequence,
        "O": der.SequenceOf,
        "T": der.SetOf,
        "C": der.Choice,
        "A": der.Any,
        "B": der.BitString,
        "E": der.Enumerated,
    }
    assert set(made.values()) <= set(strict._STRICT)


def test_members_elements_and_alternatives_are_where_they_are_looked_for(compiled: dict[str, Any]) -> None:
    sequence = compiled["S"].type
    a, b, c = sequence.root_members
    assert [one.name for one in (a, b, c)] == ["a", "b", "c"]
    assert type(b) is ber.ExplicitTag
    assert type(b.inner) is der.Boolean
    assert (b.optional, a.optional) == (True, False)
    assert (c.default, a.default) == (b"\0", None)
    assert (bytes(a.tag), bytes(b.tag), bytes(c.tag)) == (b"\x02", b"\xa0", b"\x81")
    assert type(compiled["O"].type.element_type) is type(compiled["T"].type.element_type) is der.Integer
    alternatives = compiled["C"].type.tag_to_member
    assert {bytes(tag): one.name for tag, one in alternatives.items()} == {b"\x02": "x", b"\x0c": "y"}


def test_the_methods_that_are_replaced_are_called_as_they_are_written() -> None:
    """Whatever asn1tools calls with other arguments would go past the strict ones."""
    for theirs, ours in strict._STRICT.items():
        for name in ("decode", "encode", "decode_content", "encode_content"):
            if name in vars(ours) and hasattr(theirs, name):
                wanted = list(inspect.signature(getattr(theirs, name)).parameters)
                given = list(inspect.signature(getattr(ours, name)).parameters)
                assert len(given) >= len(wanted) - 1, f"{ours.__name__}.{name}{given} for {wanted}"


def test_errors_and_helpers_are_there() -> None:
    for name in ("DecodeError", "DecodeTagError", "EncodeError", "ErrorWithLocation"):
        assert issubclass(getattr(ber, name), Exception)
    assert ber.skip_tag(b"\x1f\x81\x01\x00", 0) == 3
    assert ber.decode_object_identifier(ber.encode_object_identifier("1.2.840"), 0, 3) == "1.2.840"
    assert clean_bit_string_value((b"\xff", 4), False) == (b"\xf0", 4)
    assert ber.TAG_MISMATCH is not None
