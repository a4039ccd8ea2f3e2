"""Making the store like a declaration: what differs is told, and changed in one commit or not at all.

What the declaration does not name stays as it is. CAs are named, not made: their keys are no text.
"""

from __future__ import annotations

import tomllib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cmpd.clm.authorities.authority import AuthorityDocument, CrlSettings
from cmpd.clm.configuration.api_client import APIClient
from cmpd.clm.configuration.objects import ConfigurationConflict, Draft
from cmpd.clm.declare.entity_documents import EntityDocument, document_of, read_entity
from cmpd.clm.declare.lines import Lines
from cmpd.clm.declare.pemfiles import read_text, with_files_read
from cmpd.clm.documents.crl_points import PARTITIONS
from cmpd.clm.documents.policy import UUID, Policy
from cmpd.clm.documents.template import Template
from cmpd.clm.entities.entity_acts import password_context
from cmpd.clm.entities.identity_text import anchor_of_pem, is_anchor, understood
from cmpd.clm.model import Entity, EntityState, Identity, ObjectKind, StoredObject
from cmpd.clm.pkix.identities import SUBJECT
from cmpd.clm.secrets import SecretError
from cmpd.clm.settings import TEXT, DocumentError, dump, listing, nested, optional, read, setting
from cmpd.clm.store.changes import AddEntity, UpdateEntity, audited


class DeclarationError(Exception):
    """The declaration is wrong; the text begins with file and line."""


@dataclass(frozen=True, slots=True)
class _DeclaredCA:
    url: str | None = setting(optional(TEXT), None)
    crl: CrlSettings | None = setting(optional(nested(CrlSettings)), None)
    crl_partitions: int | None = setting(optional(PARTITIONS), None)


@dataclass(frozen=True, slots=True)
class _DeclaredClient:
    default_policy: str | None = setting(optional(TEXT), None)
    policies: tuple[str, ...] | None = setting(optional(listing(TEXT)), None)
    secret_file: str | None = setting(optional(TEXT), None)


