"""End entities as declarations and bulk files spell them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from cmpd.clm.model import Entity, EntityState
from cmpd.clm.settings import (
    DURATION,
    TEXT,
    DocumentError,
    Kind,
    choice,
    count,
    dump,
    listing,
    optional,
    read,
    setting,
)

IDENTITY_KINDS = ("subject", "serialNumber", "fingerprint")


def parse_reference(value: Any, key: str) -> bytes:
    """A senderKID: text, or ``hex:`` and hexadecimal."""
    text = str(TEXT.parse(value, key))
    if not text.startswith("hex:"):
        return text.encode()
    try:
        return bytes.fromhex(text.removeprefix("hex:"))
    except ValueError:
        raise DocumentError(key, f"{text!r}: hexadecimal is expected after hex:") from None


def reference_text(reference: bytes) -> str:
    """What `parse_reference` reads."""
    text = reference.decode("ascii", "replace")
    plain = text.isascii() and text.isprintable() and not text.startswith("hex:")
    return text if plain and text else f"hex:{reference.hex()}"


def parse_identity(value: Any, key: str) -> tuple[str, str]:
    """``kind=value``: what names the entity in a vendor certificate."""
    kind, _, name = str(TEXT.parse(value, key)).partition("=")
    if kind == "fingerprint":
        name = name.replace(":", "").lower()
        if not re.fullmatch("[0-9a-f]{64}", name):
            raise DocumentError(key, "a fingerprint is the SHA-256 of the DER: 64 hexadecimal digits")
    if kind not in IDENTITY_KINDS or not name:
        raise DocumentError(key, f"subject=…, serialNumber=… or fingerprint=… is expected, not {value!r}")
    return kind, name


def _attributes(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(item, str | int) for item in value.values()):
        raise DocumentError(key, "a table of texts and numbers is expected")
    return dict(value)


@dataclass(frozen=True, slots=True)
class EntityDocument:
    """An end entity without its secrets."""

    name: str = setting(TEXT)
    """What people call it."""
    policies: tuple[str, ...] = setting(listing(TEXT), ())
    """Names or UUIDs of the policies it may use."""
    state: str = setting(choice(*EntityState), "active")
    """``active`` or ``blocked``."""
    references: tuple[bytes, ...] = setting(listing(Kind(parse_reference, reference_text)), ())
    """Further senderKIDs."""
    identities: tuple[tuple[str, str], ...] = setting(
        listing(Kind(parse_identity, lambda pair: f"{pair[0]}={pair[1]}")), ()
    )
    """What names it in a vendor certificate."""
    attributes: dict[str, Any] | None = setting(optional(Kind(_attributes)), None)
    """Values that policies and templates may take into subject and SAN."""
    password_uses: int | None = setting(optional(count(1, 1_000_000)), None)
    """How many transactions a new password begins."""
    password_expires: int | None = setting(optional(DURATION), None)
    """How long a new password is good for, in seconds from when it is stored."""
    password_file: str | None = setting(optional(TEXT), None)
    """A file with its password, beside the declaration."""
    password: str | None = setting(optional(TEXT), None)
    """Its password, in bulk files only."""
    id: str = field(init=False, default="")
    """Its UUID."""


def read_entity(document: Any, key: str = "") -> EntityDocument:
    """Raises DocumentError."""
    return read(EntityDocument, document, key)


def document_of(entity: Entity, names: dict[str, str]) -> dict[str, Any]:
    """An entity without its secrets. `names`: policy id → name."""
    return dump(
        EntityDocument(
            name=entity.name,
            policies=tuple(names.get(id, id) for id in entity.policies),
            state=entity.state.value,
            references=entity.references,
            identities=entity.identities,
            attributes=entity.attributes or None,
        )
    )
