"""How people and files write what an end entity is known by: its references, and its identities.

A reference (a senderKID) is text, or ``hex:`` and hexadecimal. An identity is ``KIND=VALUE``; one that holds
together with a trust anchor is a table: ``{kind = "serialNumber", value = "0815", anchor = "ab12…"}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from cryptography import x509

from cmpd.clm.model import Identity
from cmpd.clm.pkix.identities import FINGERPRINT, KINDS, SUBJECT, fingerprint_of
from cmpd.clm.pkix.names import encoding_text, parse_name, rfc4514_text
from cmpd.clm.settings import TEXT, DocumentError

_SHA256 = re.compile("[0-9a-f]{64}")
_EXPECTED = "subject=…, serialNumber=… or fingerprint=… is expected"


def parse_reference(value: Any, key: str) -> bytes:
    """A senderKID from its text. Raises DocumentError."""
    text = str(TEXT.parse(value, key))
    if not text.startswith("hex:"):
        return text.encode()
    try:
        return bytes.fromhex(text.removeprefix("hex:"))
    except ValueError:
        raise DocumentError(key, f"{text!r}: hexadecimal is expected after hex:") from None


def reference_text(reference: bytes) -> str:
    """What `parse_reference` reads as these octets; without blanks."""
    text = reference.decode("ascii", "replace")
    plain = text.isascii() and text.isprintable() and " " not in text and not text.startswith("hex:")
    return text if plain and text else f"hex:{reference.hex()}"


def parse_identity(value: Any, key: str) -> Identity:
    """What names an entity in certificates: a text or a table, as in files. Raises DocumentError."""
    if isinstance(value, Mapping):
        return _from_table(value, key)
    kind, _, name = str(TEXT.parse(value, key)).partition("=")
    if kind not in KINDS or not name:
        raise DocumentError(key, f"{_EXPECTED}, not {value!r}")
    return Identity(kind, _canonical(kind, name, key))


def _from_table(table: Mapping[str, Any], key: str) -> Identity:
    unknown = sorted(table.keys() - {"kind", "value", "anchor"})
    if unknown:
        raise DocumentError(key, f"unknown key {unknown[0]!r}; known are kind, value and anchor")
    for name in ("kind", "value"):
        if name not in table:
            raise DocumentError(f"{key}.{name}", "is missing")
    kind = TEXT.parse(table["kind"], f"{key}.kind")
    if kind not in KINDS:
        raise DocumentError(f"{key}.kind", f"one of {', '.join(KINDS)} is expected, not {kind!r}")
    value = _canonical(kind, TEXT.parse(table["value"], f"{key}.value"), f"{key}.value")
    if "anchor" not in table:
        return Identity(kind, value)
    if kind == FINGERPRINT:
        raise DocumentError(f"{key}.anchor", "a fingerprint names one certificate, and needs no anchor")
    return Identity(kind, value, parse_anchor(table["anchor"], f"{key}.anchor"))


def _canonical(kind: str, value: str, key: str) -> str:
    """A value as it is stored."""
    if kind == FINGERPRINT:
        return _sha256(value, key, "a fingerprint is the SHA-256 of the certificate's DER")
    if kind == SUBJECT:
        try:
            return rfc4514_text(parse_name(value))
        except ValueError as error:
            raise DocumentError(key, str(error)) from None
    return value


def is_anchor(text: str) -> bool:
    """Whether it is an anchor's SHA-256, and not the name of a file."""
    return _SHA256.fullmatch(text.replace(":", "").lower()) is not None


def parse_anchor(value: Any, key: str) -> str:
    """SHA-256 of a trust anchor's DER, from hexadecimal. Raises DocumentError."""
    return _sha256(TEXT.parse(value, key), key, "an anchor is named by the SHA-256 of its DER")


def anchor_of_pem(text: str, key: str) -> str:
    """The same of the certificate in a PEM text. Raises DocumentError."""
    try:
        (certificate,) = x509.load_pem_x509_certificates(text.encode())
    except ValueError:  # which unpacking raises, too
        raise DocumentError(key, "one certificate in PEM is expected: the trust anchor") from None
    return fingerprint_of(certificate)


def _sha256(value: str, key: str, what: str) -> str:
    if not is_anchor(value):
        raise DocumentError(key, f"{what}: 64 hexadecimal digits, not {value!r}")
    return value.replace(":", "").lower()


def bound(identities: Iterable[Identity], anchor: str) -> tuple[Identity, ...]:
    """The identities, those without an anchor bound to this one; fingerprints need none."""
    return tuple(
        one if one.anchor or one.kind == FINGERPRINT else replace(one, anchor=anchor) for one in identities
    )


def identity_document(identity: Identity) -> str | dict[str, str]:
    """What `parse_identity` reads as this identity."""
    return identity_table(identity) if identity.anchor else f"{identity.kind}={identity.value}"


def identity_table(identity: Identity) -> dict[str, str]:
    """The same as a table, which programs read."""
    table = {"kind": identity.kind, "value": identity.value}
    return table | ({"anchor": identity.anchor} if identity.anchor else {})


def identity_text(identity: Identity) -> str:
    """An identity in words, for people."""
    bound = f" (anchor {identity.anchor})" if identity.anchor else ""
    return f"{identity.kind}={identity.value}{bound}"


def understood(identity: Identity) -> str:
    """The same, and for a subject how it stands in certificates: people write names in two orders."""
    try:
        encoding = encoding_text(parse_name(identity.value)) if identity.kind == SUBJECT else ""
    except ValueError:
        return f"{identity_text(identity)}, which is not a distinguished name"
    return identity_text(identity) + (f", in the order of encoding {encoding}" if encoding else "")
