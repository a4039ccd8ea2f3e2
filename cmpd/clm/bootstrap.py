"""What a new store begins with: a root and an issuing CA, a policy, an API client, perhaps a demo entity."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from cmpd.clm.apiclient import APIClient
from cmpd.clm.authority import record_of
from cmpd.clm.ca import Issuer, Maker
from cmpd.clm.entities import Act, add
from cmpd.clm.model import AuditEvent, Entity, Kind, StoredObject
from cmpd.clm.policy import Policy
from cmpd.clm.secrets import new_secret
from cmpd.clm.store.base import Store
from cmpd.clm.store.changes import AddCertificate, Audit, Change, PutObject

ROOT_LIFE = timedelta(days=20 * 365)
ISSUING_LIFE = timedelta(days=10 * 365)
DEMO_POLICY = "ffc0d281-f9df-45cd-a30d-1881cd67012a"
DEMO_ENTITY = "251069b7-bcc3-4911-b312-04327925a1aa"
DEMO_PASSWORD = "GTTgcdagW:OGJ73_"  # noqa: S105 - a demonstration's, published in the documentation


@dataclass(frozen=True, slots=True)
class Beginnings:
    """What was made, as far as the operator has to know."""

    policy: str
    client_secret: str
    """To be written where the daemon finds it; the store has only its hash."""
    certificates: tuple[bytes, ...]
    """DER of the issuing CA's and the root's certificate."""


async def bootstrap(
    store: Store, maker: Maker, *, demo: bool, base_url: str, client_id: str, actor: str
) -> Beginnings:
    """Fill an empty store, in one unit.

    Raises Conflict where something is there already.
    """
    root = maker.root("CN=cmpd Root CA", "P-256", ROOT_LIFE)
    issuing = maker.issuing(root, "CN=cmpd Issuing CA", "P-256", ISSUING_LIFE)
    policy_id = DEMO_POLICY if demo else str(uuid.UUID(bytes=maker.random(16), version=4))
    policy = Policy.of(policy_id, "default", {"ca": "issuing", "template": "device"})
    secret = new_secret()
    client = APIClient(default_policy=policy_id).with_secret(secret, maker.now)
    unit: list[Change] = [
        *_ca(maker, "root", root, base_url, actor, None),
        *_ca(maker, "issuing", issuing, base_url, actor, "root"),
        PutObject(StoredObject(Kind.POLICY, policy_id, "default", policy.document())),
        PutObject(StoredObject(Kind.API_CLIENT, client_id, client_id, client.document())),
        Audit(AuditEvent(maker.now, actor, "store.init", "store", detail={"demo": demo})),
    ]
    if demo:
        entity = Entity(id=DEMO_ENTITY, name="demo", policies=(policy_id,))
        unit.extend(add(Act(actor, maker.now), maker.master_key, entity, DEMO_PASSWORD)[1])
    await store.commit(unit)
    return Beginnings(policy_id, secret, issuing.path)


def _ca(maker: Maker, id: str, ca: Issuer, url: str, actor: str, parent: str | None) -> list[Change]:
    document = maker.document(id, ca, url, parent=parent)
    return [
        PutObject(StoredObject(Kind.CA, id, id, document.document())),
        AddCertificate(record_of(ca.certificate, ca=parent or id, issued=maker.now)),
        Audit(AuditEvent(maker.now, actor, "ca.create", f"ca:{id}")),
    ]
