"""End entities as an operator makes and changes them: each act is a unit with its audit event in it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from cmpd.clm.model import Act, Certificate, Entity, EntityState
from cmpd.clm.secrets import MasterKey
from cmpd.clm.store.changes import AddEntity, AssignCertificate, Audit, Unit, UpdateEntity, audited


def _audited(act: Act, action: str, entity: Entity, **detail: Any) -> Audit:
    return audited(act, f"entity.{action}", f"entity:{entity.id}", **detail)


def password_context(id: str) -> str:
    """What an entity's password is sealed for: a sealed password opens for no other entity."""
    return f"entity:{id}"


def add(act: Act, master_key: MasterKey, entity: Entity, password: str | None) -> tuple[Entity, Unit]:
    """A new entity, as the template `entity` has it; an empty id gets a random UUID."""
    id = entity.id or str(uuid.uuid4())
    sealed = None if password is None else master_key.seal(password.encode(), password_context(id))
    return _added(act, replace(entity, id=id, password=sealed))


def _added(act: Act, entity: Entity) -> tuple[Entity, Unit]:
    entity = replace(entity, id=entity.id or str(uuid.uuid4()), created=act.time)
    return entity, (
        AddEntity(entity),
        _audited(act, "add", entity, name=entity.name, state=str(entity.state)),
    )


def set_password(
    act: Act,
    master_key: MasterKey,
    entity: Entity,
    password: str,
    *,
    expires: int | None = None,
    uses: int | None = None,
) -> Unit:
    """A new password, valid until `expires` (seconds since the epoch) and for `uses` transactions."""
    sealed = master_key.seal(password.encode(), password_context(entity.id))
    changed = replace(entity, password=sealed, password_expires=expires, password_uses=uses)
    return (UpdateEntity(changed), _audited(act, "password", entity))


def take_in(act: Act, entity: Entity, records: Iterable[Certificate]) -> Unit:
    """A new end entity without a password, as the template `entity` has it, and for it certificates that have
    none: what it may from now on, or may not while it is blocked, holds for their holder."""
    added, unit = _added(act, entity)
    assigned = [AssignCertificate(record.ca, record.serial, added.id) for record in records]
    return (*unit, *assigned)


def set_state(act: Act, entity: Entity, state: EntityState) -> Unit:
    """Block an entity, or let it in again. A blocked one gets nothing, by whatever protection."""
    action = "block" if state is EntityState.BLOCKED else "unblock"
    return (UpdateEntity(replace(entity, state=state)), _audited(act, action, entity))
