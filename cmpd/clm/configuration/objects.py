"""Configuration as operators change it: checked whole before it is written, in one unit with its audit.

A draft is the configuration as it would be after the changes; what it would contradict is told before
anything is committed. Two operators who change the same thing at a time: the second is told (Conflict).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from cmpd.clm.authorities.authority import Authority, load_authority
from cmpd.clm.configuration.api_client import APIClient
from cmpd.clm.configuration.catalog import compose
from cmpd.clm.configuration.contradictions import check_together
from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.template import Template, ready_made
from cmpd.clm.model import Act, ObjectKind, StoredObject
from cmpd.clm.secrets import MasterKey
from cmpd.clm.settings import DocumentError
from cmpd.clm.store.base import CertificateQuery, Store
from cmpd.clm.store.changes import Audit, Change, DeleteObject, PutObject, audited

NOUNS = {
    ObjectKind.CA: "CA",
    ObjectKind.TEMPLATE: "template",
    ObjectKind.POLICY: "policy",
    ObjectKind.API_CLIENT: "API client",
}


class ConfigurationConflict(Exception):
    """A change would leave the configuration contradicting itself; one line that says how."""

    def __init__(self, kind: ObjectKind, name: str, error: DocumentError) -> None:
        super().__init__(f"{NOUNS[kind]} {name}: {error}")
        self.kind = kind
        self.name = name
        self.key = error.key


class InUse(Exception):
    """What is to be deleted is in use; the text says by what."""


@dataclass
class Draft:
    """The configuration of a store, and what is to become of it."""

    store: Store
    master_key: MasterKey
    act: Act
    objects: dict[ObjectKind, dict[str, StoredObject]]
    """By kind and id, as they are to be."""
    unit: list[Change] = field(default_factory=list)
    touched: set[tuple[ObjectKind, str]] = field(default_factory=set)
    _authorities: dict[tuple[str, int], Authority | None] = field(default_factory=dict)

    @classmethod
    async def of(cls, store: Store, master_key: MasterKey, act: Act) -> Draft:
        """The configuration as it is."""
        objects = {kind: {one.id: one for one in await store.objects(kind)} for kind in ObjectKind}
        return cls(store, master_key, act, objects)

    def find(self, kind: ObjectKind, id_or_name: str) -> StoredObject | None:
        """By name, then by id."""
        objects = self.objects[kind]
        named = (one for one in objects.values() if one.name == id_or_name)
        return next(named, None) or objects.get(id_or_name)

    def get(self, kind: ObjectKind, id_or_name: str) -> StoredObject:
        """Raises ConfigurationConflict where there is none."""
        found = self.find(kind, id_or_name)
        if found is None:
            known = ", ".join(sorted(one.name for one in self.objects[kind].values())) or "none"
            raise ConfigurationConflict(
                kind, id_or_name, DocumentError("", f"there is none of that name; there are: {known}")
            )
        return found

    def put(self, stored: StoredObject, action: str, **detail: Any) -> None:
        """Write an object; `stored.version` is the version that was read, 0 for a new one."""
        if not stored.version and self.find(stored.kind, stored.name):
            raise ConfigurationConflict(
                stored.kind, stored.name, DocumentError("name", "there is one of that name already")
            )
        self.objects[stored.kind][stored.id] = stored
        self.touched.add((stored.kind, stored.id))
        self.unit += [PutObject(stored), self._audit(stored, action, detail)]

    def take(self, unit: Iterable[Change]) -> None:
        """Add changes that were made elsewhere, audit included."""
        for change in unit:
            if isinstance(change, PutObject):
                self.objects[change.object.kind][change.object.id] = change.object
                self.touched.add((change.object.kind, change.object.id))
            self.unit.append(change)

    def change(self, stored: StoredObject, document: dict[str, Any], action: str = "change") -> bool:
        """Replace an object's document; gives whether that changed anything."""
        if document == stored.document:
            return False
        changed = sorted(
            key
            for key in {*document, *stored.document}
            if document.get(key) != stored.document.get(key) and key != "secrets"
        )
        self.put(replace(stored, document=document), action, keys=changed)
        return True

    async def delete(self, stored: StoredObject) -> None:
        """Take an object away. Raises InUse."""
        users = [user async for user in self.users(stored)]
        if users:
            shown = ", ".join(users[:5]) + (f" and {len(users) - 5} more" if len(users) > 5 else "")
            raise InUse(f"{NOUNS[stored.kind]} {stored.name} is in use by {shown}; it was not deleted")
        del self.objects[stored.kind][stored.id]
        self.unit += [DeleteObject(stored.kind, stored.id, stored.version), self._audit(stored, "delete", {})]

    async def users(self, stored: StoredObject) -> AsyncIterator[str]:
        """What names the object, in words."""
        names = (stored.id, stored.name)
        if stored.kind in (ObjectKind.CA, ObjectKind.TEMPLATE):
            for policy in self.objects[ObjectKind.POLICY].values():
                named = [policy.document.get(stored.kind.value)]
                if stored.kind is ObjectKind.TEMPLATE:
                    named += policy.document.get("profiles", ())
                if any(name in named for name in names):
                    yield f"policy {policy.name}"
        if stored.kind is ObjectKind.CA:
            for other in self.objects[ObjectKind.CA].values():
                if other.document.get("parent") == stored.id:
                    yield f"CA {other.name}"
            # Its own and its signers' certificates have no policy; those of CAs below are told above.
            query = CertificateQuery(ca=stored.id, expires_after=self.act.time)
            async for certificate in self.store.certificates(query):
                if certificate.policy is not None:
                    yield f"certificate {certificate.serial:x}"
        if stored.kind is ObjectKind.POLICY:
            for client in self.objects[ObjectKind.API_CLIENT].values():
                own = APIClient.of(client)
                if stored.id == own.default_policy or stored.id in (own.policies or ()):
                    yield f"API client {client.id}"
            async for entity in self.store.entities():
                if stored.id in entity.policies:
                    yield f"entity {entity.id}"

    def check(self) -> None:
        """Everything that was touched, and every policy, since any may name what changed. Raises
        ConfigurationConflict."""
        templates = dict(ready_made())
        for stored in self.objects[ObjectKind.TEMPLATE].values():
            templates[stored.name] = self._parsed(stored, Template.of, stored.name)
        authorities = [
            one for stored in self.objects[ObjectKind.CA].values() if (one := self._authority(stored))
        ]
        policies: dict[str, Policy] = {}
        for stored in self.objects[ObjectKind.POLICY].values():
            try:
                policy = Policy.of(stored.id, stored.name, stored.document)
                compiled = compose(policy, templates, authorities)
                if self._concerns(stored, policy):
                    for choice in (compiled, *compiled.choices.values()):
                        check_together(policy, choice.template, choice.authority, self.act.time)
            except DocumentError as error:
                raise ConfigurationConflict(ObjectKind.POLICY, stored.name, error) from error
            policies[policy.id] = policy
        for stored in self.objects[ObjectKind.API_CLIENT].values():
            self._check_client(stored, policies)

    async def commit(self) -> None:
        """Check, then write all of it or nothing. Raises ConfigurationConflict, Conflict, StoreError."""
        self.check()
        if self.unit:
            await self.store.commit(tuple(self.unit))

    def _concerns(self, stored: StoredObject, policy: Policy) -> bool:
        """Whether what was touched has to do with the policy: what time has made of others (a CA that
        nears its end) must not stand in the way of changing this."""
        touched = {id for kind, id in self.touched if kind is not ObjectKind.POLICY}
        named = {policy.ca, policy.template, *policy.profiles}
        names = {
            one.id
            for kind in (ObjectKind.CA, ObjectKind.TEMPLATE)
            for one in self.objects[kind].values()
            if one.name in named or one.id in named
        }
        return (ObjectKind.POLICY, stored.id) in self.touched or bool(names & touched)

    def _authority(self, stored: StoredObject) -> Authority | None:
        key = (stored.id, stored.version)
        if key not in self._authorities or (ObjectKind.CA, stored.id) in self.touched:
            try:
                self._authorities[key] = load_authority(stored, self.master_key)
            except DocumentError as error:
                raise ConfigurationConflict(ObjectKind.CA, stored.name, error) from error
        return self._authorities[key]

    @staticmethod
    def _parsed(stored: StoredObject, parse: Any, *arguments: Any) -> Any:
        try:
            return parse(*arguments, stored.document)
        except DocumentError as error:
            raise ConfigurationConflict(stored.kind, stored.name, error) from error

    @staticmethod
    def _check_client(stored: StoredObject, policies: dict[str, Policy]) -> None:
        try:
            client = APIClient.of(stored)
            for policy_id in (client.default_policy, *(client.policies or ())):
                if policy_id is not None and policy_id not in policies:
                    raise DocumentError("policies", f"there is no policy {policy_id}")
        except DocumentError as error:
            raise ConfigurationConflict(ObjectKind.API_CLIENT, stored.id, error) from error

    def _audit(self, stored: StoredObject, action: str, detail: dict[str, Any]) -> Audit:
        subject = f"{stored.kind}:{stored.id}"
        return audited(self.act, f"{stored.kind}.{action}", subject, **({"name": stored.name} | detail))
