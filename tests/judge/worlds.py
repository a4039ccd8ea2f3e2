"""The real thing that the judge's worlds stand for: a responder with its store in this process.

One store serves many worlds: certificates are issued once, and each world sets policies, end entities and
the standing of certificates anew. What comes of a request is read from the store itself, not from the answer.
"""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography import x509

from cmpd.clm.authorities.authority import record_of
from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.rules.pem_certificates import pem_text
from cmpd.clm.entities.entity_acts import add
from cmpd.clm.entities.throttle import Throttle
from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_POLICY
from cmpd.clm.lifecycle.ca import CAContext, renew_signer
from cmpd.clm.model import Certificate, CertificateState, Entity, EntityState, Identity, ObjectKind
from cmpd.clm.store.changes import AddCertificate, Change, DeleteEntity, SetCertificateState, UpdateEntity
from tests import cmpclient
from tests.clm import pki
from tests.cmp.world import (
    CMC_RA,
    FOREIGN_POLICY,
    ISSUING,
    MASTER_KEY,
    OPERATOR,
    OTHER_ENTITY,
    OTHER_PASSWORD,
    RA_ROOT,
    SECOND_POLICY,
    VENDOR,
    World,
)
from tests.judge import model
from tests.support.issuing import private_key

POLICIES = {DEMO_POLICY: "default", SECOND_POLICY: "second", FOREIGN_POLICY: "foreign"}
THIRD_ENTITY = "77777777-0f6e-4c6e-8b0e-1f0f5f7f0a11"
GONE_ENTITY = "66666666-0f6e-4c6e-8b0e-1f0f5f7f0a11"
PASSWORD = OTHER_PASSWORD
WORKS = pki.Plan(pki.name("Other vendor CA"), pki.key("P-256", 301), ca=True).issue(None)
USAGE = (
    (
        x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=True,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        ),
        True,
    ),
)
"""Keys that sign, and that others' keys are encrypted for."""
RA_USAGE = (*USAGE, (x509.ExtendedKeyUsage([CMC_RA]), False))
FOREIGN: dict[str, tuple[str, pki.Holder]] = {
    "vendor 1": ("V", pki.Plan(pki.name("v-1"), pki.key("P-256", 302), extensions=USAGE).issue(VENDOR)),
    "vendor 2": ("V", pki.Plan(pki.name("v-2"), pki.key("P-256", 303), extensions=USAGE).issue(VENDOR)),
    "works 1": ("W", pki.Plan(pki.name("w-1"), pki.key("P-256", 304), extensions=USAGE).issue(WORKS)),
    "line": ("R", pki.Plan(pki.name("line"), pki.key("P-256", 305), extensions=RA_USAGE).issue(RA_ROOT)),
    "plain": ("R", pki.Plan(pki.name("plain"), pki.key("P-256", 306), extensions=USAGE).issue(RA_ROOT)),
}
"""Certificates that others issued: label → (vendor, holder)."""
ANCHORS = {"V": VENDOR, "W": WORKS}
REGISTERED = {"vendor 1": THIRD_ENTITY}
HOUSE_NAME = "CN=cmpd Issuing CA CMP signer"
SUBJECTS = ("CN=pump-1", "CN=pump-2", "CN=valve-1")
PEM = {label: pem_text(holder.der) for label, (_, holder) in FOREIGN.items()} | {
    "root": pem_text(RA_ROOT.der),
    "V": pem_text(VENDOR.der),
    "W": pem_text(WORKS.der),
}
STATES = {
    "active": CertificateState.ACTIVE,
    "revoked": CertificateState.REVOKED,
    "on_hold": CertificateState.ON_HOLD,
    "rejected": CertificateState.REJECTED,
    "unconfirmed": CertificateState.UNCONFIRMED,
}


@dataclass(frozen=True)
class Outcome:
    """What came of a request."""

    kind: str
    fail_info: str
    text: str
    made: tuple[Any, ...]
    """Rows of certificates that were not there before."""
    moved: dict[str, tuple[str, str]]
    """Label → (state before, state after)."""


