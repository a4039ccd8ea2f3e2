"""The tables, as migrations in order: the schema's version is how many of them a store has seen.

A migration that has been released is never changed; what is to be otherwise comes in a new one.
"""

from __future__ import annotations

from cmpd.clm.store.rekeying import Computed, Migration, rekeyed

APPLICATION_ID = 0x434D5044
"""``CMPD`` in the file's header tells a store of cmpd from any other SQLite database."""

_FIRST = (
    """
    CREATE TABLE counters (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    "INSERT INTO counters (name, value) VALUES ('configuration', 0), ('attempts', 0), ('probe', 0)",
    """
    CREATE TABLE objects (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (kind, id),
        UNIQUE (kind, name)
    )
    """,
    """
    CREATE TABLE entities (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        password BLOB,
        password_expires INTEGER,
        password_uses INTEGER,
        policies TEXT NOT NULL,
        reference_list TEXT NOT NULL,
        identity_list TEXT NOT NULL,
        attributes TEXT NOT NULL,
        created INTEGER NOT NULL,
        version INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE entity_references (
        reference BLOB PRIMARY KEY,
        entity TEXT NOT NULL REFERENCES entities (id) DEFERRABLE INITIALLY DEFERRED
    ) WITHOUT ROWID
    """,
    "CREATE INDEX entity_references_by_entity ON entity_references (entity)",
    """
    CREATE TABLE entity_identities (
        kind TEXT NOT NULL,
        value TEXT NOT NULL,
        entity TEXT NOT NULL REFERENCES entities (id) DEFERRABLE INITIALLY DEFERRED,
        PRIMARY KEY (kind, value)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX entity_identities_by_entity ON entity_identities (entity)",
    # Numbered in the order in which they came, so that new rows go to the end of the table, however
    # random their serial numbers are.
    """
    CREATE TABLE certificates (
        number INTEGER PRIMARY KEY,
        ca TEXT NOT NULL,
        serial BLOB NOT NULL,
        der BLOB NOT NULL,
        subject TEXT NOT NULL,
        not_before INTEGER NOT NULL,
        not_after INTEGER NOT NULL,
        key_id BLOB NOT NULL,
        key_hash BLOB NOT NULL,
        entity TEXT,
        policy TEXT,
        transaction_id BLOB,
        state TEXT NOT NULL,
        issued INTEGER NOT NULL,
        revoked INTEGER,
        reason INTEGER,
        replaces_ca TEXT,
        replaces_serial BLOB,
        UNIQUE (ca, serial)
    )
    """,
    "CREATE INDEX certificates_by_key_id ON certificates (key_id)",
    "CREATE INDEX certificates_by_entity ON certificates (entity)",
    "CREATE INDEX certificates_by_end ON certificates (not_after)",
    # A CRL is read from this index alone, which costs nothing while a certificate is good.
    """
    CREATE INDEX certificates_revoked ON certificates (ca, serial, not_after, revoked, reason)
        WHERE state IN ('on_hold', 'revoked', 'rejected')
    """,
    # Counted as they change: counting a million rows would hold up whoever asks for metrics.
    """
    CREATE TABLE certificate_counts (
        ca TEXT NOT NULL,
        policy TEXT NOT NULL,
        state TEXT NOT NULL,
        amount INTEGER NOT NULL,
        PRIMARY KEY (ca, policy, state)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE archived_certificates (
        number INTEGER PRIMARY KEY,
        ca TEXT NOT NULL,
        serial BLOB NOT NULL,
        der BLOB NOT NULL,
        subject TEXT NOT NULL,
        not_before INTEGER NOT NULL,
        not_after INTEGER NOT NULL,
        key_id BLOB NOT NULL,
        key_hash BLOB NOT NULL,
        entity TEXT,
        policy TEXT,
        transaction_id BLOB,
        state TEXT NOT NULL,
        issued INTEGER NOT NULL,
        revoked INTEGER,
        reason INTEGER,
        replaces_ca TEXT,
        replaces_serial BLOB
    )
    """,
    """
    CREATE TABLE crls (
        ca TEXT NOT NULL,
        partition INTEGER NOT NULL,
        number INTEGER NOT NULL,
        der BLOB NOT NULL,
        this_update INTEGER NOT NULL,
        next_update INTEGER NOT NULL,
        PRIMARY KEY (ca, partition)
    )
    """,
    """
    CREATE TABLE transactions (
        number INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        state TEXT NOT NULL,
        body INTEGER NOT NULL,
        party TEXT NOT NULL,
        policy TEXT NOT NULL,
        entity TEXT,
        opened INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        first_digest BLOB NOT NULL,
        first_response BLOB NOT NULL,
        last_digest BLOB NOT NULL,
        last_response BLOB NOT NULL,
        server_nonce BLOB NOT NULL,
        ca TEXT,
        serial BLOB,
        request BLOB,
        detail TEXT NOT NULL
    )
    """,
    "CREATE INDEX transactions_open ON transactions (expires, id) WHERE state <> 'closed'",
    "CREATE INDEX transactions_closed ON transactions (expires, id) WHERE state = 'closed'",
    # Times are in milliseconds: the shortest wait is a second.
    """
    CREATE TABLE failed_attempts (
        key BLOB PRIMARY KEY,
        failures INTEGER NOT NULL,
        last INTEGER NOT NULL,
        turn INTEGER,
        proved INTEGER NOT NULL,
        changed INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX failed_attempts_changed ON failed_attempts (changed)",
    """
    CREATE TABLE audit (
        chain TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        time INTEGER NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        outcome TEXT NOT NULL,
        detail TEXT NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (chain, sequence)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE audit_heads (
        chain TEXT PRIMARY KEY,
        sequence INTEGER NOT NULL,
        hash BLOB NOT NULL
    ) WITHOUT ROWID
    """,
)

_SECOND = tuple(
    f"ALTER TABLE {table} ADD COLUMN {column} TEXT"
    for table in ("certificates", "archived_certificates")
    for column in ("requested_by", "held_by")
)
"""Who was granted a certificate, and who put it on hold."""

_THIRD = (
    "DROP TABLE entity_identities",
    """
    CREATE TABLE entity_identities (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        anchor TEXT NOT NULL,
        entity TEXT NOT NULL REFERENCES entities (id) DEFERRABLE INITIALLY DEFERRED,
        PRIMARY KEY (kind, key, anchor)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX entity_identities_by_entity ON entity_identities (entity)",
    Computed(
        "SELECT id, state, identity_list FROM entities",
        "INSERT INTO entity_identities (kind, key, anchor, entity) VALUES (?, ?, ?, ?)",
        rekeyed,
    ),
)
"""Identities are found by a key, not by their text, and hold together with a trust anchor."""

MIGRATIONS: tuple[Migration, ...] = (_FIRST, _SECOND, _THIRD)
"""Each leads from the version of its place to the next; all statements in one database transaction."""
