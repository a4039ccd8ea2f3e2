"""Text that others chose, made safe for a terminal: every room may show it, so this is a leaf."""

from __future__ import annotations


def printable(text: str) -> str:
    """A peer's text in one line, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)
