"""A store's configuration as a declaration; without secrets, and without the keys of CAs."""

from __future__ import annotations

from collections.abc import AsyncIterator

from cmpd.clm.configuration.api_client import APIClient
from cmpd.clm.declare.declaration import declared_ca
from cmpd.clm.declare.entity_documents import document_of
from cmpd.clm.declare.toml import table
from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.template import Template
from cmpd.clm.model import ObjectKind
from cmpd.clm.store.base import Store


async def export(store: Store, *, entities: bool = True) -> AsyncIterator[str]:
    """The tables of a declaration that `Declaration.read` finds nothing to change by."""
    for stored in await store.objects(ObjectKind.CA):
        yield table(("ca", stored.name), declared_ca(stored))
    for stored in await store.objects(ObjectKind.TEMPLATE):
        yield table(("template", stored.name), Template.of(stored.name, stored.document).document())
    names: dict[str, str] = {}
    for stored in await store.objects(ObjectKind.POLICY):
        names[stored.id] = stored.name
        document = Policy.of(stored.id, stored.name, stored.document).document()
        yield table(("policy", stored.name), {"id": stored.id} | document)
    for stored in await store.objects(ObjectKind.API_CLIENT):
        client = APIClient.of(stored)
        policies = None if client.policies is None else [names.get(id, id) for id in client.policies]
        default = client.default_policy and names.get(client.default_policy, client.default_policy)
        yield table(("client", client.id), {"default_policy": default, "policies": policies})
    if entities:
        async for entity in store.entities():
            yield table(("entity", entity.id), document_of(entity, names))
