"""End entities as declarations and bulk files spell them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cmpd.clm.entities.identity_text import identity_document, parse_identity, parse_reference, reference_text
from cmpd.clm.model import Entity, EntityState, Identity
from cmpd.clm.settings import (
    DURATION,
    TEXT,
    DocumentError,
    ValueType,
    choice,
    count,
    dump,
    listing,
    optional,
    read,
    setting,
)


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
    references: tuple[bytes, ...] = setting(listing(ValueType(parse_reference, reference_text)), ())
    """Further senderKIDs."""
    identities: tuple[Identity, ...] = setting(listing(ValueType(parse_identity, identity_document)), ())
    """What names it in a vendor certificate: ``"KIND=VALUE"``, or with the trust anchor that vouches for it
    ``{kind = "KIND", value = "VALUE", anchor = "SHA-256"}``."""
    attributes: dict[str, Any] | None = setting(optional(ValueType(_attributes)), None)
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
