"""From a value and its type's definition to items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from cmpd.cmp.readable import inside
from cmpd.cmp.readable.item import HEXADECIMAL, Item, hexadecimal, text_or_hexadecimal
from cmpd.cmp.wire import oids, schema
from cmpd.cmp.wire.schema import DecodeError
from cmpd.printable import printable

Definition: TypeAlias = dict[str, Any]
Form: TypeAlias = Callable[["Walk", str, Any, bytes], Item]
"""Shows a type that has a form of its own: takes the walk, the label, the value, and its encoding, if any."""
LARGE = 1 << 63
"""Integers from here on are serial numbers and the like, and shown in hexadecimal."""
DEEPEST = 24
"""Layers of types; messages in messages in messages end there."""


class Walk:
    """Shows values. `forms`: how types of a form of their own are shown, by type name. `octets`: how many of
    an octet string are shown before the rest is counted."""

    def __init__(self, forms: Mapping[str, Form], octets: int = HEXADECIMAL) -> None:
        self._forms = forms
        self.octets = octets
        self._depth = 0

    def decode(self, type_name: str, der: bytes) -> Any:
        """The value of the type. Raises DecodeError."""
        return schema.decode(type_name, der)

    def encoded(self, label: str, type_name: str, der: bytes) -> Item:
        """What is inside an ANY; as octets where it is not of that type."""
        if self._depth > DEEPEST:
            return Item(label, f"too deep to be shown, {len(der)} octets")
        try:
            value = self.decode(type_name, der)
        except DecodeError as error:
            return Item(
                label, f"not readable: {printable(str(error))}", [Item("octets", self.octets_of(der))]
            )
        self._depth += 1
        try:
            return self.named(label, type_name, value, der)
        finally:
            self._depth -= 1

    def named(self, label: str, type_name: str, value: Any, der: bytes = b"") -> Item:
        """A value of a type that has a name; `der` is its encoding where that is at hand."""
        form = self._forms.get(type_name)
        if form is not None:
            return form(self, label, value, der)
        return self.value(label, schema.definitions()[type_name], value)

    def value(self, label: str, definition: Definition, value: Any) -> Item:
        """A value, by the definition of its type."""
        kind: str = definition["type"]
        show = _SHOW.get(kind)
        if show is None:
            return self.named(label, kind, value)
        return show(self, label, definition, value)

    def octets_of(self, content: bytes) -> str:
        """Octets in hexadecimal."""
        return hexadecimal(content, self.octets)

    def _sequence(self, label: str, definition: Definition, value: dict[str, Any]) -> Item:
        members = [member for member in definition["members"] if member["name"] in value]
        return Item(label, parts=[self.value(each["name"], each, value[each["name"]]) for each in members])

    def _list(self, label: str, definition: Definition, value: list[Any]) -> Item:
        element = definition["element"]
        if element["type"] == "ANY" and label in inside.MEMBERS:
            items = [self.encoded(label, inside.MEMBERS[label], each) for each in value]
        else:
            items = [self.value("", element, each) for each in value]
        return gathered(label, items)

    def _choice(self, label: str, definition: Definition, value: tuple[str, Any]) -> Item:
        name, content = value
        member = next(each for each in definition["members"] if each["name"] == name)
        chosen = self.value(name, member, content)
        return Item(label, f"{name}: {chosen.text}" if chosen.text else name, chosen.parts)

    def _any(self, label: str, definition: Definition, value: bytes) -> Item:
        if label in inside.MEMBERS:
            return self.encoded(label, inside.MEMBERS[label], value)
        return Item(label, self.octets_of(value))

    def _integer(self, label: str, definition: Definition, value: int) -> Item:
        names = {number: name for name, number in definition.get("named-numbers", {}).items()}
        if value in names:
            return Item(label, f"{names[value]} ({value})")
        return Item(label, f"0x{value:x}" if abs(value) >= LARGE or label == "serialNumber" else str(value))

    def _bits(self, label: str, definition: Definition, value: tuple[bytes, int]) -> Item:
        content, size = value
        if "named-bits" not in definition:
            rest = f" and {size % 8} bits" if size % 8 else ""
            return Item(label, self.octets_of(content) + rest)
        names = {int(number): name for name, number in definition["named-bits"]}
        ones = [bit for bit in range(size) if content[bit // 8] & (0x80 >> bit % 8)]
        return Item(label, ", ".join(names.get(bit, f"bit {bit}") for bit in ones) or "none")

    def _octet_string(self, label: str, definition: Definition, value: bytes) -> Item:
        return Item(label, text_or_hexadecimal(value, self.octets))


def gathered(label: str, items: list[Item]) -> Item:
    """A list: on one line where its elements are words, else each by its number."""
    if not items:
        return Item(label, "empty")
    if all(not item.parts for item in items):
        return Item(
            label, ", ".join(f"{item.label}: {item.text}" if item.label else item.text for item in items)
        )
    if all(item.label not in ("", label) for item in items):
        return Item(label, parts=items)
    if len(items) == 1:
        return Item(label, items[0].text, items[0].parts)
    return Item(
        label, parts=[Item(f"[{number}]", each.text, each.parts) for number, each in enumerate(items)]
    )


def time_text(time: datetime) -> str:
    """ISO 8601, in UTC."""
    return f"{time.isoformat()}Z"


def _text(convert: Callable[[Any], str]) -> Any:
    return lambda walk, label, definition, value: Item(label, convert(value))


def _quoted(text: str) -> str:
    return f'"{printable(text)}"'


def _each(kinds: Iterable[str], show: Any) -> dict[str, Any]:
    return dict.fromkeys(kinds, show)


_SHOW: dict[str, Callable[[Walk, str, Definition, Any], Item]] = {
    "SEQUENCE": Walk._sequence,
    "SEQUENCE OF": Walk._list,
    "SET OF": Walk._list,
    "CHOICE": Walk._choice,
    "ANY": Walk._any,
    "INTEGER": Walk._integer,
    "BIT STRING": Walk._bits,
    "OCTET STRING": Walk._octet_string,
    "OBJECT IDENTIFIER": _text(oids.name),
    "ENUMERATED": _text(str),
    "BOOLEAN": _text(lambda value: "TRUE" if value else "FALSE"),
    "NULL": _text(lambda value: "NULL"),
    **_each(("GeneralizedTime", "UTCTime"), _text(time_text)),
    **_each(
        ("UTF8String", "PrintableString", "IA5String", "VisibleString", "BMPString", "UniversalString"),
        _text(_quoted),
    ),
    "TeletexString": _text(_quoted),
}
"""ASN.1 type → how its values are shown."""
