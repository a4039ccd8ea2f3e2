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

from functools import cached_property
from typing import Any

from cmpd.cmp.wire import primitives
from cmpd.cmp.wire.codec import ber, der
from cmpd.cmp.wire.element import MISMATCH, Strict, content_of, put


class Sequence(Strict, der.Sequence):
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
        for member, octet, name, optional, has_default in self.plan:
            if name in data:
                value = data[name]
                if octet is None and type(member) is Any_:
                    encoded += value
                elif not (has_default and member.is_default(value)):
                    member.encode(value, encoded)
            elif not optional and not has_default:
                raise ber.EncodeError(f"{name} is missing", location=self)
        return encoded


class SequenceOf(Strict, der.SequenceOf):
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


class SetOf(Strict, der.SetOf):
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


class ExplicitTag(Strict, ber.ExplicitTag):
    """A tag around one element."""

    def decode(self, data: bytes, offset: int, values: Any = None) -> tuple[Any, int]:
        if data[offset] != self.octet:
            return MISMATCH, offset
        start, end = content_of(data, offset + 1)
        value, ended = self.inner.decode(data, start)
        if value is MISMATCH:
            raise ber.DecodeTagError(self.inner, data, start, location=self.inner)
        if ended != end:
            raise ber.DecodeError("the content is longer or shorter than its length says", offset=start)
        return value, end

    def encode(self, data: Any, encoded: bytearray, values: Any = None) -> None:
        content = bytearray()
        self.inner.encode(data, content)
        put(encoded, self.octet, content)


class Any_(der.Any):  # noqa: N801 - ANY is the type's name, and Python's Any another
    """One element of any kind, handed on as its octets; its inside is not looked at."""

    def decode(self, data: bytes, offset: int, values: Any = None) -> tuple[bytes, int]:
        long_tag = data[offset] & 0x1F == 0x1F
        _, end = content_of(data, ber.skip_tag(data, offset) if long_tag else offset + 1)
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


_STRICT = {
    der.Sequence: Sequence,
    der.SequenceOf: SequenceOf,
    der.SetOf: SetOf,
    ber.ExplicitTag: ExplicitTag,
    der.Any: Any_,
    der.Choice: Choice,
    der.Null: primitives.Null,
    der.Boolean: primitives.Boolean,
    der.Integer: primitives.Integer,
    der.Enumerated: primitives.Enumerated,
    der.BitString: primitives.BitString,
    der.OctetString: primitives.OctetString,
    der.ObjectIdentifier: primitives.ObjectIdentifier,
    der.UTF8String: primitives.UTF8String,
    der.NumericString: primitives.NumericString,
    der.PrintableString: primitives.PrintableString,
    der.IA5String: primitives.IA5String,
    der.VisibleString: primitives.VisibleString,
    der.BMPString: primitives.BMPString,
    der.UniversalString: primitives.UniversalString,
    der.TeletexString: primitives.TeletexString,
    der.GeneralizedTime: primitives.GeneralizedTime,
    der.UTCTime: primitives.UTCTime,
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