class Court:
    """A server, and what the oracle calls its parts."""

    def __init__(self, folder: Path) -> None:
        unbounded = {"transactions_max": 0, "transactions_per_party": 0, "unprotected_genm": True}
        self.world = World(folder, settings={"time_tolerance": 0, **unbounded})
        ticks = iter(range(0, 10**12, 3600))
        self.world.clm.credentials.throttle = Throttle(lambda: float(next(ticks)))
        self.keys: dict[str, Any] = {}
        self.issued: dict[str, Certificate] = {}
        self.certificates: dict[str, x509.Certificate] = {}
        self.model = model.World(default=DEMO_POLICY)
        self._database = sqlite3.connect(folder / "cmpd.db", isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._prepare()
        self._last = self._newest()

    def close(self) -> None:
        self._database.close()
        self.world.close()

    def commit(self, *changes: Change) -> None:
        self.world.run(self.world.store.commit(changes))

    def _newest(self) -> int:
        (number,) = self._database.execute("SELECT coalesce(max(number), 0) FROM certificates").fetchone()
        return int(number)

    def _prepare(self) -> None:
        """Everybody, and a certificate for each combination of end entity and policy."""
        for entity_id in (THIRD_ENTITY, GONE_ENTITY):
            entity = Entity(entity_id, entity_id[:4], policies=tuple(POLICIES))
            self.commit(*add(OPERATOR, MASTER_KEY, entity, PASSWORD)[1])
        number = 310
        for holder in (DEMO_ENTITY, OTHER_ENTITY, THIRD_ENTITY, None, GONE_ENTITY):
            for policy in (DEMO_POLICY, SECOND_POLICY):
                for subject in SUBJECTS[:2]:
                    number += 1
                    self._issue(f"c{number}", number, holder, policy, subject)
        for holder in (DEMO_ENTITY, None):  # of before such names were refused
            number += 1
            self._issue(f"c{number}", number, holder, DEMO_POLICY, HOUSE_NAME)
        gone = self.world.run(self.world.store.entity(GONE_ENTITY))
        assert gone is not None
        self.commit(DeleteEntity(GONE_ENTITY, gone.version))
        self._house()
        self.commit(*self._key_generation_authority())

    def _key_generation_authority(self) -> tuple[Change, ...]:
        """Made now, so that no request has it made."""
        stored = self.world.run(self.world.store.object(ObjectKind.CA, ISSUING))
        assert stored is not None
        context, ca = CAContext(OPERATOR, MASTER_KEY), self.world.ca("issuing")
        return self.world.run(renew_signer(context, stored, ca, "kga")).unit

    def _issue(self, label: str, number: int, entity: str | None, policy: str, subject: str) -> None:
        key = pki.key("P-256", number)
        authority = self.world.ca("issuing")
        names = (x509.DNSName(f"{_host(subject)}.example"),)
        plan = pki.Plan(
            x509.Name.from_rfc4514_string(subject),
            key,
            days=(-10, 365),
            extensions=(*USAGE, (x509.SubjectAlternativeName(names), False)),
        )
        holder = plan.issue(pki.Holder(authority.certificate, private_key(authority)))
        self._add(label, holder, entity, policy, key, subject, (f"{_host(subject)}.example",))

    def _house(self) -> None:
        authority = self.world.ca("issuing")
        for label, certificate in (("ca", authority.certificate), ("signer", authority.signer.certificate)):
            record = self.world.run(
                self.world.clm.issued.by_issuer(certificate.issuer.public_bytes(), certificate.serial_number)
            )
            assert record is not None
            self.issued[label] = record
            self.certificates[label] = certificate
            self.model.certificates[label] = model.Certificate(label, record.subject)
        self.model.cas = frozenset(
            model.compared(certificate.subject.rfc4514_string())
            for authority in self.world.run(self.world.clm.authorities())
            for certificate in (authority.certificate, authority.signer.certificate)
        )

    def _add(
        self,
        label: str,
        holder: pki.Holder,
        entity: str | None,
        policy: str,
        key: Any,
        subject: str,
        names: tuple[str, ...],
    ) -> None:
        record = record_of(
            holder.certificate, ca=ISSUING, issued=self.world.now, entity=entity, policy=policy
        )
        self.commit(AddCertificate(record))
        self.keys[label], self.issued[label] = key, record
        self.certificates[label] = holder.certificate
        self.model.certificates[label] = model.Certificate(label, subject, names, entity, policy)

    # A world

    def set_up(self, world: model.World) -> None:
        """Make the server what the oracle's world says."""
        self.model = world
        for id, policy in world.policies.items():
            self.world.put(ObjectKind.POLICY, id, policy.name, self._document(id, policy))
        self.commit(*self._leftovers(), *self._entities(world), *self._standings(world))
        self._last = self._newest()

    def _document(self, id: str, policy: model.Policy) -> dict[str, Any]:
        document: dict[str, Any] = {
            "ca": "issuing",
            "template": "device",
            "confirm_wait": 10**6,
            "trust_anchors": [PEM[anchor] for anchor in sorted(policy.anchors)],
            "registration_authorities": [self._row(row) for row in policy.ras],
        }
        for flag in (
            *("password_enrolment", "password_login", "password_revocation", "central_key_generation"),
            *("certificate_enrolment", "auto_register", "register"),
        ):
            document[flag] = getattr(policy, flag)
        return Policy.of(id, policy.name, document).document()

    def _row(self, row: model.RARow) -> dict[str, Any]:
        document: dict[str, Any] = {"name": row.name, "rights": sorted(row.rights)}
        if row.certificates:
            document["certificates"] = [PEM["root" if row.certificates == {"line"} else "plain"]]
            document["pinned"] = row.certificates == {"plain"}
        if row.entities:
            document["entities"] = sorted(row.entities)
        if row.common_names is not None:
            document["subject"] = {"CN": row.common_names}
            if row.dns is not None:
                document["san"] = {"dns": row.dns}
        return document

    def _leftovers(self) -> list[Change]:
        """End entities that requests to an earlier world made."""
        known = (DEMO_ENTITY, OTHER_ENTITY, THIRD_ENTITY)
        rows = self._database.execute("SELECT id, version FROM entities").fetchall()
        return [DeleteEntity(id, version) for id, version in rows if id not in known]

    def _entities(self, world: model.World) -> list[Change]:
        changes: list[Change] = []
        for id in (DEMO_ENTITY, OTHER_ENTITY, THIRD_ENTITY):
            known, wanted = self.world.run(self.world.store.entity(id)), world.entities[id]
            assert known is not None
            password = add(OPERATOR, MASTER_KEY, Entity(id, "", policies=()), PASSWORD)[0].password
            subjects = [subject for subject, owner in world.by_subject.items() if owner == id]
            identities = [Identity("subject", subject.replace("cn=", "CN=")) for subject in subjects]
            identities += [
                Identity("fingerprint", _fingerprint(FOREIGN[label][1]))
                for label, owner in REGISTERED.items()
                if owner == id
            ]
            changes.append(
                UpdateEntity(
                    replace(
                        known,
                        state=EntityState.BLOCKED if wanted.blocked else EntityState.ACTIVE,
                        password=password,
                        policies=tuple(sorted(wanted.policies)),
                        password_uses=wanted.uses,
                        identities=tuple(identities),
                    )
                )
            )
        return changes

    def _standings(self, world: model.World) -> list[Change]:
        changes: list[Change] = []
        states = dict(self._database.execute("SELECT hex(serial), state FROM certificates"))
        for label, certificate in world.certificates.items():
            record = self.issued[label]
            before = CertificateState(states[_serial(record)])
            after = STATES[certificate.state]
            gone = after in (CertificateState.REVOKED, CertificateState.REJECTED, CertificateState.ON_HOLD)
            changes.append(
                SetCertificateState(
                    record.ca,
                    record.serial,
                    record.policy,
                    (before,),
                    after,
                    revoked=self.world.now if gone else None,
                    reason=(6 if certificate.state == "on_hold" else 1) if gone else None,
                    held_by=certificate.held_by if certificate.state == "on_hold" else None,
                )
            )
        return changes

    # What comes of a request

    def send(self, body: bytes, call: dict[str, Any]) -> Outcome:
        """Send octets, and see what changed."""
        before = self._states()
        reply = self.world.respond(body, **call)
        made = tuple(
            self._database.execute(
                "SELECT number, der, entity, policy, subject, requested_by FROM certificates "
                "WHERE number > ? ORDER BY number",
                (self._last,),
            )
        )
        after = self._states()
        if made:
            self._last = made[-1][0]
        moved = {label: (before[label], after[label]) for label in before if before[label] != after[label]}
        return Outcome(reply.log_entry.response, reply.log_entry.fail_info, reply.log_entry.text, made, moved)

    def _states(self) -> dict[str, str]:
        numbers = self._database.execute(
            "SELECT hex(serial), state FROM certificates WHERE number <= ?", (len(self.issued) + 8,)
        )
        states = dict(numbers)
        return {
            label: states[_serial(record)]
            for label, record in self.issued.items()
            if _serial(record) in states
        }

    def protection(self, sender: model.Sender, asked_key: Any) -> cmpclient.Protection | None:
        """How the sender protects what it sends."""
        match sender.how:
            case "password":
                secret = PASSWORD if sender.right_secret else "another"
                return cmpclient.PBM(sender.who, secret, iterations=100)
            case "login" | "unknown":
                key = self.keys[sender.key] if sender.key else asked_key
                key = key if sender.own_key or sender.key else pki.key("P-256", 399)
                own = pki.Plan(pki.name("self"), key, extensions=USAGE).issue(None)
                return cmpclient.Signature(own.certificate, key)
            case "certificate":
                return cmpclient.Signature(self.certificates[sender.who], self.keys[sender.who])
            case "foreign":
                holder = FOREIGN[sender.who][1]
                return cmpclient.Signature(holder.certificate, holder.key)
        return None


def _host(subject: str) -> str:
    return subject[3:].lower().replace(" ", "-")


def _fingerprint(holder: pki.Holder) -> str:
    return hashlib.sha256(holder.der).hexdigest()


def _serial(record: Certificate) -> str:
    """As SQLite's hex() shows it."""
    return record.serial.to_bytes(20, "big").hex().upper()
