"""Strings prepared for comparison: the six steps of RFC 4518, section 2, as RFC 5280, section 7.1, has them.

Which characters a step concerns stands in the RFCs' own tables, of Unicode 3.2, so that two names compare
today as they did yesterday, and here as with everybody else. Case is folded by RFC 3454, table B.2.
"""

from __future__ import annotations

import stringprep
from functools import lru_cache
from itertools import chain
from typing import Final
from unicodedata import ucd_3_2_0

TO_SPACE: Final = frozenset(
    chain(
        range(0x0009, 0x000E),
        (0x0020, 0x0085, 0x00A0, 0x1680),
        range(0x2000, 0x200B),
        (0x2028, 0x2029, 0x202F, 0x205F, 0x3000),
    )
)
"""Code points mapped to SPACE (RFC 4518, section 2.2)."""

TO_NOTHING: Final = frozenset(
    chain(
        range(0x0009),
        range(0x000E, 0x0020),
        range(0x007F, 0x0085),
        range(0x0086, 0x00A0),
        (0x00AD, 0x034F, 0x06DD, 0x070F, 0x1806),
        range(0x180B, 0x180F),
        range(0x200B, 0x2010),
        range(0x202A, 0x202F),
        range(0x2060, 0x2064),
        range(0x206A, 0x2070),
        range(0xFE00, 0xFE10),
        (0xFEFF,),
        range(0xFFF9, 0xFFFD),
        range(0x1D173, 0x1D17B),
        (0xE0001,),
        range(0xE0020, 0xE0080),
    )
)
"""Code points mapped to nothing: soft hyphens, joiners, variation selectors, controls (the same section)."""

PROHIBITED: Final = (
    stringprep.in_table_a1,  # unassigned in Unicode 3.2
    stringprep.in_table_c3,  # private use
    stringprep.in_table_c4,  # no characters
    stringprep.in_table_c5,  # surrogates
    stringprep.in_table_c8,  # change the display, or deprecated
    "\ufffd".__eq__,  # REPLACEMENT CHARACTER
)
"""What must not be left after normalization (RFC 4518, section 2.4)."""


class Prohibited(ValueError):
    """The string has a character with which it matches nothing (RFC 4518, section 2.4)."""


@lru_cache(maxsize=512)
def prepare(text: str) -> str:
    """What two attribute values have in common that match by caseIgnoreMatch, or caseIgnoreIA5Match.

    Transcoding is done, `text` is Unicode; bidirectional characters are ignored (step 5). The outcome
    begins and ends with a space. Raises Prohibited.
    """
    normal = ucd_3_2_0.normalize("NFKC", "".join(map(_mapped, text)))
    for character in normal:
        if any(prohibits(character) for prohibits in PROHIBITED):
            raise Prohibited(f"U+{ord(character):04X} is prohibited in strings that are compared")
    return _without_insignificant_spaces(normal)


def _mapped(character: str) -> str:
    """Step 2. Unassigned characters stay, for step 4 to find: today's Unicode knows the case of some."""
    code = ord(character)
    if code in TO_SPACE:
        return " "
    if code in TO_NOTHING:
        return ""
    return character if stringprep.in_table_a1(character) else stringprep.map_table_b2(character)


def _without_insignificant_spaces(text: str) -> str:
    """Step 6 for attribute values (RFC 4518, section 2.6.1): one space around, two for each inner run.

    A SPACE that a combining mark follows is a letter to write the mark on, and no space.
    """
    words = [""]
    for index, character in enumerate(text):
        if character == " " and not _is_combining(text[index + 1 : index + 2]):
            words.append("")
        else:
            words[-1] += character
    return f" {'  '.join(filter(None, words))} "


def _is_combining(character: str) -> bool:
    """Whether it is a combining mark (RFC 4518, appendix A: Mn, Mc and Me)."""
    return bool(character) and ucd_3_2_0.category(character).startswith("M")
