"""The tables as a copy sees them: what to read in which order, and how each engine takes it in.

Only what cannot be made anew is copied; row numbers, counts of certificates, commit tokens and the change
counter belong to the store they are in.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """One table, in an order that both engines agree on."""

    name: str
    count: str
    select: str
    """For both engines."""
    insert: str
    """For SQLite."""
    copy: str
    """For PostgreSQL."""
    afterwards: str | None = None
    """For both engines: what follows from the rows."""


COUNT_CERTIFICATES = """
    INSERT INTO certificate_counts (ca, policy, state, amount)
    SELECT ca, coalesce(policy, ''), state, count(*) FROM certificates GROUP BY 1, 2, 3"""
"""Of a store that has none counted yet, for both engines."""

TABLES = (
    Table(
        "objects",
        "SELECT count(*) FROM objects",
        "SELECT kind, id, name, document, version FROM objects ORDER BY kind, id",
        "INSERT INTO objects (kind, id, name, document, version) VALUES (?, ?, ?, ?, ?)",
        "COPY objects (kind, id, name, document, version) FROM STDIN",
    ),
    Table(
        "entities",
        "SELECT count(*) FROM entities",
        """
        SELECT id, name, state, password, password_expires, password_uses, policies, reference_list,
            identity_list, attributes, created, version
        FROM entities ORDER BY id""",
        """
        INSERT INTO entities (id, name, state, password, password_expires, password_uses, policies,
            reference_list, identity_list, attributes, created, version)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        """
        COPY entities (id, name, state, password, password_expires, password_uses, policies,
            reference_list, identity_list, attributes, created, version) FROM STDIN""",
    ),
    Table(
        "entity_references",
        "SELECT count(*) FROM entity_references",
        "SELECT reference, entity FROM entity_references ORDER BY reference",
        "INSERT INTO entity_references (reference, entity) VALUES (?, ?)",
        "COPY entity_references (reference, entity) FROM STDIN",
    ),
    Table(
        "entity_identities",
        "SELECT count(*) FROM entity_identities",
        "SELECT kind, key, anchor, entity FROM entity_identities ORDER BY kind, key, anchor",
        "INSERT INTO entity_identities (kind, key, anchor, entity) VALUES (?, ?, ?, ?)",
        "COPY entity_identities (kind, key, anchor, entity) FROM STDIN",
    ),
    Table(
        "certificates",
        "SELECT count(*) FROM certificates",
        """
        SELECT ca, serial, der, subject, not_before, not_after, key_id, key_hash, entity, policy,
            transaction_id, state, issued, revoked, reason, replaces_ca, replaces_serial, requested_by,
            held_by
        FROM certificates ORDER BY number""",
        """
        INSERT INTO certificates (ca, serial, der, subject, not_before, not_after, key_id,
            key_hash, entity, policy, transaction_id, state, issued, revoked, reason, replaces_ca,
            replaces_serial, requested_by,
            held_by)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        """
        COPY certificates (ca, serial, der, subject, not_before, not_after, key_id, key_hash,
            entity, policy, transaction_id, state, issued, revoked, reason, replaces_ca, replaces_serial,
            requested_by, held_by)
        FROM STDIN""",
        COUNT_CERTIFICATES,
    ),
    Table(
        "archived_certificates",
        "SELECT count(*) FROM archived_certificates",
        """
        SELECT ca, serial, der, subject, not_before, not_after, key_id, key_hash, entity, policy,
            transaction_id, state, issued, revoked, reason, replaces_ca, replaces_serial, requested_by,
            held_by
        FROM archived_certificates ORDER BY number""",
        """
        INSERT INTO archived_certificates (ca, serial, der, subject, not_before, not_after, key_id, key_hash,
            entity, policy, transaction_id, state, issued, revoked, reason, replaces_ca, replaces_serial,
            requested_by, held_by)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        """
        COPY archived_certificates (ca, serial, der, subject, not_before, not_after, key_id,
            key_hash, entity, policy, transaction_id, state, issued, revoked, reason, replaces_ca,
            replaces_serial, requested_by,
            held_by) FROM STDIN""",
    ),
    Table(
        "crls",
        "SELECT count(*) FROM crls",
        "SELECT ca, partition, number, der, this_update, next_update FROM crls ORDER BY ca, partition",
        """
        INSERT INTO crls (ca, partition, number, der, this_update, next_update)
        VALUES (?, ?, ?, ?, ?, ?)""",
        "COPY crls (ca, partition, number, der, this_update, next_update) FROM STDIN",
    ),
    Table(
        "transactions",
        "SELECT count(*) FROM transactions",
        """
        SELECT id, state, body, party, policy, entity, opened, expires, first_digest, first_response,
            last_digest, last_response, server_nonce, ca, serial, request, detail
        FROM transactions ORDER BY id""",
        """
        INSERT INTO transactions (id, state, body, party, policy, entity, opened, expires, first_digest,
            first_response, last_digest, last_response, server_nonce, ca, serial, request, detail)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        """
        COPY transactions (id, state, body, party, policy, entity, opened, expires, first_digest,
            first_response, last_digest, last_response, server_nonce, ca, serial, request, detail)
        FROM STDIN""",
    ),
    Table(
        "audit",
        "SELECT count(*) FROM audit",
        """
        SELECT chain, sequence, time, actor, action, subject, outcome, detail, hash
        FROM audit ORDER BY chain, sequence""",
        """
        INSERT INTO audit (chain, sequence, time, actor, action, subject, outcome, detail, hash)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        "COPY audit (chain, sequence, time, actor, action, subject, outcome, detail, hash) FROM STDIN",
    ),
    Table(
        "audit_heads",
        "SELECT count(*) FROM audit_heads",
        "SELECT chain, sequence, hash FROM audit_heads ORDER BY chain",
        "INSERT INTO audit_heads (chain, sequence, hash) VALUES (?, ?, ?)",
        "COPY audit_heads (chain, sequence, hash) FROM STDIN",
    ),
)