@dataclass
class Declaration:
    """A declaration that is being carried out on a draft."""

    draft: Draft
    file: Path
    lines: Lines
    differences: list[str] = field(default_factory=list)
    """What changes, a line each: ``+`` new, ``~`` changed."""
    moved: list[str] = field(default_factory=list)
    """Ids of the CAs that get another URL, and with it CRLs that name it."""

    @classmethod
    async def read(cls, draft: Draft, file: Path, text: str) -> Declaration:
        """Put what the text declares into the draft; nothing is committed. Raises DeclarationError."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise DeclarationError(f"{file}: {error}") from None
        declaration = cls(draft, file, Lines(text))
        sections = declaration._sections()
        for section in document:
            if section not in sections:
                declaration._fail(DocumentError("", f"unknown; known are {', '.join(sections)}"), section)
        for section, carry_out in sections.items():
            entries = document.get(section, {})
            if not isinstance(entries, Mapping):
                declaration._fail(DocumentError("", f"tables such as [{section}.name] are expected"), section)
            for name, value in entries.items():
                await declaration._carry_out(carry_out, section, name, value)
        try:
            draft.check()
        except ConfigurationConflict as error:
            line = declaration.lines.of(error.kind.value, error.name, *error.key.split("."))
            raise DeclarationError(f"{file}, line {line}: {error}") from None
        return declaration

    def _sections(self) -> dict[str, Callable[[str, Any], Any]]:
        return {
            "ca": self._ca,
            "template": self._template,
            "policy": self._policy,
            "client": self._client,
            "entity": self._entity,
        }

    async def _carry_out(
        self, carry_out: Callable[[str, Any], Any], section: str, name: str, value: Any
    ) -> None:
        try:
            if not isinstance(value, Mapping):
                raise DocumentError("", "a table is expected")
            await carry_out(name, dict(value))
        except DocumentError as error:
            self._fail(error, section, name)
        except ConfigurationConflict as error:
            self._fail(DocumentError("", str(error)), section, name)

    def _fail(self, error: DocumentError, *path: str) -> None:
        line = self.lines.of(*path, *error.key.split("[")[0].split("."))
        raise DeclarationError(f"{self.file}, line {line}: {' '.join(path)}: {error}") from None

    async def _ca(self, name: str, value: dict[str, Any]) -> None:
        declared = read(_DeclaredCA, value)
        stored = self.draft.get(ObjectKind.CA, name)
        document = AuthorityDocument.of(stored)
        if declared.crl_partitions not in (None, document.crl_partitions):
            raise DocumentError(
                "crl_partitions",
                f"{name} has {document.crl_partitions} for good, as its certificates name their CRL; "
                f"`cmpd ca rollover {name} --crl-partitions N` gives its next key another number",
            )
        changed = replace(document, crl=declared.crl or document.crl)
        if declared.url not in (None, document.url):
            changed = changed.at(declared.url)
            self.moved.append(stored.id)
        self._change(stored, changed.document())

    async def _template(self, name: str, value: dict[str, Any]) -> None:
        document = Template.of(name, value).document()
        stored = self.draft.find(ObjectKind.TEMPLATE, name)
        if stored is None:
            self._new(StoredObject(ObjectKind.TEMPLATE, name, name, document))
        else:
            self._change(stored, document)

    async def _policy(self, name: str, value: dict[str, Any]) -> None:
        stored = self.draft.find(ObjectKind.POLICY, name)
        id = value.pop("id", None) or (stored.id if stored else str(uuid.uuid4()))
        if stored is not None and stored.id != id:
            raise DocumentError("id", f"the policy {name} has the id {stored.id}, which cannot change")
        document = Policy.of(id, name, with_files_read(value, self.file.parent)).document()
        if stored is None:
            self._new(StoredObject(ObjectKind.POLICY, id, name, document))
        else:
            self._change(stored, document)

    async def _client(self, id: str, value: dict[str, Any]) -> None:
        declared = read(_DeclaredClient, value)
        stored = self.draft.find(ObjectKind.API_CLIENT, id)
        client = APIClient() if stored is None else APIClient.of(stored)
        client = replace(
            client,
            default_policy=declared.default_policy and self._policy_id(declared.default_policy),
            policies=declared.policies and tuple(self._policy_id(one) for one in declared.policies),
        )
        if declared.secret_file is not None:
            secret = read_text(self.file.parent, declared.secret_file, "secret_file").strip()
            if not client.accepts(secret, self.draft.act.time):
                client = client.with_secret(secret, self.draft.act.time)
        elif stored is None:
            raise DocumentError("secret_file", "is missing: a new API client needs a secret")
        if stored is None:
            self._new(StoredObject(ObjectKind.API_CLIENT, id, id, client.document()))
        else:
            self._change(stored, client.document())

    async def _entity(self, id: str, value: dict[str, Any]) -> None:
        if not UUID.fullmatch(id):
            raise DocumentError("", "the table's name is the entity's UUID, in lower case")
        if isinstance(value.get("identities"), list):
            value["identities"] = [self._bound(one, n) for n, one in enumerate(value["identities"])]
        declared = read_entity(value)
        if declared.password is not None:
            raise DocumentError("password", "no secrets in declarations; name a file with password_file")
        old = await self.draft.store.entity(id)
        wanted = self._wanted(id, declared, old)
        if old is None:
            self.differences.append(f"+ entity {id}{_understood(wanted.identities)}")
            self._audited(AddEntity(wanted), "add", id)
        elif wanted != old:
            names = {one.id: one.name for one in self.draft.objects[ObjectKind.POLICY].values()}
            changed = _keys_that_differ(document_of(old, names), document_of(wanted, names))
            shown = ", ".join([*changed, *(["password"] if wanted.password != old.password else [])])
            new = [one for one in wanted.identities if one not in old.identities]
            self.differences.append(f"~ entity {id}: {shown}{_understood(new)}")
            self._audited(UpdateEntity(wanted), "change", id)

    def _wanted(self, id: str, declared: EntityDocument, old: Entity | None) -> Entity:
        entity = old or Entity(id=id, name=declared.name, created=self.draft.act.time)
        entity = replace(
            entity,
            name=declared.name,
            state=EntityState(declared.state),
            policies=tuple(self._policy_id(name) for name in declared.policies),
            references=declared.references,
            identities=declared.identities,
            attributes=declared.attributes or {},
        )
        if declared.password_file is None:
            return entity
        password = read_text(self.file.parent, declared.password_file, "password_file").strip().encode()
        if self._is_password_of(entity, password):
            return entity
        sealed = self.draft.master_key.seal(password, password_context(id))
        lasts = declared.password_expires
        return replace(
            entity,
            password=sealed,
            password_uses=declared.password_uses,
            password_expires=None if lasts is None else self.draft.act.time + lasts,
        )

    def _is_password_of(self, entity: Entity, password: bytes) -> bool:
        """Not so where the stored one cannot be unsealed: then a new one is what mends it."""
        if entity.password is None:
            return False
        try:
            return self.draft.master_key.open(entity.password, password_context(entity.id)) == password
        except SecretError:
            return False

    def _audited(self, change: AddEntity | UpdateEntity, action: str, id: str) -> None:
        self.draft.unit += [change, audited(self.draft.act, f"entity.{action}", f"entity:{id}")]

    def _policy_id(self, name: str) -> str:
        return self.draft.get(ObjectKind.POLICY, name).id

    def _bound(self, item: Any, number: int) -> Any:
        """An identity whose anchor may be the name of a PEM file, with its SHA-256 instead."""
        anchor = item.get("anchor") if isinstance(item, Mapping) else None
        if not isinstance(anchor, str) or is_anchor(anchor):
            return item
        key = f"identities[{number}].anchor"
        return {**item, "anchor": anchor_of_pem(read_text(self.file.parent, anchor, key), key)}

    def _new(self, stored: StoredObject) -> None:
        self.differences.append(f"+ {stored.kind} {stored.name}")
        self.draft.put(stored, "add")

    def _change(self, stored: StoredObject, document: dict[str, Any]) -> None:
        keys = _keys_that_differ(stored.document, document)
        shown = ", ".join(
            key if key == "secrets" else f"{key} {_shown(stored.document, key)} → {_shown(document, key)}"
            for key in keys
        )
        if self.draft.change(stored, document):
            self.differences.append(f"~ {stored.kind} {stored.name}: {shown}")


def _understood(identities: Sequence[Identity]) -> str:
    """How new subjects were read: people write names in two orders."""
    return "".join(f"\n    {understood(one)}" for one in identities if one.kind == SUBJECT)


def _keys_that_differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in {*one, *other} if one.get(key) != other.get(key))


def _shown(document: Mapping[str, Any], key: str) -> str:
    text = str(document.get(key, "(default)"))
    return text if len(text) <= 60 else f"{text[:57]}…"


def declared_ca(stored: StoredObject) -> dict[str, Any]:
    """What a declaration says of a CA."""
    document = AuthorityDocument.of(stored)
    crl = dump(document.crl)
    partitions = {"crl_partitions": document.crl_partitions} if document.crl_partitions > 1 else {}
    return {"url": document.url} | ({"crl": crl} if crl else {}) | partitions
