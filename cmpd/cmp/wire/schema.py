"""The ASN.1 of `asn1/`: DER into values and values into DER, with one error for all that is no DER.

Type names are those of the modules, no two of which share one; what begins with `Raw` (asn1/CMPD-Raw.asn1)
leaves as octets what was signed and what is only passed through. What asn1tools would let pass is refused
by the strict classes of `cmpd.cmp.wire.der`; what it raises on rubbish becomes `DecodeError` here.

Values are asn1tools':

| ASN.1 | Python |
| --- | --- |
| SEQUENCE | dict; members that are absent and OPTIONAL are not in it, those with a DEFAULT are |
| SEQUENCE OF, SET OF | list |
| CHOICE | (name, value) |
| BIT STRING | (bytes, number of bits) |
| OCTET STRING, ANY | bytes; ANY with its tag and length |
| OBJECT IDENTIFIER | str, dotted |
| INTEGER | int |
| ENUMERATED | str, the name |
| UTCTime, GeneralizedTime | naive datetime in UTC (encoding takes aware ones as well) |
| NULL | None |

The modules are kept parsed beside this file, since parsing takes ten times as long as all the rest of the
start: `python -m cmpd.cmp.wire.schema` writes parsed.json anew from `asn1/`. They are compiled at the first
decode or encode.
"""

from __future__ import annotations

import json
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any

ENDS_EARLY = "the octets end before it does"
PARSED = Path(__file__).with_name("parsed.json")


class DecodeError(ValueError):
    """The bytes are no DER of that type."""


def decode(type_name: str, data: bytes) -> Any:
    """The value of `data`, DER of the type and nothing after it. Raises DecodeError."""
    decoder = _types()[type_name].decode
    try:
        value, end = decoder(data, 0)
    except IndexError:
        raise DecodeError(f"{type_name}: {ENDS_EARLY}") from None
    except Exception as error:  # noqa: BLE001 - on rubbish asn1tools raises whatever its parts raise
        raise DecodeError(f"{type_name}: {error}") from None
    if end != len(data) or not data:
        raise DecodeError(f"{type_name}: {_why(end, data)}")
    return value


def _why(end: int, data: bytes) -> str:
    """What is wrong with data whose decoding ended at `end`; at a wrong tag it ends before it begins."""
    if not data:
        return "there is nothing"
    if end == 0:
        return f"the tag {data[:1].hex()} is another type's"
    if end > len(data):
        return ENDS_EARLY
    return f"{len(data) - end} octets trail it"


def encode(type_name: str, value: Any) -> bytes:
    """The DER of a value of the type; a value that is none is a mistake of the caller."""
    encoded = bytearray()
    _types()[type_name].encode(value, encoded)
    return bytes(encoded)


def load() -> None:
    """Compile now what the first use would compile otherwise."""
    _types()


def parse_modules(folder: Path) -> dict[str, Any]:
    """The modules in the files `*.asn1` of a folder, parsed, as asn1tools compiles them."""
    import asn1tools

    files = sorted(str(path) for path in folder.glob("*.asn1"))
    parsed: dict[str, Any] = json.loads(json.dumps(asn1tools.parse_files(files)))
    return parsed


def _modules() -> dict[str, Any]:
    modules: dict[str, Any] = json.loads(pkgutil.get_data("cmpd.cmp.wire", PARSED.name) or b"")
    return modules


@cache
def _types() -> dict[str, Any]:
    from cmpd.cmp.wire.der import Compiler

    modules = Compiler(_modules()).process()
    return {name: compiled.type for module in modules.values() for name, compiled in module.items()}


@cache
def definitions() -> dict[str, dict[str, Any]]:
    """Each type's definition, as asn1tools' parser gives it, for those who show values by their types."""
    return {
        name: definition for module in _modules().values() for name, definition in module["types"].items()
    }


if __name__ == "__main__":
    modules = parse_modules(Path(__file__).resolve().parents[3] / "asn1")
    PARSED.write_text(json.dumps(modules, separators=(",", ":")) + "\n")
