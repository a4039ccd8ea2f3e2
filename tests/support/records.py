"""Records for tests: whole, valid, and each different from the last unless told otherwise."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from dataclasses import replace
from typing import Any

from cmpd.clm.model import (
    AuditEvent,
    Certificate,
    CertificateState,
    Entity,
    ObjectKind,
    StoredCRL,
    StoredObject,
    Transaction,
    TransactionRequest,
    TransactionState,
)

NOW = 1_800_000_000
DAY = 86_400

_numbers = itertools.count(1)


def _octets(label: str, length: int) -> bytes:
    return hashlib.shake_128(f"{label} {next(_numbers)}".encode()).digest(length)


def an_object(**changed: Any) -> StoredObject:
    """A policy that was not stored yet."""
    number = next(_numbers)
    policy = StoredObject(
        ObjectKind.POLICY, str(uuid.UUID(int=number)), f"policy {number}", {"number": number}
    )
    return replace(policy, **changed)


def an_entity(**changed: Any) -> Entity:
    """An active end entity with a password, without references and identities."""
    number = next(_numbers)
    entity = Entity(
        str(uuid.UUID(bytes=_octets("entity", 16))),
        f"device {number}",
        password=_octets("password", 40),
        policies=("ffc0d281-f9df-45cd-a30d-1881cd67012a",),
        created=NOW,
    )
    return replace(entity, **changed)


def a_certificate(**changed: Any) -> Certificate:
    """An active certificate of CA ``issuing`` that ends in a year."""
    number = next(_numbers)
    certificate = Certificate(
        ca="issuing",
        serial=int.from_bytes(_octets("serial", 19), "big"),
        der=_octets("der", 300),
        subject=f"CN=device {number}",
        not_before=NOW,
        not_after=NOW + 365 * DAY,
        key_id=_octets("key id", 20),
        key_hash=_octets("key hash", 32),
        entity=None,
        policy=None,
        transaction=None,
        state=CertificateState.ACTIVE,
        issued=NOW,
    )
    return replace(certificate, **changed)


def a_transaction(**changed: Any) -> Transaction:
    """An ir whose certConf is awaited for five minutes."""
    transaction = Transaction(
        id=_octets("transaction", 16),
        state=TransactionState.CONFIRMING,
        body=0,
        party="mac:device",
        policy="ffc0d281-f9df-45cd-a30d-1881cd67012a",
        entity=None,
        opened=NOW,
        expires=NOW + 300,
        first_digest=_octets("first digest", 32),
        first_response=_octets("first response", 200),
        last_digest=_octets("last digest", 32),
        last_response=_octets("last response", 200),
        server_nonce=_octets("nonce", 16),
        requests=(),
    )
    transaction = replace(transaction, **changed)
    return replace(transaction, requests=transaction.requests or (TransactionRequest(0, transaction.state),))


def a_crl(number: int = 1, **changed: Any) -> StoredCRL:
    """A CRL of CA ``issuing``."""
    return replace(StoredCRL("issuing", 0, number, _octets("crl", 100), NOW, NOW + DAY), **changed)


def an_event(**changed: Any) -> AuditEvent:
    """A certificate's issue."""
    number = next(_numbers)
    event = AuditEvent(
        NOW, "cmpd", "certificate.issue", f"certificate:issuing/{number:x}", "ok", {"n": number}
    )
    return replace(event, **changed)
