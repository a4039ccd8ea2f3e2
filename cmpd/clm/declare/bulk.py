"""End entities by the ten thousand: CSV and JSON lines, in and out.

A file is read and checked whole before the first entity is stored; then they are stored in units of
`BATCH`, each with one audit event that names its entities.
"""

from __future__ import annotations

import csv
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TextIO

from cmpd.clm.declare.entity_documents import document_of, read_entity
from cmpd.clm.documents.policy import UUID
from cmpd.clm.entities.entity_acts import password_context
from cmpd.clm.entities.identity_text import bound, identity_text, reference_text
from cmpd.clm.model import Act, Entity, EntityState, ObjectKind
from cmpd.clm.pkix.identities import identity_key
from cmpd.clm.secrets import MasterKey, new_password
from cmpd.clm.settings import DocumentError
from cmpd.clm.store.base import Conflict, Store
from cmpd.clm.store.changes import AddEntity, audited

BATCH = 2000
COLUMNS = (
    "id",
    "name",
    "policies",
    "state",
    "references",
    "identities",
    "password",
    "password_uses",
    "password_expires",
)
"""Columns of CSV files; `policies`, `references` and `identities` hold several, with blanks between.
Further columns are attributes. `identities` may be a JSON list instead, as in JSON lines: so it holds blanks
and anchors."""


class BulkError(Exception):
    """A line of the file is wrong; the text begins with its number."""


@dataclass(frozen=True, slots=True)
class Row:
    """An entity to be stored, and its password in the clear where it gets one."""

    line: int
    entity: Entity
    password: str | None
    generated: bool


def read_csv(file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, document) of each row. Raises BulkError."""
    reader = csv.DictReader(file, strict=True)
    try:
        if "name" not in (reader.fieldnames or ()):
            known = ", ".join(COLUMNS)
            raise BulkError(f"line 1: a heading with the column name is expected; there may be {known}")
        for row in reader:
            if None in row or None in row.values():
                raise BulkError(f"line {reader.line_num}: {len(reader.fieldnames or ())} fields are expected")
            yield reader.line_num, _csv_document(row)
    except (csv.Error, DocumentError) as error:
        raise BulkError(f"line {reader.line_num}: {error}") from None


def _csv_document(row: dict[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for name, text in row.items():
        if not text:
            continue
        if name == "identities" and text.startswith("["):
            document[name] = _json(text, name)
        elif name in ("policies", "references", "identities"):
            document[name] = text.split()
        elif name == "password_uses":
            document[name] = int(text) if text.isdecimal() else text
        elif name in COLUMNS:
            document[name] = text
        else:
            attributes[name] = text
    return document | ({"attributes": attributes} if attributes else {})


def _json(text: str, key: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise DocumentError(
            key, f"words with blanks between, or a JSON list, are expected, not {text!r}"
        ) from None


def read_json_lines(file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, document) of each line. Raises BulkError."""
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except ValueError as error:
            raise BulkError(f"line {number}: no JSON: {error}") from None
        if not isinstance(document, dict):
            raise BulkError(f"line {number}: an object is expected")
        yield number, document


