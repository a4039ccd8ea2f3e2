"""All SQL that both engines run while they serve, each statement once; `dialect` says how it is written.

What an engine has for itself stands beside it (`sqlite`, `postgres`); tables and indexes are in `schema`.
The effects of changes (`effects`), the reads (`reading`) and the records (`rows`) are written once as well.
A statement takes its parameters by position, numbered in the order in which the caller gives them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from cmpd.clm.store.columns import (
    ATTEMPTS_COLUMNS,
    AUDIT_COLUMNS,
    AUDIT_HEAD_COLUMNS,
    CERTIFICATE_COLUMNS,
    CRL_COLUMNS,
    CRL_HEAD_COLUMNS,
    ENTITY_COLUMNS,
    ENTITY_COLUMNS_WRITTEN,
    IDENTITY_COLUMNS,
    MOVING_COLUMNS,
    OBJECT_COLUMNS,
    REFERENCE_COLUMNS,
    TRANSACTION_COLUMNS,
)
from cmpd.clm.store.dialect import Differences, Engine, Listed, rendered, words

DIFFERENCES: Differences = {
    # The place of one text in another, from 1; 0 where it is not there.
    "find": ("instr", "strpos"),
    "greatest": ("max", "greatest"),
    # SQLite has one writer at a time, who holds every lock there is. In PostgreSQL this not only locks: what
    # is read next is what the unit that held the lock before has committed.
    "for_update": ("", "FOR UPDATE"),
    # Each backend counts in rows of its own, or else all nodes would wait for each other at these few rows.
    "backend": ("", ", backend"),
    "this_backend": ("", ", pg_backend_pid() % 256"),
}

_LISTED = {
    "object": OBJECT_COLUMNS,
    "entity": ENTITY_COLUMNS,
    "entity_written": ENTITY_COLUMNS_WRITTEN,
    "reference": REFERENCE_COLUMNS,
    "identity": IDENTITY_COLUMNS,
    "certificate": CERTIFICATE_COLUMNS,
    "crl": CRL_COLUMNS,
    "crl_head": CRL_HEAD_COLUMNS,
    "transaction": TRANSACTION_COLUMNS,
    "moving": MOVING_COLUMNS,
    "attempts": ATTEMPTS_COLUMNS,
    "audit": AUDIT_COLUMNS,
    "audit_head": AUDIT_HEAD_COLUMNS,
}

_NARROWED: Final = """(?1::text IS NULL OR ca = ?1) AND (?3::text IS NULL OR policy = ?3)
            AND (?4::text IS NULL OR {find}(?4, ',' || state || ',') > 0)
            AND (?5::text IS NULL OR {find}(lower(subject), ?5) > 0)
            AND (?8::bigint IS NULL OR issued > ?8)"""
"""What all lists of certificates may be narrowed by, the word ``narrowed``."""


@dataclass(frozen=True, slots=True)
class Statements:
    """The SQL of one engine: as defaults the templates, from which `statements` makes it. Writes report
    how many rows they touched; a clash on insert touches none."""

    # Configuration documents.
    add_object: str = """
        INSERT INTO objects (kind, id, name, document, version) VALUES (?1, ?2, ?3, ?4, 1)
        ON CONFLICT DO NOTHING"""
    update_object: str = """
        UPDATE objects SET name = ?3, document = ?4, version = version + 1
        WHERE kind = ?1 AND id = ?2 AND version = ?5"""
    delete_object: str = "DELETE FROM objects WHERE kind = ?1 AND id = ?2 AND version = ?3"
    object_holding_name: str = "SELECT id FROM objects WHERE kind = ?1 AND name = ?2 AND id <> ?3"
    count_configuration_change: str = "UPDATE counters SET value = value + 1 WHERE name = 'configuration'"
    change_counter: str = "SELECT value FROM counters WHERE name = 'configuration'"
    objects: str = "SELECT {object} FROM objects WHERE kind = ?1 ORDER BY name"
    object: str = """
        SELECT {object} FROM objects
        WHERE kind = ?1 AND (id = ?2 OR name = ?2) ORDER BY id = ?2 DESC LIMIT 1"""

    # End entities, and the two tables that keep references and identities unique.
    add_entity: str = """
        INSERT INTO entities ({entity_written}, version) VALUES ({entity_written.values}, 1)
        ON CONFLICT DO NOTHING"""
    update_entity: str = """
        UPDATE entities SET {entity_written.settings}, version = version + 1
        WHERE id = ?1 AND version = ?{entity_written.after}"""
    delete_entity: str = "DELETE FROM entities WHERE id = ?1 AND version = ?2"
    add_reference: str = """
        INSERT INTO entity_references ({reference}) VALUES ({reference.values}) ON CONFLICT DO NOTHING"""
    add_identity: str = """
        INSERT INTO entity_identities ({identity}) VALUES ({identity.values}) ON CONFLICT DO NOTHING"""
    delete_references: str = "DELETE FROM entity_references WHERE entity = ?1"
    delete_identities: str = "DELETE FROM entity_identities WHERE entity = ?1"
    use_password: str = """
        UPDATE entities SET password_uses = password_uses - 1, version = version + 1
        WHERE id = ?1 AND password_uses > 0"""  # noqa: S105 - SQL, no password
    password_uses: str = "SELECT password_uses FROM entities WHERE id = ?1"  # noqa: S105 - SQL, no password
    lock_entity: str = "SELECT 1 FROM entities WHERE id = ?1 {for_update}"
    entity: str = "SELECT {entity} FROM entities WHERE id = ?1"
    entity_by_reference: str = """
        SELECT {entity:e} FROM entity_references AS r JOIN entities AS e ON e.id = r.entity
        WHERE r.reference = ?1"""
    entity_by_identity: str = """
        SELECT {entity:e} FROM entity_identities AS i JOIN entities AS e ON e.id = i.entity
        WHERE i.kind = ?1 AND i.key = ?2 AND i.anchor = ?3"""
    entities_by_identity: str = """
        SELECT {entity:e} FROM entity_identities AS i JOIN entities AS e ON e.id = i.entity
        WHERE i.kind = ?1 AND i.key = ?2 ORDER BY i.anchor"""
    entities: str = """
        SELECT {entity} FROM entities
        WHERE id > ?1 AND (?2::text IS NULL OR {find}(id, ?2) > 0 OR {find}(lower(name), ?2) > 0
            OR {find}(reference_list, ?2) > 0 OR {find}(reference_list, ?3) > 0
            OR {find}(lower(identity_list), ?2) > 0)
        ORDER BY id LIMIT ?4"""

    # Certificates.
    add_certificate: str = """
        INSERT INTO certificates ({certificate}) VALUES ({certificate.values}) ON CONFLICT DO NOTHING"""
    certificate_state: str = """
        SELECT state, policy FROM certificates WHERE ca = ?1 AND serial = ?2 {for_update}"""
    set_certificate_state: str = """
        UPDATE certificates SET state = ?4, revoked = ?5, reason = ?6, held_by = ?7
        WHERE ca = ?1 AND serial = ?2 AND state = ?3"""
    assign_certificate: str = """
        UPDATE certificates SET entity = ?3 WHERE ca = ?1 AND serial = ?2
            AND (entity IS NULL OR entity NOT IN (SELECT id FROM entities WHERE id = certificates.entity))"""
    archive_certificate: str = """
        INSERT INTO archived_certificates ({certificate}) SELECT {certificate} FROM certificates
        WHERE ca = ?1 AND serial = ?2 AND not_after < ?3"""
    delete_certificate: str = "DELETE FROM certificates WHERE ca = ?1 AND serial = ?2"
    count_active: str = """
        SELECT count(*) FROM certificates
        WHERE entity = ?1 AND policy = ?2 AND state IN ('unconfirmed', 'active', 'on_hold') AND not_after > ?3
            AND (?4::text IS NULL OR ca <> ?4 OR serial <> ?5)"""
    certificate: str = "SELECT {certificate} FROM certificates WHERE ca = ?1 AND serial = ?2"
    certificates_by_key_id: str = """
        SELECT {certificate} FROM certificates WHERE key_id = ?1 ORDER BY number DESC LIMIT ?2"""
    holder: str = """
        SELECT {certificate:c}, {entity:e}
        FROM certificates AS c LEFT JOIN entities AS e ON e.id = c.entity
        WHERE c.ca = ?1 AND c.serial = ?2"""
    certificates: str = """
        SELECT {certificate}, number FROM certificates
        WHERE number > ?9 AND (?2::text IS NULL OR entity = ?2)
            AND (?6::bigint IS NULL OR not_after < ?6) AND (?7::bigint IS NULL OR not_after > ?7)
            AND {narrowed}
        ORDER BY number LIMIT ?10"""
    certificates_of_entity: str = """
        SELECT {certificate}, number FROM certificates
        WHERE entity = ?2 AND number > ?9
            AND (?6::bigint IS NULL OR not_after < ?6) AND (?7::bigint IS NULL OR not_after > ?7)
            AND {narrowed}
        ORDER BY number LIMIT ?10"""
    certificates_by_end: str = """
        SELECT {certificate}, number FROM certificates
        WHERE not_after < ?6 AND not_after >= coalesce(?7::bigint + 1, 0)
            AND (not_after, number) > (?10, ?9) AND (?2::text IS NULL OR entity = ?2)
            AND {narrowed}
        ORDER BY not_after, number LIMIT ?11"""
    archived_certificates: str = """
        SELECT {certificate}, number FROM archived_certificates WHERE number > ?1 ORDER BY number LIMIT ?2"""
    count_certificates: str = """
        INSERT INTO certificate_counts AS known (ca, policy, state, amount {backend})
        VALUES (?1, ?2, ?3, ?4 {this_backend})
        ON CONFLICT (ca, policy, state {backend}) DO UPDATE SET amount = known.amount + excluded.amount"""
    certificate_count_by_state: str = """
        SELECT state, sum(amount)::bigint FROM certificate_counts GROUP BY state"""
    certificate_count_by_policy: str = """
        SELECT policy, sum(amount)::bigint FROM certificate_counts GROUP BY policy"""
    certificate_count_by_ca: str = "SELECT ca, sum(amount)::bigint FROM certificate_counts GROUP BY ca"
    active_count_by_end: str = """
        SELECT count(*) FROM (
            SELECT 1 FROM certificates
            WHERE not_after > ?1 AND not_after < ?2 AND state = 'active' LIMIT ?3) AS found"""
    revoked: str = """
        SELECT serial, revoked, reason FROM certificates
        WHERE state IN ('on_hold', 'revoked', 'rejected') AND ca = ?1 AND serial > ?2 AND serial <= ?3
            AND not_after > ?4
        ORDER BY serial LIMIT ?5"""
    wrong_counts: str = """
        WITH noted AS (
                SELECT ca, policy, state, sum(amount)::bigint AS amount FROM certificate_counts
                GROUP BY ca, policy, state HAVING sum(amount) <> 0),
            found AS (SELECT ca, coalesce(policy, ''), state, count(*) FROM certificates GROUP BY 1, 2, 3)
        SELECT count(*) FROM (
            SELECT * FROM (SELECT * FROM noted EXCEPT SELECT * FROM found) AS too_many
            UNION ALL
            SELECT * FROM (SELECT * FROM found EXCEPT SELECT * FROM noted) AS too_few) AS wrong"""

    # CRLs.
    put_crl: str = """
        INSERT INTO crls ({crl}) VALUES ({crl.values})
        ON CONFLICT (ca, partition) DO UPDATE SET number = excluded.number, der = excluded.der,
            this_update = excluded.this_update, next_update = excluded.next_update
        WHERE excluded.number > crls.number"""
    crl: str = "SELECT {crl} FROM crls WHERE ca = ?1 AND partition = ?2"
    crl_heads: str = "SELECT {crl_head} FROM crls WHERE ca = ?1 ORDER BY partition"

    owe_crl: str = "INSERT INTO owed_crls (ca, serial) VALUES (?1, ?2)"
    owed_crls: str = "SELECT number, ca, serial FROM owed_crls ORDER BY number LIMIT ?1"
    owed_of: str = """
        SELECT number, ca, serial FROM owed_crls WHERE ca = ?1 AND serial > ?2 AND serial <= ?3
        ORDER BY number LIMIT ?4"""
    crl_number: str = """
        SELECT (SELECT number FROM crls WHERE ca = ?1 AND partition = ?2),
            EXISTS (SELECT 1 FROM owed_crls WHERE ca = ?1 AND serial > ?3 AND serial <= ?4)"""
    settle_crl: str = "DELETE FROM owed_crls WHERE number = ?1"

    # Transactions.
    request_state: str = """
        SELECT n.value, {transaction:t}, {certificate:c}, {entity:e}
        FROM counters AS n
            LEFT JOIN transactions AS t ON t.id = ?1
            LEFT JOIN certificates AS c ON c.ca = t.ca AND c.serial = t.serial
            LEFT JOIN entities AS e ON e.id = ?2
        WHERE n.name = 'configuration'"""
    open_transaction: str = """
        INSERT INTO transactions ({transaction}) VALUES ({transaction.values}) ON CONFLICT DO NOTHING"""
    advance_transaction: str = """
        UPDATE transactions SET {moving.settings}
        WHERE id = ?1 AND state = ?11 AND server_nonce = ?12 AND detail = coalesce(?13, detail)"""
    decide_transaction: str = """
        UPDATE transactions SET state = ?2, detail = ?3
        WHERE id = ?1 AND state = ?4 AND detail = ?5 AND expires >= ?6"""
    transaction: str = "SELECT {transaction} FROM transactions WHERE id = ?1"
    open_transactions: str = """
        SELECT {transaction} FROM transactions
        WHERE state <> 'closed' AND state = ?1 AND (expires, id) > (?2, ?3) ORDER BY expires, id LIMIT ?4"""
    open_transaction_count: str = """
        SELECT count(*) FROM (
            SELECT 1 FROM transactions WHERE state <> 'closed' AND state = ?1 LIMIT ?2) AS found"""
    closed_transactions: str = """
        SELECT {transaction} FROM transactions
        WHERE state = 'closed' AND state = ?1 AND (expires, id) > (?2, ?3) ORDER BY expires, id LIMIT ?4"""
    expired_transactions: str = """
        SELECT {transaction} FROM transactions
        WHERE state <> 'closed' AND expires < ?1 ORDER BY expires, id LIMIT ?2"""
    # Each by itself: SQLite looks up one least or greatest in the index, but reads the table for both.
    transaction_numbers: str = """
        SELECT (SELECT min(number) FROM transactions), (SELECT max(number) FROM transactions)"""
    remembered_count: str = "SELECT count(*) FROM transactions"
    transactions_by_party: str = """
        SELECT coalesce(entity, party), count(*), max(number) FROM (
            SELECT number, entity, party FROM transactions WHERE number > ?1 ORDER BY number LIMIT ?2) AS next
        GROUP BY 1"""
    forget_transactions: str = """
        DELETE FROM transactions WHERE id IN (
            SELECT id FROM transactions WHERE state = 'closed' AND expires < ?1
            ORDER BY expires, id LIMIT ?2)"""

    # Failed attempts to prove a secret. The counter's row lock, held until the commit, makes the order of
    # changes that of commits: who reads misses none.
    count_attempts_change: str = "UPDATE counters SET value = value + 1 WHERE name = 'attempts'"
    note_attempts: str = """
        INSERT INTO failed_attempts AS known ({attempts}, changed)
        VALUES (?1, {greatest}(0, ?2::bigint), ?3, ?4, ?5,
            (SELECT value FROM counters WHERE name = 'attempts'))
        ON CONFLICT (key) DO UPDATE SET
            failures = {greatest}(0, CASE WHEN known.last < ?6 THEN 0 ELSE known.failures END + ?2::bigint),
            last = ?3, turn = ?4, proved = {greatest}(known.proved, ?5), changed = excluded.changed"""
    forget_attempts: str = "DELETE FROM failed_attempts WHERE last < ?1"
    crowd_out_attempts: str = """
        DELETE FROM failed_attempts WHERE changed <= (
            SELECT changed FROM failed_attempts ORDER BY changed DESC LIMIT 1 OFFSET ?1)"""
    attempts: str = "SELECT {attempts}, changed FROM failed_attempts WHERE changed > ?1 ORDER BY changed"

    # Audit.
    audit_head: str = "SELECT sequence, hash FROM audit_heads WHERE chain = ?1 {for_update}"
    add_audit: str = "INSERT INTO audit ({audit}) VALUES ({audit.values})"
    put_audit_head: str = """
        INSERT INTO audit_heads ({audit_head}) VALUES ({audit_head.values})
        ON CONFLICT (chain) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash"""
    audit: str = """
        SELECT {audit} FROM audit
        WHERE (chain, sequence) > (?1, ?2) AND sequence > ?3 ORDER BY chain, sequence LIMIT ?4"""
    audit_of_chain: str = """
        SELECT {audit} FROM audit WHERE chain = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3"""
    audit_heads: str = "SELECT {audit_head} FROM audit_heads"

    # Readiness.
    probe: str = "UPDATE counters SET value = value + 1 WHERE name = 'probe'"


def statements(engine: Engine) -> Statements:
    """All of them as the engine takes them."""
    known: dict[str, str | Listed] = {word: Listed(columns) for word, columns in _LISTED.items()}
    known |= words(engine, DIFFERENCES)
    known["narrowed"] = _NARROWED.format_map(known)
    return Statements(
        **{field.name: rendered(engine, str(field.default), known) for field in fields(Statements)}
    )
