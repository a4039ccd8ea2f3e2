"""The SQL of PostgreSQL: the statements that it shares with SQLite (`cmpd.clm.store.sql`), its tables, where
it notes the schema's version, and what only it is told while it serves."""

from __future__ import annotations

from cmpd.clm.store.ddl import migrations
from cmpd.clm.store.dialect import Engine
from cmpd.clm.store.sql import statements

POSTGRES = statements(Engine.POSTGRES)

MIGRATIONS = migrations(Engine.POSTGRES)

VERSION_TABLE = "CREATE TABLE cmpd_schema (version integer NOT NULL)"
SET_VERSION = "INSERT INTO cmpd_schema (version) VALUES (%s)"
CHANGE_VERSION = "UPDATE cmpd_schema SET version = %s"
VERSION = "SELECT version FROM cmpd_schema"
HAS_VERSION = "SELECT to_regclass('cmpd_schema') IS NOT NULL"

LISTEN = "LISTEN cmpd_configuration"
"""Heard when a configuration document changes; the schema's trigger notifies."""

TOKEN = "INSERT INTO commits (token, at) VALUES ($1, $2) ON CONFLICT DO NOTHING"  # noqa: S105 - SQL
"""Marks a commit, so that its outcome can be looked up: an equal insert waits for one in progress."""

LOOK = """
    WITH here_alone AS MATERIALIZED (SELECT set_config('synchronous_commit', 'local', true))
    INSERT INTO commits (token, at) SELECT $1::bytea, $2::bigint FROM here_alone ON CONFLICT DO NOTHING"""
"""Whether the commit with that token came about: if not, it never will. Waits for no standby, as there may be
none."""

FORGET_TOKENS = "DELETE FROM commits WHERE at < $1"

LOCK = "SELECT pg_advisory_lock($1, hashtext($2))"
TRY_LOCK = "SELECT pg_try_advisory_lock($1, hashtext($2))"
TRY_LOCK_SHARED = "SELECT pg_try_advisory_lock_shared($1, hashtext($2))"
SHARED_LOCK_COUNT = """
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND classid = $1::bigint::oid AND objsubid = 2 AND granted
        AND mode = 'ShareLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
"""How many hold a lock of a kind together, of all nodes; 2 tells keys in two halves from whole ones."""
WAIT_FOR_LOCKS = """
    SELECT set_config('lock_timeout', '0', false), set_config('statement_timeout', '0', false)"""

SETTINGS = """
    SELECT set_config('lock_timeout', '5s', false), set_config('statement_timeout', '30s', false),
        set_config('idle_in_transaction_session_timeout', '30s', false),
        set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
        set_config('tcp_keepalives_count', '3', false)"""
"""So that a node that hangs, or was cut off, lets go of its locks within a bound. Advisory locks end with the
session, and the session of a machine that lost its power only when the server asks after it."""

SYNC_AT_LEAST_HERE = """
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'"""
SYNC_HERE_ALONE = "SELECT set_config('synchronous_commit', 'local', false)"
"""Not at a standby: for what is followed by commits that do wait for one, and so prove that it has all."""
SYNC_LATER = "SELECT set_config('synchronous_commit', 'off', false)"

DAMAGED = (
    ("certificate counts that do not fit the certificates", POSTGRES.wrong_counts),
    (
        "end entities whose references are not those in their row",
        """
        SELECT count(*) FROM entities AS e
        WHERE json_array_length(e.reference_list::json) <>
                (SELECT count(*) FROM entity_references AS r WHERE r.entity = e.id)
            OR json_array_length(e.identity_list::json) <>
                (SELECT count(*) FROM entity_identities AS i WHERE i.entity = e.id)""",
    ),
    (
        "audit chains that do not end where the store noted it",
        """
        SELECT count(*) FROM audit_heads AS h
        WHERE (SELECT max(a.sequence) FROM audit AS a WHERE a.chain = h.chain) IS DISTINCT FROM h.sequence""",
    ),
)
"""What contradicts itself, in words, and how many there are. Pages are PostgreSQL's own to check."""
