"""A responder with all that stands behind it, in this process: a store, CAs, policies, an RA, devices.

    world = World(folder, policy={"approvals": 1}, settings={"check_after": 7})
    world.device().enrol("ir", key)

The clock stands still until a test moves it. What is asked of a `World` is asked in cmpclient's words.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import Coroutine
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509

from cmpd.clm.authorities.authority import Authority
from cmpd.clm.client import Client
from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.rules.pem_certificates import pem_text
from cmpd.clm.entities.entity_acts import add
from cmpd.clm.issuance.issuer import IssuerOf, issuer_of
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_PASSWORD, DEMO_POLICY, bootstrap
from cmpd.clm.lifecycle.ca import CAContext, make_issuing
from cmpd.clm.lifecycle.rollover import roll_over
from cmpd.clm.model import (
    Act,
    Approval,
    Certificate,
    CertificateState,
    Entity,
    Identity,
    ObjectKind,
    StoredObject,
    Transaction,
    TransactionState,
)
from cmpd.clm.secrets import MasterKey
from cmpd.clm.store import create_store, open_store
from cmpd.clm.store.base import CertificateQuery
from cmpd.clm.store.changes import AdvanceTransaction, PutObject, UpdateEntity
from cmpd.cmp.responder import Responder
from cmpd.cmp.transaction.exchange import TransportRequest, TransportResponse
from cmpd.config import CMPConfig
from tests import cmpclient
from tests.clm import pki

T = TypeVar("T")

PBM = cmpclient.PBM(DEMO_ENTITY, DEMO_PASSWORD)
OTHER_ENTITY = "5b2b9f0c-6f0e-4c6e-8b0e-1f0f5f7f0a11"
OTHER_PASSWORD = "another-secret-of-somebody-else"
OTHER_PBM = cmpclient.PBM(OTHER_ENTITY, OTHER_PASSWORD)
SECOND_POLICY = "0f6c3d1e-7a52-4a57-9d0b-2f6f7c9d3b10"
"""A policy like the first, that the demo entity may use and the other one may not."""
FOREIGN_POLICY = "7be5c0a4-1c57-4f0e-8a33-6f1d2e4b5a20"
"""One that only the other entity may use."""
CMC_RA = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")
MASTER_KEY = MasterKey(bytes(range(32)))
SIGNING = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)

VENDOR = pki.Plan(pki.name("Vendor CA"), pki.key("P-256", 11), ca=True).issue(None)
RA_ROOT = pki.Plan(pki.name("RA root"), pki.key("P-256", 12), ca=True).issue(None)


def ra_holder(common_name: str = "RA", number: int = 13, **changes: Any) -> pki.Holder:
    """A registration authority with a certificate under `RA_ROOT`."""
    usages = ((SIGNING, True), (x509.ExtendedKeyUsage([CMC_RA]), False))
    plan = pki.Plan(pki.name(common_name), pki.key("P-256", number), extensions=usages)
    return replace(plan, **changes).issue(RA_ROOT)


def signed_by(holder: pki.Holder) -> cmpclient.Signature:
    """Protection with the holder's key."""
    return cmpclient.Signature(holder.certificate, holder.key)


URL = "http://pki.example"
ISSUING = "issuing-1"
"""The id of the issuing CA."""
OPERATOR = Act("operator:test", pki.NOW)
MACHINE = pki.Plan(pki.name("machine"), pki.key("P-256", 14), extensions=((SIGNING, True),)).issue(VENDOR)
"""A device with its vendor's certificate, known as the demo entity."""
STRANGER = pki.Plan(pki.name("stranger"), pki.key("P-256", 15), extensions=((SIGNING, True),)).issue(VENDOR)
"""Another of the same vendor, that nobody registered."""
TRUST = {
    "trust_anchors": [pem_text(VENDOR.der)],
    "ra_certificates": [pem_text(RA_ROOT.der)],
}


