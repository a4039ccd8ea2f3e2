"""A line with lines under it, and text and octets in a form that is safe on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

HEXADECIMAL = 64
"""Octets that are shown before the rest is only counted."""
INDENTATION = "  "


@dataclass
class Item:
    """``label: text``, and what it consists of."""

    label: str
    text: str = ""
    parts: list[Item] = field(default_factory=list)

    def lines(self, indentation: str = "") -> Iterator[str]:
        """The item and its parts, from the top."""
        yield f"{indentation}{self.label}: {self.text}" if self.text else f"{indentation}{self.label}"
        for part in self.parts:
            yield from part.lines(indentation + INDENTATION)


def hexadecimal(content: bytes, limit: int = HEXADECIMAL) -> str:
    """The octets, at most `limit` of them."""
    if len(content) <= limit:
        return content.hex() or "no octets"
    return f"{content[:limit].hex()}… ({len(content)} octets)"


def text_or_hexadecimal(content: bytes, limit: int = HEXADECIMAL) -> str:
    """In quotation marks where all of it is ASCII text, as references often are."""
    if len(content) >= 4 and all(0x20 <= octet < 0x7F for octet in content):
        return f'"{content[:limit].decode()}"' + ("…" if len(content) > limit else "")
    return hexadecimal(content, limit)
