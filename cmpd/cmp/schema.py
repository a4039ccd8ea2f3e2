"""The ASN.1 of `asn1/`: DER into values and values into DER, with one error for all that is no DER.

asn1tools decodes leniently: it takes bytes that trail a value and indefinite lengths, and raises errors
of its own, Python's and its helpers' on rubbish. `decode` refuses the first two and turns the rest into
`DecodeError`. Values are asn1tools': dicts for SEQUENCE, (name, value) for CHOICE, (bytes, bits) for BIT
STRING, bytes for ANY and OCTET STRING, naive UTC datetimes for times.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from asn1tools.compiler import Specification

_HERE = Path(__file__).resolve().parents[1]


class DecodeError(ValueError):
    """The bytes are no DER of that type."""


def folder() -> Path:
    """Where the modules lie: in the installed package, or beside it in a checkout."""
    inside = _HERE / "asn1"
    return inside if inside.is_dir() else _HERE.parent / "asn1"


@cache
def _specification() -> Specification:
    import asn1tools

    files = sorted(str(path) for path in folder().glob("*.asn1"))
    return asn1tools.compile_files(files, "der")


def decode(type_name: str, data: bytes) -> Any:
    """The value of `data`, DER of the type. Raises DecodeError."""
    try:
        value, length = _specification().decode_with_length(type_name, data)
    except Exception as error:  # noqa: BLE001 - on rubbish asn1tools raises whatever its parts raise
        raise DecodeError(f"{type_name}: {error}") from None
    if length != len(data):
        raise DecodeError(f"{type_name}: {len(data) - length} bytes trail it")
    return value


def encode(type_name: str, value: Any) -> bytes:
    """The DER of a value of the type; a value that is none is a mistake of the caller."""
    return cast("bytes", _specification().encode(type_name, value))


def load() -> None:
    """Compile now what the first use would compile otherwise."""
    _specification()
