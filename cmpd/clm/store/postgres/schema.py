"""The tables, as migrations in order: the schema's version is how many of them a store has seen.

A migration that has been released is never changed; what is to be otherwise comes in a new one. Text is
compared by its octets (collation "C"), so that lists have the same order here as in SQLite.
"""

from __future__ import annotations

from cmpd.clm.store.rekeying import Computed, Migration, rekeyed

VERSION_TABLE = "CREATE TABLE cmpd_schema (version integer NOT NULL)"
SET_VERSION = "INSERT INTO cmpd_schema (version) VALUES (%s)"
CHANGE_VERSION = "UPDATE cmpd_schema SET version = %s"
VERSION = "SELECT version FROM cmpd_schema"
HAS_VERSION = "SELECT to_regclass('cmpd_schema') IS NOT NULL"

_FIRST = (
    """
    CREATE TABLE counters (
        name text COLLATE "C" PRIMARY KEY,
        value bigint NOT NULL
    )
    """,
    "INSERT INTO counters (name, value) VALUES ('configuration', 0), ('attempts', 0), ('probe', 0)",
    """
    CREATE TABLE objects (
        kind text COLLATE "C" NOT NULL,
        id text COLLATE "C" NOT NULL,
        name text COLLATE "C" NOT NULL,
        document text COLLATE "C" NOT NULL,
        version bigint NOT NULL,
        PRIMARY KEY (kind, id),
        UNIQUE (kind, name)
    )
    """,
    """
    CREATE TABLE entities (
        id text COLLATE "C" PRIMARY KEY,
        name text COLLATE "C" NOT NULL,
        state text COLLATE "C" NOT NULL,
        password bytea,
        password_expires bigint,
        password_uses bigint,
        policies text COLLATE "C" NOT NULL,
        reference_list text COLLATE "C" NOT NULL,
        identity_list text COLLATE "C" NOT NULL,
        attributes text COLLATE "C" NOT NULL,
        created bigint NOT NULL,
        version bigint NOT NULL
    )
    """,
    """
    CREATE TABLE entity_references (
        reference bytea PRIMARY KEY,
        entity text COLLATE "C" NOT NULL REFERENCES entities (id) DEFERRABLE INITIALLY DEFERRED
    )
    """,
    "CREATE INDEX entity_references_by_entity ON entity_references (entity)",
    """
    CREATE TABLE entity_identities (
        kind text COLLATE "C" NOT NULL,
        value text COLLATE "C" NOT NULL,
        entity text COLLATE "C" NOT NULL REFERENCES entities (id) DEFERRABLE INITIALLY DEFERRED,
        PRIMARY KEY (kind, value)
    )
    """,
    "CREATE INDEX entity_identities_by_entity ON entity_identities (entity)",
    # Numbered in the order in which they came, so that new rows go to the end of the table, however
    # random their serial numbers are.
    """
    CREATE TABLE certificates (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        ca text COLLATE "C" NOT NULL,
        serial bytea NOT NULL,
        der bytea NOT NULL,
        subject text COLLATE "C" NOT NULL,
        not_before bigint NOT NULL,
        not_after bigint NOT NULL,
        key_id bytea NOT NULL,
        key_hash bytea NOT NULL,
        entity text COLLATE "C",
        policy text COLLATE "C",
        transaction_id bytea,
        state text COLLATE "C" NOT NULL,
        issued bigint NOT NULL,
        revoked bigint,
        reason bigint,
        replaces_ca text COLLATE "C",
        replaces_serial bytea,
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
    # Counted as they change: counting millions of rows would take seconds. Each backend counts in rows of
    # its own, or else all nodes would wait for each other at these few rows.
    """
    CREATE TABLE certificate_counts (
        ca text COLLATE "C" NOT NULL,
        policy text COLLATE "C" NOT NULL,
        state text COLLATE "C" NOT NULL,
        backend integer NOT NULL DEFAULT 0,
        amount bigint NOT NULL,
        PRIMARY KEY (ca, policy, state, backend)
    ) WITH (fillfactor = 50)
    """,
    # In partitions by their end, so that years may be kept elsewhere: an operator makes one before its time,
    # and what belongs to none is in the last. Nothing has to be unique over all of it.
    """
    CREATE TABLE archived_certificates (
        number bigserial,
        ca text COLLATE "C" NOT NULL,
        serial bytea NOT NULL,
        der bytea NOT NULL,
        subject text COLLATE "C" NOT NULL,
        not_before bigint NOT NULL,
        not_after bigint NOT NULL,
        key_id bytea NOT NULL,
        key_hash bytea NOT NULL,
        entity text COLLATE "C",
        policy text COLLATE "C",
        transaction_id bytea,
        state text COLLATE "C" NOT NULL,
        issued bigint NOT NULL,
        revoked bigint,
        reason bigint,
        replaces_ca text COLLATE "C",
        replaces_serial bytea,
        PRIMARY KEY (number, not_after)
    ) PARTITION BY RANGE (not_after)
    """,
    "CREATE TABLE archived_certificates_other PARTITION OF archived_certificates DEFAULT",
    """
    CREATE TABLE crls (
        ca text COLLATE "C" NOT NULL,
        partition bigint NOT NULL,
        number bigint NOT NULL,
        der bytea NOT NULL,
        this_update bigint NOT NULL,
        next_update bigint NOT NULL,
        PRIMARY KEY (ca, partition)
    )
    """,
    """
    CREATE TABLE transactions (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id bytea NOT NULL UNIQUE,
        state text COLLATE "C" NOT NULL,
        body bigint NOT NULL,
        party text COLLATE "C" NOT NULL,
        policy text COLLATE "C" NOT NULL,
        entity text COLLATE "C",
        opened bigint NOT NULL,
        expires bigint NOT NULL,
        first_digest bytea NOT NULL,
        first_response bytea NOT NULL,
        last_digest bytea NOT NULL,
        last_response bytea NOT NULL,
        server_nonce bytea NOT NULL,
        ca text COLLATE "C",
        serial bytea,
        request bytea,
        detail text COLLATE "C" NOT NULL
    )
    """,
    "CREATE INDEX transactions_open ON transactions (expires, id) WHERE state <> 'closed'",
    "CREATE INDEX transactions_closed ON transactions (expires, id) WHERE state = 'closed'",
    # Times are in milliseconds: the shortest wait is a second.
    """
    CREATE TABLE failed_attempts (
        key bytea PRIMARY KEY,
        failures bigint NOT NULL,
        last bigint NOT NULL,
        turn bigint,
        proved bigint NOT NULL,
        changed bigint NOT NULL
    )
    """,
    "CREATE INDEX failed_attempts_changed ON failed_attempts (changed)",
    """
    CREATE TABLE audit (
        chain text COLLATE "C" NOT NULL,
        sequence bigint NOT NULL,
        time bigint NOT NULL,
        actor text COLLATE "C" NOT NULL,
        action text COLLATE "C" NOT NULL,
        subject text COLLATE "C" NOT NULL,
        outcome text COLLATE "C" NOT NULL,
        detail text COLLATE "C" NOT NULL,
        hash bytea NOT NULL,
        PRIMARY KEY (chain, sequence)
    )
    """,
    """
    CREATE TABLE audit_heads (
        chain text COLLATE "C" PRIMARY KEY,
        sequence bigint NOT NULL,
        hash bytea NOT NULL
    )
    """,
    """
    CREATE TABLE commits (
        token bytea PRIMARY KEY,
        at bigint NOT NULL
    )
    """,
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

_SECOND = tuple(
    f'ALTER TABLE {table} ADD COLUMN {column} text COLLATE "C"'
    for table in ("certificates", "archived_certificates")
    for column in ("requested_by", "held_by")
)
"""Who was granted a certificate, and who put it on hold."""

_THIRD = (
    "DROP TABLE entity_identities",
    """
    CREATE TABLE entity_identities (
        kind text COLLATE "C" NOT NULL,
        key text COLLATE "C" NOT NULL,
        anchor text COLLATE "C" NOT NULL,
        entity text COLLATE "C" NOT NULL REFERENCES entities (id) DEFERRABLE INITIALLY DEFERRED,
        PRIMARY KEY (kind, key, anchor)
    )
    """,
    "CREATE INDEX entity_identities_by_entity ON entity_identities (entity)",
    Computed(
        "SELECT id, state, identity_list FROM entities",
        "INSERT INTO entity_identities (kind, key, anchor, entity) VALUES (%s, %s, %s, %s)",
        rekeyed,
    ),
)
"""Identities are found by a key, not by their text, and hold together with a trust anchor."""

MIGRATIONS: tuple[Migration, ...] = (_FIRST, _SECOND, _THIRD)
"""Each leads from the version of its place to the next; all statements in one database transaction."""
