"""A store filled in bulk: rows like those that a transaction leaves, as many as a fleet would."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cmpd.clm.store.tables import COUNT_CERTIFICATES

CERTIFICATES = 1_000_000
ENTITIES = 100_000
BATCH = 50_000
YEAR = 365 * 86400
DER_SIZE = 600
"""Octets of a certificate with a P-256 key."""


def fill(path: Path, certificates: int = CERTIFICATES, entities: int = ENTITIES) -> None:
    """Fill the SQLite store of a demo PKI that no daemon serves."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        names = [str(uuid.UUID(bytes=os.urandom(16), version=4)) for _ in range(entities)]
        ca, policy = _only(connection, "ca"), _only(connection, "policy")
        connection.execute("BEGIN")
        _insert(connection, "entities", _entities(connection, names, policy))
        for start in range(0, certificates, BATCH):
            some = range(start, min(start + BATCH, certificates))
            _insert(connection, "certificates", _certificates(connection, some, names, ca, policy))
        connection.execute("DELETE FROM certificate_counts")
        connection.execute(COUNT_CERTIFICATES)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def _only(connection: sqlite3.Connection, kind: str) -> str:
    """The id of the object that issues, or under which is issued: the last that was made."""
    id: str
    (id,) = connection.execute(
        "SELECT id FROM objects WHERE kind = ? ORDER BY rowid DESC", (kind,)
    ).fetchone()
    return id


def _insert(connection: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    columns = ", ".join(first)
    values = ", ".join(f":{column}" for column in first)
    statement = f"INSERT INTO {table} ({columns}) VALUES ({values})"
    connection.execute(statement, first)
    connection.executemany(statement, rows)


def _like(connection: sqlite3.Connection, table: str) -> dict[str, Any]:
    """A row to make others after, without its number."""
    cursor = connection.execute(f"SELECT * FROM {table} LIMIT 1")
    row = dict(zip((column[0] for column in cursor.description), cursor.fetchone(), strict=True))
    row.pop("number", None)
    return row


def _entities(connection: sqlite3.Connection, names: list[str], policy: str) -> Iterator[dict[str, Any]]:
    like = _like(connection, "entities")
    for name in names:
        yield {**like, "id": name, "name": f"device {name}", "reference_list": "[]", "identity_list": "[]"}


def _certificates(
    connection: sqlite3.Connection, some: range, names: list[str], ca: str, policy: str
) -> Iterator[dict[str, Any]]:
    like = _like(connection, "certificates")
    start = like["issued"]
    for number in some:
        random = os.urandom(72)
        yield {
            **like,
            "ca": ca,
            "serial": b"\x10" + random[:19],
            "der": os.urandom(DER_SIZE),
            "subject": f"CN=device {number}",
            "not_before": start,
            "not_after": start + YEAR + number % YEAR,
            "key_id": random[32:52],
            "key_hash": random[40:],
            "entity": names[number % len(names)],
            "policy": policy,
            "transaction_id": random[20:36],
            "state": "active",
        }
