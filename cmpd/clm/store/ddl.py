"""The tables, as migrations in order: the schema's version is how many of them a store has seen.

A migration that has been released is never changed; what is to be otherwise comes in a new one. Each stands
here once for both engines, with their own words in braces (`dialect`).
"""

from __future__ import annotations

from dataclasses import replace

from cmpd.clm.store.computed import Computed, Migration, rekeyed, with_requested_validity
from cmpd.clm.store.dialect import Differences, Engine, rendered, words
from cmpd.clm.store.transaction_json import with_requests

DIFFERENCES: Differences = {
    # Text is compared by its octets, so that lists have the same order in both.
    "text": ("TEXT", 'text COLLATE "C"'),
    "integer": ("INTEGER", "bigint"),
    "octets": ("BLOB", "bytea"),
    # Of rows that are found by their key alone.
    "by_key": (" WITHOUT ROWID", ""),
    # Rows numbered in the order in which they came, so that new ones go to the end of the table, however
    # random their serial numbers are.
    "number": ("INTEGER PRIMARY KEY", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    # In PostgreSQL each backend counts in rows of its own, or else all nodes would wait for each other.
    "backend": ("", "backend integer NOT NULL DEFAULT 0,"),
    "with_backend": ("", ", backend"),
    "room_to_count": (" WITHOUT ROWID", " WITH (fillfactor = 50)"),
    # In PostgreSQL in partitions by their end, so that years may be kept elsewhere: an operator makes one
    # before its time, and what belongs to none is in the last. Nothing has to be unique over all of it.
    "number_over_partitions": ("INTEGER PRIMARY KEY", "bigserial"),
    "key_over_partitions": ("", ", PRIMARY KEY (number, not_after)"),
    "by_end": ("", " PARTITION BY RANGE (not_after)"),
}

_CERTIFICATE = """
        ca {text} NOT NULL,
        serial {octets} NOT NULL,
        der {octets} NOT NULL,
        subject {text} NOT NULL,
        not_before {integer} NOT NULL,
        not_after {integer} NOT NULL,
        key_id {octets} NOT NULL,
        key_hash {octets} NOT NULL,
        entity {text},
        policy {text},
        transaction_id {octets},
        state {text} NOT NULL,
        issued {integer} NOT NULL,
        revoked {integer},
        reason {integer},
        replaces_ca {text},
        replaces_serial {octets}"""
"""The columns of both tables of certificates, the word ``certificate``."""

_FIRST = (
    """
    CREATE TABLE counters (
        name {text} PRIMARY KEY,
        value {integer} NOT NULL
    ){by_key}
    """,
    "INSERT INTO counters (name, value) VALUES ('configuration', 0), ('attempts', 0), ('probe', 0)",
    """
    CREATE TABLE objects (
        kind {text} NOT NULL,
        id {text} NOT NULL,
        name {text} NOT NULL,
        document {text} NOT NULL,
        version {integer} NOT NULL,
        PRIMARY KEY (kind, id),
        UNIQUE (kind, name)
    )
    """,
    """
    CREATE TABLE entities (
        id {text} PRIMARY KEY,
        name {text} NOT NULL,
        state {text} NOT NULL,
        password {octets},
        password_expires {integer},
        password_uses {integer},
        policies {text} NOT NULL,
        reference_list {text} NOT NULL,
        identity_list {text} NOT NULL,
        attributes {text} NOT NULL,
        created {integer} NOT NULL,
        version {integer} NOT NULL
    ){by_key}
    """,
    """
    CREATE TABLE entity_references (
        reference {octets} PRIMARY KEY,
        entity {text} NOT NULL REFERENCES entities (id) DEFERRABLE INITIALLY DEFERRED
    ){by_key}
    """,
    "CREATE INDEX entity_references_by_entity ON entity_references (entity)",
    """
    CREATE TABLE entity_identities (
        kind {text} NOT NULL,
        value {text} NOT NULL,
        entity {text} NOT NULL REFERENCES entities (id) DEFERRABLE INITIALLY DEFERRED,
        PRIMARY KEY (kind, value)
    ){by_key}
    """,
    "CREATE INDEX entity_identities_by_entity ON entity_identities (entity)",
    """
    CREATE TABLE certificates (
        number {number},{certificate},
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
        ca {text} NOT NULL,
        policy {text} NOT NULL,
        state {text} NOT NULL,
        {backend}
        amount {integer} NOT NULL,
        PRIMARY KEY (ca, policy, state{with_backend})
    ){room_to_count}
    """,
    """
    CREATE TABLE archived_certificates (
        number {number_over_partitions},{certificate}{key_over_partitions}
    ){by_end}
    """,
    """
    CREATE TABLE crls (
        ca {text} NOT NULL,
        partition {integer} NOT NULL,
        number {integer} NOT NULL,
        der {octets} NOT NULL,
        this_update {integer} NOT NULL,
        next_update {integer} NOT NULL,
        PRIMARY KEY (ca, partition)
    )
    """,
    """
    CREATE TABLE transactions (
        number {number},
        id {octets} NOT NULL UNIQUE,
        state {text} NOT NULL,
        body {integer} NOT NULL,
        party {text} NOT NULL,
        policy {text} NOT NULL,
        entity {text},
        opened {integer} NOT NULL,
        expires {integer} NOT NULL,
        first_digest {octets} NOT NULL,
        first_response {octets} NOT NULL,
        last_digest {octets} NOT NULL,
        last_response {octets} NOT NULL,
        server_nonce {octets} NOT NULL,
        ca {text},
        serial {octets},
        request {octets},
        detail {text} NOT NULL
    )
    """,
    "CREATE INDEX transactions_open ON transactions (expires, id) WHERE state <> 'closed'",
    "CREATE INDEX transactions_closed ON transactions (expires, id) WHERE state = 'closed'",
    # Times are in milliseconds: the shortest wait is a second.
    """
    CREATE TABLE failed_attempts (
        key {octets} PRIMARY KEY,
        failures {integer} NOT NULL,
        last {integer} NOT NULL,
        turn {integer},
        proved {integer} NOT NULL,
        changed {integer} NOT NULL
    ){by_key}
    """,
    "CREATE INDEX failed_attempts_changed ON failed_attempts (changed)",
    """
    CREATE TABLE audit (
        chain {text} NOT NULL,
        sequence {integer} NOT NULL,
        time {integer} NOT NULL,
        actor {text} NOT NULL,
        action {text} NOT NULL,
        subject {text} NOT NULL,
        outcome {text} NOT NULL,
        detail {text} NOT NULL,
        hash {octets} NOT NULL,
        PRIMARY KEY (chain, sequence)
    ){by_key}
    """,
    """
    CREATE TABLE audit_heads (
        chain {text} PRIMARY KEY,
        sequence {integer} NOT NULL,
        hash {octets} NOT NULL
    ){by_key}
    """,
)

_FIRST_IN_POSTGRES = (
    "CREATE TABLE archived_certificates_other PARTITION OF archived_certificates DEFAULT",
    # Tokens, by which a commit whose answer was lost is looked up.
    """
    CREATE TABLE commits (
        token {octets} PRIMARY KEY,
        at {integer} NOT NULL
    )
    """,
    # Tells all nodes that a configuration document changed.
    """
    CREATE FUNCTION notify_configuration() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('cmpd_configuration', new.value::text);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER configuration_changed AFTER UPDATE ON counters
        FOR EACH ROW WHEN (new.name = 'configuration') EXECUTE FUNCTION notify_configuration()
    """,
)


def _added(tables: tuple[str, ...], **columns: str) -> tuple[str, ...]:
    """Further columns, each with its type, of each of the tables."""
    return tuple(
        f"ALTER TABLE {table} ADD COLUMN {column} {{{type_}}}"
        for table in tables
        for column, type_ in columns.items()
    )


_CERTIFICATES = ("certificates", "archived_certificates")

_SECOND = _added(_CERTIFICATES, requested_by="text", held_by="text")
"""Who was granted a certificate, and who put it on hold."""

_THIRD: Migration = (
    "DROP TABLE entity_identities",
    """
    CREATE TABLE entity_identities (
        kind {text} NOT NULL,
        key {text} NOT NULL,
        anchor {text} NOT NULL,
        entity {text} NOT NULL REFERENCES entities (id) DEFERRABLE INITIALLY DEFERRED,
        PRIMARY KEY (kind, key, anchor)
    ){by_key}
    """,
    "CREATE INDEX entity_identities_by_entity ON entity_identities (entity)",
    Computed(
        "SELECT id, state, identity_list FROM entities",
        "INSERT INTO entity_identities (kind, key, anchor, entity) VALUES (?1, ?2, ?3, ?4)",
        rekeyed,
    ),
)
"""Identities are found by a key, not by their text, and hold together with a trust anchor."""

_FOURTH: Migration = (
    """
    CREATE TABLE owed_crls (
        number {number},
        ca {text} NOT NULL,
        serial {octets} NOT NULL
    )
    """,
    Computed(
        "SELECT id, document FROM objects WHERE kind = 'policy'",
        "UPDATE objects SET document = ?2 WHERE kind = 'policy' AND id = ?1",
        with_requested_validity,
    ),
    Computed(
        "SELECT id, state, detail FROM transactions WHERE detail <> '{{}}'",
        "UPDATE transactions SET detail = ?2 WHERE id = ?1",
        with_requests,
    ),
)
"""A policy's `validity.wish` is called `validity.requested_validity`; a transaction has a list of
requests; what CRLs do not say yet is noted."""

_LATER: tuple[Migration, ...] = (_SECOND, _THIRD, _FOURTH)

_MIGRATIONS: dict[Engine, tuple[Migration, ...]] = {
    Engine.SQLITE: (_FIRST, *_LATER),
    Engine.POSTGRES: ((*_FIRST, *_FIRST_IN_POSTGRES), *_LATER),
}


def migrations(engine: Engine) -> tuple[Migration, ...]:
    """Each leads from the version of its place to the next; all statements in one database transaction."""
    known = words(engine, DIFFERENCES)
    known["certificate"] = _CERTIFICATE.format_map(known)
    return tuple(
        tuple(_rendered(engine, step, known) for step in migration) for migration in _MIGRATIONS[engine]
    )


def _rendered(engine: Engine, step: str | Computed, known: dict[str, str]) -> str | Computed:
    if isinstance(step, Computed):
        return replace(step, write=rendered(engine, step.write, known))
    return rendered(engine, step, known)