class Importer:
    """Turns documents into entities, and stores them."""

    def __init__(
        self,
        store: Store,
        master_key: MasterKey,
        act: Act,
        default_policies: tuple[str, ...],
        anchor: str = "",
    ) -> None:
        """`default_policies` and `anchor` are for those that name none: the anchor, by its SHA-256, for the
        identities."""
        self._store = store
        self._master_key = master_key
        self._act = act
        self._default_policies = default_policies
        self._anchor = anchor
        self._policies: dict[str, str] = {}

    async def rows(self, documents: Iterable[tuple[int, dict[str, Any]]], *, passwords: bool) -> list[Row]:
        """All rows, checked. `passwords`: who brings none gets one made. Raises BulkError."""
        for stored in await self._store.objects(ObjectKind.POLICY):
            self._policies |= {stored.id: stored.id, stored.name: stored.id}
        seen: dict[Any, int] = {}
        rows = []
        for line, document in documents:
            try:
                row = self._row(line, document, passwords)
            except DocumentError as error:
                raise BulkError(f"line {line}: {error}") from None
            for key, shown in _unique(row.entity):
                if seen.setdefault(key, line) != line:
                    raise BulkError(f"line {line}: {shown} stands in line {seen[key]} already")
            rows.append(row)
        return rows

    def _row(self, line: int, document: dict[str, Any], passwords: bool) -> Row:
        id = str(document.pop("id", None) or uuid.uuid4()).lower()
        if not UUID.fullmatch(id):
            raise DocumentError("id", f"a UUID is expected, not {id!r}")
        declared = read_entity(document)
        policies = tuple(self._policy(name) for name in declared.policies) or self._default_policies
        password = declared.password
        generated = password is None and passwords
        lasts = declared.password_expires
        entity = Entity(
            id=id,
            name=declared.name,
            state=EntityState(declared.state),
            password_uses=declared.password_uses,
            password_expires=lasts if lasts is None else self._act.time + lasts,
            policies=policies,
            references=declared.references,
            identities=bound(declared.identities, self._anchor),
            attributes=declared.attributes or {},
            created=self._act.time,
        )
        return Row(line, entity, new_password() if generated else password, generated)

    def _policy(self, name: str) -> str:
        if name not in self._policies:
            raise DocumentError("policies", f"there is no policy {name!r}")
        return self._policies[name]

    async def store(self, rows: list[Row]) -> AsyncIterator[int]:
        """Store the rows; gives how many are stored, after each batch. Raises BulkError where one is
        there already, and says how many are stored: what is stored stays so."""
        for begin in range(0, len(rows), BATCH):
            batch = rows[begin : begin + BATCH]
            entities = [self._sealed(row) for row in batch]
            ids = [entity.id for entity in entities]
            event = audited(self._act, "entity.import", "store", entities=ids)
            try:
                await self._store.commit((*(AddEntity(entity) for entity in entities), event))
            except Conflict as error:
                lines = f"lines {batch[0].line} to {batch[-1].line}"
                stored = f"{begin} entities are stored, these and later ones not"
                raise BulkError(f"{lines}: {error}; {stored}") from None
            yield begin + len(batch)

    def _sealed(self, row: Row) -> Entity:
        if row.password is None:
            return row.entity
        sealed = self._master_key.seal(row.password.encode(), password_context(row.entity.id))
        return replace(row.entity, password=sealed)


def _unique(entity: Entity) -> Iterator[tuple[Any, str]]:
    """What no two entities may share: as it compares, and as it is shown."""
    yield entity.id, entity.id
    for reference in entity.references:
        yield reference, reference_text(reference)
    for one in entity.identities:
        yield (one.kind, identity_key(one.kind, one.value), one.anchor), identity_text(one)


async def export_json_lines(store: Store, search: str | None = None) -> AsyncIterator[str]:
    """A line for each entity, as `read_json_lines` takes it, without secrets."""
    names = {one.id: one.name for one in await store.objects(ObjectKind.POLICY)}
    async for entity in store.entities(search):
        yield json.dumps({"id": entity.id} | document_of(entity, names), ensure_ascii=False) + "\n"


async def export_csv(store: Store, file: TextIO, search: str | None = None) -> AsyncIterator[int]:
    """Write CSV that `read_csv` takes, without secrets and attributes; gives how many are written."""
    names = {one.id: one.name for one in await store.objects(ObjectKind.POLICY)}
    writer = csv.writer(file)
    columns = [name for name in COLUMNS if not name.startswith("password")]
    writer.writerow(columns)
    count = 0
    async for entity in store.entities(search):
        document = {"id": entity.id} | document_of(entity, names)
        writer.writerow([csv_field(document.get(name, "")) for name in columns])
        count += 1
        yield count


def csv_field(value: Any) -> str:
    """Words with blanks between; JSON where they hold blanks, or tables, as identities may."""
    if not isinstance(value, list):
        return str(value)
    if all(isinstance(one, str) and " " not in one for one in value):
        return " ".join(value)
    return json.dumps(value, ensure_ascii=False)
