"""asn1tools' DER codec, made strict: everything that makes decoding here refuse more than asn1tools does.

By itself asn1tools takes indefinite lengths, lengths longer than they need be, elements that end before or
after what holds them, members out of order, octets after the last member, encoded DEFAULTs, NULLs and BIT
STRINGs with impossible contents. Two readers who differ on such bytes read two messages under one
signature, so they are refused. It also encodes SET OF and named bits as they come, which DER orders and
trims.

The modules are compiled by asn1tools' own compiler; only the classes of what it compiles are exchanged.
None of the modules in `asn1/` has an extension marker, and extensions are not carried out here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cmpd.cmp.codec import ber, clean_bit_string_value, der

MAX_INTEGER = 1040
"""Octets of an INTEGER: enough for any key, and few enough that Python prints the number."""
MAX_OID = 64
"""Octets of an OBJECT IDENTIFIER: decoding one takes time with the square of its length."""
MISMATCH = ber.TAG_MISMATCH


def _content(data: bytes, offset: int) -> tuple[int, int]:
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


class _Strict:
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
            start, end = _content(data, offset + 1)
        value, ended = self.decode_content(data, start, end - start)
        if ended != end:
            raise ber.DecodeError("the content is longer or shorter than its length says", offset=start)
        return value, end

    def encode(self, data: Any, encoded: bytearray, values: Any = None) -> None:
        content = self.encode_content(data)
        length = len(content)
        encoded += self.tag
        if length < 0x80:
            encoded.append(length)
        else:
            octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
            encoded.append(0x80 | len(octets))
            encoded += octets
        encoded += content

    if TYPE_CHECKING:  # asn1tools' classes have them

        def decode_content(self, data: bytes, offset: int, length: int) -> tuple[Any, int]: ...
        def encode_content(self, data: Any) -> bytes | bytearray: ...


class Sequence(_Strict, der.Sequence):
    """Members in their order, each at most once and no DEFAULT, and nothing after them."""

    @cached_property
    def plan(self) -> list[tuple[Any, int | None, str, bool, bool]]:
        """Each member with its tag's octet and name, and whether it may be absent and has a DEFAULT: what
        would else be looked up for each member of each value."""
        return [
            (member, member.octet, member.name, member.optional, member.has_default())
            for member in self.root_members
        ]

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[dict[str, Any], int]:
        end = offset + length
        values: dict[str, Any] = {}
        member = None
        try:
            for member, octet, name, optional, has_default in self.plan:
                if offset < end and (octet is None or octet == data[offset]):
                    value, offset = member.decode(data, offset)
                    if value is not MISMATCH:
                        if has_default and member.is_default(value):
                            raise ber.DecodeError("its DEFAULT is encoded", offset=offset)
                        values[name] = value
                        continue
                if optional:
                    continue
                if not has_default:
                    raise ber.DecodeError("it is missing", offset=offset)
                values[name] = member.get_default()
        except ber.ErrorWithLocation as error:
            error.add_location(member)
            raise
        return values, offset

    def encode_content(self, data: dict[str, Any], values: Any = None) -> bytearray:
        encoded = bytearray()
        for member, _, name, optional, has_default in self.plan:
            if name in data:
                value = data[name]
                if not (has_default and member.is_default(value)):
                    member.encode(value, encoded)
            elif not optional and not has_default:
                raise ber.EncodeError(f"{name} is missing", location=self)
        return encoded


class SequenceOf(_Strict, der.SequenceOf):
    """Elements up to the end, no further."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[list[Any], int]:
        end = offset + length
        element = self.element_type
        values = []
        while offset < end:
            value, offset = element.decode(data, offset)
            if value is MISMATCH:
                raise ber.DecodeTagError(element, data, offset, location=element)
            values.append(value)
        return values, offset


class SetOf(_Strict, der.SetOf):
    """Elements up to the end, in ascending order of their encodings (X.690, section 11.6)."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[list[Any], int]:
        end = offset + length
        values = []
        last = b""
        while offset < end:
            start = offset
            value, offset = self.element_type.decode(data, start)
            if value is MISMATCH:
                raise ber.DecodeTagError(self.element_type, data, start, location=self.element_type)
            encoding = data[start:offset]
            if encoding < last:
                raise ber.DecodeError("the SET OF is not in order", offset=start)
            last = encoding
            values.append(value)
        return values, offset

    def encode_content(self, data: list[Any], values: Any = None) -> bytes:
        encodings = []
        for value in data:
            encoded = bytearray()
            self.element_type.encode(value, encoded)
            encodings.append(bytes(encoded))
        return b"".join(sorted(encodings))


class ExplicitTag(_Strict, ber.ExplicitTag):
    """A tag around one element."""

    def decode(self, data: bytes, offset: int, values: Any = None) -> tuple[Any, int]:
        if data[offset] != self.octet:
            return MISMATCH, offset
        start, end = _content(data, offset + 1)
        value, ended = self.inner.decode(data, start)
        if value is MISMATCH:
            raise ber.DecodeTagError(self.inner, data, start, location=self.inner)
        if ended != end:
            raise ber.DecodeError("the content is longer or shorter than its length says", offset=start)
        return value, end


class Any_(der.Any):  # noqa: N801 - ANY is the type's name, and Python's Any another
    """One element of any kind, handed on as its octets; its inside is not looked at."""

    def decode(self, data: bytes, offset: int, values: Any = None) -> tuple[bytes, int]:
        long_tag = data[offset] & 0x1F == 0x1F
        _, end = _content(data, ber.skip_tag(data, offset) if long_tag else offset + 1)
        return data[offset:end], end


class Choice(der.Choice):
    """One of the alternatives, told by its tag."""

    def decode(self, data: bytes, offset: int, values: Any = None) -> tuple[Any, int]:
        member = self.tag_to_member.get(data[offset : offset + 1])
        if member is None:
            return MISMATCH, offset
        try:
            value, end = member.decode(data, offset)
        except ber.ErrorWithLocation as error:
            error.add_location(member)
            raise
        return (member.name, value), end


class Null(_Strict, der.Null):
    """No content."""

    def encode_content(self, data: None, values: Any = None) -> bytes:
        return b""


class Boolean(_Strict, der.Boolean):
    """FALSE is 00, TRUE is FF (X.690, section 11.1)."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[bool, int]:
        if length != 1 or data[offset] not in (0x00, 0xFF):
            raise ber.DecodeError("it is neither TRUE nor FALSE", offset=offset)
        return data[offset] == 0xFF, offset + 1


