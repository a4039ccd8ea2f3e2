"""Primitive values in strict DER: numbers, octets, OBJECT IDENTIFIERs, strings and times."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

from cmpd.cmp.wire.codec import ber, clean_bit_string_value, der
from cmpd.cmp.wire.element import Strict

MAX_INTEGER = 1040
"""Octets of an INTEGER: enough for any key, and few enough that Python prints the number."""
MAX_OID = 64
"""Octets of an OBJECT IDENTIFIER: decoding one takes time with the square of its length."""


class Null(Strict, der.Null):
    """No content."""

    def encode_content(self, data: None, values: Any = None) -> bytes:
        return b""


class Boolean(Strict, der.Boolean):
    """FALSE is 00, TRUE is FF (X.690, section 11.1)."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[bool, int]:
        if length != 1 or data[offset] not in (0x00, 0xFF):
            raise ber.DecodeError("it is neither TRUE nor FALSE", offset=offset)
        return data[offset] == 0xFF, offset + 1


class Integer(Strict, der.Integer):
    """A number in its shortest form (X.690, section 8.3.2), of at most MAX_INTEGER octets."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[int, int]:
        _check_number(data, offset, length)
        end = offset + length
        return int.from_bytes(data[offset:end], "big", signed=True), end


class Enumerated(Strict, der.Enumerated):
    """As INTEGER."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[str, int]:
        _check_number(data, offset, length)
        value: tuple[str, int] = super().decode_content(data, offset, length)
        return value


def _check_number(data: bytes, offset: int, length: int) -> None:
    if not 1 <= length <= MAX_INTEGER:
        raise ber.DecodeError(f"a number of {length} octets", offset=offset)
    if length > 1 and (data[offset], data[offset + 1] >> 7) in ((0x00, 0), (0xFF, 1)):
        raise ber.DecodeError("the number is not in its shortest form", offset=offset)


class BitString(Strict, der.BitString):
    """Unused bits are at most seven, and zero; named bits end with a one (X.690, section 11.2)."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[tuple[bytes, int], int]:
        end = offset + length
        unused = data[offset] if length else 8
        if unused > 7 or (unused and (length == 1 or data[end - 1] & ((1 << unused) - 1))):
            raise ber.DecodeError("impossible unused bits", offset=offset)
        if self.has_named_bits and length > 1 and not data[end - 1] & (1 << unused):
            raise ber.DecodeError("the last of named bits is zero", offset=offset)
        return (bytes(data[offset + 1 : end]), 8 * (length - 1) - unused), end

    def encode_content(self, data: tuple[bytes, int], values: Any = None) -> bytes:
        """Unused bits become zero, and named bits lose the zeros at their end (X.690, section 11.2.2)."""
        content, size = data
        if self.has_named_bits or size != 8 * len(content):
            content, size = clean_bit_string_value(data, self.has_named_bits)
        return bytes([-size % 8]) + content


class OctetString(Strict, der.OctetString):
    """Octets in one piece."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[bytes, int]:
        end = offset + length
        return bytes(data[offset:end]), end


class ObjectIdentifier(Strict, der.ObjectIdentifier):
    """Arcs in their shortest form, all within at most MAX_OID octets."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[str, int]:
        end = offset + length
        return _arcs(bytes(data[offset:end])), end

    def encode_content(self, data: str, values: Any = None) -> bytes:
        return _octets(data)


@lru_cache(maxsize=512)
def _arcs(content: bytes) -> str:
    last = content[-1:]
    if not last or last >= b"\x80" or len(content) > MAX_OID:
        raise ber.DecodeError("no OBJECT IDENTIFIER")
    if content[0] == 0x80 or any(a < 0x80 and b == 0x80 for a, b in pairwise(content)):
        raise ber.DecodeError("an arc is not in its shortest form")
    text: str = ber.decode_object_identifier(content, 0, len(content))
    first, second, *more = text.split(".")
    if int(first) > 2:  # asn1tools divides by 40, but the arcs under 2 go on
        first, second = "2", str(40 * int(first) + int(second) - 80)
    return ".".join([first, second, *more])


@lru_cache(maxsize=512)
def _octets(oid: str) -> bytes:
    return bytes(ber.encode_object_identifier(oid))


class UTF8String(Strict, der.UTF8String):
    """UTF-8."""


class PrintableString(Strict, der.PrintableString):
    """ASCII."""


class NumericString(Strict, der.NumericString):
    """ASCII."""


class IA5String(Strict, der.IA5String):
    """ASCII."""


class VisibleString(Strict, der.VisibleString):
    """ASCII."""


class BMPString(Strict, der.BMPString):
    """UTF-16, big-endian."""


class UniversalString(Strict, der.UniversalString):
    """UTF-32, big-endian."""


class TeletexString(Strict, der.TeletexString):
    """Latin-1, as everybody reads T.61."""


class GeneralizedTime(Strict, der.GeneralizedTime):
    """YYYYMMDDHHMMSS[.f]Z (X.690, section 11.7), as a naive datetime in UTC."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[datetime, int]:
        end = offset + length
        matched = _GENERALIZED_TIME.fullmatch(data, offset, end)
        if matched is None:
            raise ber.DecodeError("no GeneralizedTime of the form YYYYMMDDHHMMSS[.f]Z", offset=offset)
        whole, fraction = matched.groups()
        time = _time(whole.decode())
        return time.replace(microsecond=int(fraction.ljust(6, b"0"))) if fraction else time, end

    def encode_content(self, data: datetime, values: Any = None) -> bytes:
        time = _in_utc(data)
        fraction = f".{time.microsecond:06}".rstrip("0") if time.microsecond else ""
        return f"{time.year:04}{_digits(time)}{fraction}Z".encode()


class UTCTime(Strict, der.UTCTime):
    """YYMMDDHHMMSSZ (X.690, section 11.8), as a naive datetime in UTC; 50 is 1950 (RFC 5280, 4.1.2.5.1)."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[datetime, int]:
        end = offset + length
        text = bytes(data[offset:end])
        if length != 13 or not text[:12].isdigit() or text[12] != 0x5A:
            raise ber.DecodeError("no UTCTime of the form YYMMDDHHMMSSZ", offset=offset)
        return _time(("19" if text >= b"50" else "20") + text.decode()), end

    def encode_content(self, data: datetime, values: Any = None) -> bytes:
        if not 1950 <= data.year < 2050:
            raise ber.EncodeError(f"UTCTime has no {data.year}", location=self)
        time = _in_utc(data)
        return f"{time.year % 100:02}{_digits(time)}Z".encode()


_GENERALIZED_TIME = re.compile(rb"(\d{14})(?:\.(\d{,5}[1-9]))?Z")
"""To microseconds, which is what a datetime holds; strptime would take blanks for digits."""


def _time(text: str) -> datetime:
    """Of YYYYMMDDHHMMSS, whose form is checked."""
    if text[8:10] == "24":  # the next day's midnight, as Python 3.14 has it, and 00 in DER
        raise ValueError("hour must be in 0..23")
    return datetime.fromisoformat(f"{text[:8]}T{text[8:14]}")


def _in_utc(time: datetime) -> datetime:
    """A naive time is in UTC already."""
    return time if time.tzinfo is None or time.tzinfo is UTC else time.astimezone(UTC)


def _digits(time: datetime) -> str:
    """MMDDHHMMSS."""
    return f"{time.month:02}{time.day:02}{time.hour:02}{time.minute:02}{time.second:02}"