class World:
    """One server and those who talk to it."""

    def __init__(
        self, folder: Path, policy: dict[str, Any] | None = None, settings: dict[str, Any] | None = None
    ) -> None:
        self.now = pki.NOW
        self.settings = CMPConfig(**(settings or {}))
        self.folder = folder
        self._policy = {"ca": "issuing", "template": "device", **TRUST, **(policy or {})}
        self._runner = asyncio.Runner()
        self._issuer_of: IssuerOf = issuer_of
        self.run(self._begin())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine gives, in the loop that the store belongs to."""
        return self._runner.run(work)

    def close(self) -> None:
        """Let the store go."""
        self.run(self.store.close())
        self._runner.close()

    def restart(self) -> None:
        """A new process on the same store."""
        self.run(self.store.close())
        self.run(self._open())

    def issue_by(self, issuer_of: IssuerOf) -> None:
        """Have others issue for the CAs."""
        self._issuer_of = issuer_of
        self.run(self._log_in())

    # What the server is asked

    def respond(self, body: bytes, **call: Any) -> TransportResponse:
        """The server's reply to octets; `call` are fields of `TransportRequest`."""
        return self.run(self.responder.respond(TransportRequest(body, **call)))

    def client(
        self,
        protection: cmpclient.Protection | None = PBM,
        *,
        call: dict[str, Any] | None = None,
        **fields: Any,
    ) -> cmpclient.Client:
        """Somebody with that protection, at the address `call` describes; `fields` go into every message."""
        return cmpclient.Client(
            lambda body: self.respond(body, **(call or {})).body,
            protection,
            trusted=(self.authority,),
            defaults={"message_time": self.time, **fields},
        )

    @property
    def time(self) -> datetime:
        """The clock, as messageTime has it."""
        return datetime.fromtimestamp(self.now, UTC)

    def device(self, subject: str = "CN=device", number: int = 20, **asked: Any) -> cmpclient.Signature:
        """A device with a certificate, confirmed, of the demo entity; the protection it can sign with."""
        key = pki.key("P-256", number)
        enrolment = self.client().enrol_implicitly("ir", key, subject, **asked)
        return cmpclient.Signature(enrolment.certificate, key)

    # What the server knows

    def ca(self, name: str) -> Authority:
        """A CA: "root" or "issuing"."""
        return next(one for one in self.run(self.clm.authorities()) if one.name == name)

    @cached_property
    def authority(self) -> x509.Certificate:
        """The issuing CA's certificate."""
        return self.ca("issuing").certificate

    def certificates(self) -> list[Certificate]:
        """All that were issued under policies, as the store has them."""

        async def listed() -> list[Certificate]:
            query = CertificateQuery(ca=ISSUING)
            return [record async for record in self.store.certificates(query) if record.policy]

        return self.run(listed())

    def record(self, certificate: x509.Certificate) -> Certificate:
        """The store's record of a certificate."""
        found = self.run(self.clm.issued.certificate(ISSUING, certificate.serial_number))
        assert found is not None
        return found

    def state(self, certificate: x509.Certificate) -> CertificateState:
        """How a certificate stands."""
        return self.record(certificate).state

    def kept(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row that the store holds, but for its audit: what a refusal must not change."""
        with closing(sqlite3.connect(self.folder / "cmpd.db")) as database:
            names = [
                name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            return {
                name: sorted(database.execute(f'SELECT * FROM "{name}"'), key=repr)
                for name in names
                if not name.startswith("audit")
            }

    # What operators do

    def decide(self, transaction_id: bytes, state: TransactionState, reason: str = "") -> None:
        """An operator approves or refuses what waits."""
        transaction = self.run(self.store.transaction(transaction_id))
        assert transaction is not None
        decided = decided_as(transaction, state, reason)
        self.run(
            self.store.commit((AdvanceTransaction(decided, transaction.state, transaction.server_nonce),))
        )

    def put(self, kind: ObjectKind, id: str, name: str, document: dict[str, Any]) -> None:
        """Write a configuration document."""
        self.run(self._put(kind, id, name, document))

    def put_ca(self, name: str, algorithm: str) -> x509.Certificate:
        """A further CA under the root, with a key of that kind; its certificate."""
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        maker = CAContext(OPERATOR, MASTER_KEY)
        life = 5 * 365 * 86400
        made = self.run(make_issuing(maker, name, subject, algorithm, life, URL, self.ca("root")))
        self.run(self.store.commit(made.unit))
        return self.ca(name).certificate

    def roll_over(self, name: str, parent: str | None = None, crl_partitions: int | None = None) -> None:
        """Give a CA a new key; the old one keeps what it signed."""
        stored = next(one for one in self.run(self.store.objects(ObjectKind.CA)) if one.name == name)
        above = self.ca(parent) if parent else None
        maker = CAContext(OPERATOR, MASTER_KEY)
        ca = self.ca(name)
        _, made = self.run(roll_over(maker, stored, ca, above, crl_partitions=crl_partitions))
        self.run(self.store.commit(made.unit))

    def change_policy(self, **changes: Any) -> None:
        """Change the policy that is served by default."""
        self._policy |= changes
        self.put(
            ObjectKind.POLICY,
            DEMO_POLICY,
            "default",
            Policy.of(DEMO_POLICY, "default", self._policy).document(),
        )

    async def _put(self, kind: ObjectKind, id: str, name: str, document: dict[str, Any]) -> None:
        before = await self.store.object(kind, id)
        version = before.version if before else 0
        await self.store.commit((PutObject(StoredObject(kind, id, name, document, version)),))

    async def _begin(self) -> None:
        self.store = create_store(str(self.folder / "cmpd.db"), synchronous="normal")
        await self.store.open()
        maker = CAContext(OPERATOR, MASTER_KEY)
        beginnings = await bootstrap(self.store, maker, demo=True, base_url=URL, client_id="cmpd")
        self._secret = beginnings.client_secret
        for id, name in ((DEMO_POLICY, "default"), (SECOND_POLICY, "second"), (FOREIGN_POLICY, "foreign")):
            await self._put(ObjectKind.POLICY, id, name, Policy.of(id, name, self._policy).document())
        other = Entity(OTHER_ENTITY, "other", policies=(DEMO_POLICY, FOREIGN_POLICY))
        await self.store.commit(add(OPERATOR, MASTER_KEY, other, OTHER_PASSWORD)[1])
        demo = await self.store.entity(DEMO_ENTITY)
        assert demo is not None
        identities = (Identity("fingerprint", hashlib.sha256(MACHINE.der).hexdigest()),)
        demo = replace(demo, policies=(DEMO_POLICY, SECOND_POLICY), identities=identities)
        await self.store.commit((UpdateEntity(demo),))
        await self._log_in()

    async def _open(self) -> None:
        self.store = open_store(str(self.folder / "cmpd.db"), synchronous="normal")
        await self.store.open()
        await self._log_in()

    async def _log_in(self) -> None:
        self.clm = await Client.login(
            self.store,
            MASTER_KEY,
            "cmpd",
            self._secret,
            clock=lambda: self.now,
            random=os.urandom,
            issuer_of=self._issuer_of,
        )
        self.responder = Responder(self.clm, self.settings)


def decided_as(transaction: Transaction, state: TransactionState, reason: str = "") -> Transaction:
    """A transaction whose one request operators approved or refused."""
    (request,) = transaction.requests
    approval = request.waits_for
    assert isinstance(approval, Approval)
    decided = replace(request, state=state, waits_for=replace(approval, reason=reason))
    return replace(transaction, state=state, requests=(decided,))