class Integer(_Strict, der.Integer):
    """A number in its shortest form (X.690, section 8.3.2), of at most MAX_INTEGER octets."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[int, int]:
        _check_number(data, offset, length)
        end = offset + length
        return int.from_bytes(data[offset:end], "big", signed=True), end


class Enumerated(_Strict, der.Enumerated):
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


class BitString(_Strict, der.BitString):
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


class OctetString(_Strict, der.OctetString):
    """Octets in one piece."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[bytes, int]:
        end = offset + length
        return bytes(data[offset:end]), end


class ObjectIdentifier(_Strict, der.ObjectIdentifier):
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


class UTF8String(_Strict, der.UTF8String):
    """UTF-8."""


class PrintableString(_Strict, der.PrintableString):
    """ASCII."""


class IA5String(_Strict, der.IA5String):
    """ASCII."""


class VisibleString(_Strict, der.VisibleString):
    """ASCII."""


class BMPString(_Strict, der.BMPString):
    """UTF-16, big-endian."""


class UniversalString(_Strict, der.UniversalString):
    """UTF-32, big-endian."""


class TeletexString(_Strict, der.TeletexString):
    """Latin-1, as everybody reads T.61."""


class GeneralizedTime(_Strict, der.GeneralizedTime):
    """YYYYMMDDHHMMSS[.f]Z (X.690, section 11.7), as a naive datetime in UTC."""

    def decode_content(self, data: bytes, offset: int, length: int) -> tuple[datetime, int]:
        end = offset + length
        text = bytes(data[offset:end])
        if length == 15 and text[:14].isdigit() and text[14] == 0x5A:  # the usual case, without strptime
            return _time(text.decode()), end
        value: tuple[datetime, int] = super().decode_content(data, offset, length)
        return value

    def encode_content(self, data: datetime, values: Any = None) -> bytes:
        time = _in_utc(data)
        fraction = f".{time.microsecond:06}".rstrip("0") if time.microsecond else ""
        return f"{time.year:04}{_digits(time)}{fraction}Z".encode()


class UTCTime(_Strict, der.UTCTime):
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


def _time(text: str) -> datetime:
    """Of YYYYMMDDHHMMSSZ, whose form is checked."""
    return datetime.fromisoformat(f"{text[:8]}T{text[8:14]}")


def _in_utc(time: datetime) -> datetime:
    """A naive time is in UTC already."""
    return time if time.tzinfo is None or time.tzinfo is UTC else time.astimezone(UTC)


def _digits(time: datetime) -> str:
    """MMDDHHMMSS."""
    return f"{time.month:02}{time.day:02}{time.hour:02}{time.minute:02}{time.second:02}"


_STRICT = {
    der.Sequence: Sequence,
    der.SequenceOf: SequenceOf,
    der.SetOf: SetOf,
    ber.ExplicitTag: ExplicitTag,
    der.Any: Any_,
    der.Choice: Choice,
    der.Null: Null,
    der.Boolean: Boolean,
    der.Integer: Integer,
    der.Enumerated: Enumerated,
    der.BitString: BitString,
    der.OctetString: OctetString,
    der.ObjectIdentifier: ObjectIdentifier,
    der.UTF8String: UTF8String,
    der.PrintableString: PrintableString,
    der.IA5String: IA5String,
    der.VisibleString: VisibleString,
    der.BMPString: BMPString,
    der.UniversalString: UniversalString,
    der.TeletexString: TeletexString,
    der.GeneralizedTime: GeneralizedTime,
    der.UTCTime: UTCTime,
}


class Compiler(der.Compiler):
    """asn1tools' compiler, with the strict classes in place of its own."""

    def compile_implicit_type(self, name: str, type_descriptor: Any, module_name: str) -> Any:
        return self._strict(super().compile_implicit_type(name, type_descriptor, module_name))

    def compile_type(self, name: str, type_descriptor: Any, module_name: str) -> Any:
        return self._strict(super().compile_type(name, type_descriptor, module_name))

    def _strict(self, compiled: Any) -> Any:
        compiled.__class__ = _STRICT.get(type(compiled), type(compiled))
        compiled.octet = compiled.tag[0] if compiled.tag else None
        return compiled
