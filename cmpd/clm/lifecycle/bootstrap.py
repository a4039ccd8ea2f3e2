"""What a new store begins with: a root and an issuing CA, a policy, an API client, perhaps a demo entity."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from cmpd.clm.configuration.api_client import APIClient
from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.template import ready_made
from cmpd.clm.entities.entity_acts import add
from cmpd.clm.lifecycle.ca import CAContext, make_issuing, make_root
from cmpd.clm.model import Entity, ObjectKind, StoredObject
from cmpd.clm.pkix.names import parse_name
from cmpd.clm.secrets import new_secret
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import Change, PutObject, audited

ROOT_LIFE = 20 * 365 * 86400
ISSUING_LIFE = 10 * 365 * 86400
"""Seconds."""
DEMO_POLICY = "ffc0d281-f9df-45cd-a30d-1881cd67012a"
DEMO_ENTITY = "251069b7-bcc3-4911-b312-04327925a1aa"
DEMO_PASSWORD = "GTTgcdagW:OGJ73_"  # noqa: S105 - a demonstration's, published in the documentation


FIRST_POLICY = {
    "ca": "issuing",
    "template": "tls-client",
    "validity": {"longest": ready_made()["tls-client"].validity},
    "san": {"kinds": ["dns", "ip", "uri"]},
}
"""Of the policy that a new store begins with: nobody has more than its template says. A request chooses
neither a longer life nor usages, and names of the kinds that are listed."""


@dataclass(frozen=True, slots=True)
class InitialSetup:
    """What was made, as far as the operator has to know."""

    policy: str
    client_secret: str
    """To be written where the daemon finds it; the store has only its hash."""
    certificates: tuple[bytes, ...]
    """DER of the issuing CA's and the root's certificate."""


async def bootstrap(
    store: Store, maker: CAContext, *, demo: bool, base_url: str, client_id: str
) -> InitialSetup:
    """Fill an empty store, in one unit.

    Raises Conflict where something is there already.
    """
    now = maker.act.time
    root = await make_root(maker, "root", parse_name("CN=cmpd Root CA"), "P-256", ROOT_LIFE, base_url)
    issuing = await make_issuing(
        maker,
        "issuing",
        parse_name("CN=cmpd Issuing CA"),
        "P-256",
        ISSUING_LIFE,
        base_url,
        root.authority(maker.master_key),
    )
    policy_id = DEMO_POLICY if demo else str(uuid.UUID(bytes=maker.random(16), version=4))
    policy = Policy.of(policy_id, "default", FIRST_POLICY)
    secret = new_secret()
    client = APIClient(default_policy=policy_id).with_secret(secret, now)
    unit: list[Change] = [
        *root.unit,
        *issuing.unit,
        PutObject(StoredObject(ObjectKind.POLICY, policy_id, "default", policy.document())),
        PutObject(StoredObject(ObjectKind.API_CLIENT, client_id, client_id, client.document())),
        audited(maker.act, "store.init", "store", demo=demo),
    ]
    if demo:
        entity = Entity(id=DEMO_ENTITY, name="demo", policies=(policy_id,))
        unit.extend(add(maker.act, maker.master_key, entity, DEMO_PASSWORD)[1])
    await store.commit(unit)
    authority = issuing.authority(maker.master_key)
    return InitialSetup(policy_id, secret, (authority.certificate_der, *authority.chain))
