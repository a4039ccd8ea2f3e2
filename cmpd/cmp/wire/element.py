"""The outside of every element in DER: its tag, a definite length in its shortest form, and content of just
that length (X.690, sections 8.1 and 10.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cmpd.cmp.wire.codec import ber

MISMATCH = ber.TAG_MISMATCH


def content_of(data: bytes, offset: int) -> tuple[int, int]:
    """Where the content begins and ends whose length octets begin at `offset` (X.690, section 10.1)."""
    first = data[offset]
    if first < 0x80:
        return offset + 1, offset + 1 + first
    if first in (0x80, 0xFF):
        raise ber.DecodeError("the length is not definite", offset=offset)
    start = offset + 1 + (first & 0x7F)
    octets = data[offset + 1 : start]
    length = int.from_bytes(octets, "big")
    if length < 0x80 or octets[0] == 0:
        raise ber.DecodeError("the length is not in its shortest form", offset=offset)
    if len(octets) != start - offset - 1:
        raise IndexError
    return start, start + length


def put(encoded: bytearray, octet: int, content: bytes | bytearray) -> None:
    """Add an element."""
    length = len(content)
    encoded.append(octet)
    if length < 0x80:
        encoded.append(length)
    else:
        octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
        encoded.append(0x80 | len(octets))
        encoded += octets
    encoded += content


class Strict:
    """The outside of every element: its tag, a definite length, and content of just that length."""

    tag: bytes
    octet: int
    """The tag; those of CMP and X.509 take one octet each."""

    def decode(self, data: bytes, offset: int, values: Any = None) -> tuple[Any, int]:
        if data[offset] != self.octet:
            return MISMATCH, offset
        length = data[offset + 1]
        if length < 0x80:  # most are, and the call would cost as much as the rest of this
            start = offset + 2
            end = start + length
        else:
            start, end = content_of(data, offset + 1)
        value, ended = self.decode_content(data, start, end - start)
        if ended != end:
            raise ber.DecodeError("the content is longer or shorter than its length says", offset=start)
        return value, end

    def encode(self, data: Any, encoded: bytearray, values: Any = None) -> None:
        put(encoded, self.octet, self.encode_content(data))

    if TYPE_CHECKING:  # asn1tools' classes have them

        def decode_content(self, data: bytes, offset: int, length: int) -> tuple[Any, int]: ...
        def encode_content(self, data: Any) -> bytes | bytearray: ...
