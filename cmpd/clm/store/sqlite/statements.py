"""All SQL that runs on SQLite while it serves. Tables and indexes are in `schema`."""

from __future__ import annotations

from cmpd.clm.store.statements import Statements

SQLITE = Statements(
    add_object="""
        INSERT INTO objects (kind, id, name, document, version) VALUES (?1, ?2, ?3, ?4, 1)
        ON CONFLICT DO NOTHING""",
    update_object="""
        UPDATE objects SET name = ?3, document = ?4, version = version + 1
        WHERE kind = ?1 AND id = ?2 AND version = ?5""",
    delete_object="DELETE FROM objects WHERE kind = ?1 AND id = ?2 AND version = ?3",
    object_holding_name="SELECT id FROM objects WHERE kind = ?1 AND name = ?2 AND id <> ?3",
    count_configuration_change="UPDATE counters SET value = value + 1 WHERE name = 'configuration'",
    change_counter="SELECT value FROM counters WHERE name = 'configuration'",
    objects="SELECT kind, id, name, document, version FROM objects WHERE kind = ?1 ORDER BY name",
    object="""
        SELECT kind, id, name, document, version FROM objects
        WHERE kind = ?1 AND (id = ?2 OR name = ?2) ORDER BY id = ?2 DESC LIMIT 1""",
    add_entity="""
        INSERT INTO entities (id, name, state, password, password_expires, password_uses, policies,
            reference_list, identity_list, attributes, created, version)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1) ON CONFLICT DO NOTHING""",
    update_entity="""
        UPDATE entities SET name = ?2, state = ?3, password = ?4, password_expires = ?5, password_uses = ?6,
            policies = ?7, reference_list = ?8, identity_list = ?9, attributes = ?10, created = ?11,
            version = version + 1
        WHERE id = ?1 AND version = ?12""",
    delete_entity="DELETE FROM entities WHERE id = ?1 AND version = ?2",
    add_reference="""
        INSERT INTO entity_references (reference, entity) VALUES (?1, ?2) ON CONFLICT DO NOTHING""",
    add_identity="""
        INSERT INTO entity_identities (kind, key, anchor, entity) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO NOTHING""",
    delete_references="DELETE FROM entity_references WHERE entity = ?1",
    delete_identities="DELETE FROM entity_identities WHERE entity = ?1",
    use_password="""
        UPDATE entities SET password_uses = password_uses - 1, version = version + 1
        WHERE id = ?1 AND password_uses > 0""",  # noqa: S106 - SQL, no password
    password_uses="SELECT password_uses FROM entities WHERE id = ?1",  # noqa: S106 - SQL, no password
    # One writer at a time: who writes holds every lock there is.
    lock_entity="SELECT 1 FROM entities WHERE id = ?1",
    entity="""
        SELECT id, name, state, password, password_expires, password_uses, policies, reference_list,
            identity_list, attributes, created, version
        FROM entities WHERE id = ?1""",
    entity_by_reference="""
        SELECT e.id, e.name, e.state, e.password, e.password_expires, e.password_uses, e.policies,
            e.reference_list, e.identity_list, e.attributes, e.created, e.version
        FROM entity_references AS r JOIN entities AS e ON e.id = r.entity WHERE r.reference = ?1""",
    entity_by_identity="""
        SELECT e.id, e.name, e.state, e.password, e.password_expires, e.password_uses, e.policies,
            e.reference_list, e.identity_list, e.attributes, e.created, e.version
        FROM entity_identities AS i JOIN entities AS e ON e.id = i.entity
        WHERE i.kind = ?1 AND i.key = ?2 AND i.anchor = ?3""",
    entities_by_identity="""
        SELECT e.id, e.name, e.state, e.password, e.password_expires, e.password_uses, e.policies,
            e.reference_list, e.identity_list, e.attributes, e.created, e.version
        FROM entity_identities AS i JOIN entities AS e ON e.id = i.entity
        WHERE i.kind = ?1 AND i.key = ?2 ORDER BY i.anchor""",
    entities="""
        SELECT id, name, state, password, password_expires, password_uses, policies, reference_list,
            identity_list, attributes, created, version
        FROM entities
        WHERE id > ?1 AND (?2 IS NULL OR instr(id, ?2) OR instr(lower(name), ?2)
            OR instr(reference_list, ?2) OR instr(reference_list, ?3) OR instr(lower(identity_list), ?2))
        ORDER BY id LIMIT ?4""",
    add_certificate="""
        INSERT INTO certificates (ca, serial, der, subject, not_before, not_after, key_id, key_hash, entity,
            policy, transaction_id, state, issued, revoked, reason, replaces_ca,
            replaces_serial, requested_by, held_by)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
            ?18, ?19)
        ON CONFLICT DO NOTHING""",
    certificate_standing="SELECT state, policy FROM certificates WHERE ca = ?1 AND serial = ?2",
    move_certificate="""
        UPDATE certificates SET state = ?4, revoked = ?5, reason = ?6, held_by = ?7
        WHERE ca = ?1 AND serial = ?2 AND state = ?3""",
    assign_certificate="""
        UPDATE certificates SET entity = ?3 WHERE ca = ?1 AND serial = ?2
            AND (entity IS NULL OR entity NOT IN (SELECT id FROM entities WHERE id = certificates.entity))""",
    archive_certificate="""
        INSERT INTO archived_certificates (ca, serial, der, subject, not_before, not_after, key_id, key_hash,
            entity, policy, transaction_id, state, issued, revoked, reason, replaces_ca,
            replaces_serial, requested_by, held_by)
        SELECT ca, serial, der, subject, not_before, not_after, key_id, key_hash, entity, policy,
            transaction_id, state, issued, revoked, reason, replaces_ca,
            replaces_serial, requested_by, held_by
        FROM certificates WHERE ca = ?1 AND serial = ?2 AND not_after < ?3""",
    delete_certificate="DELETE FROM certificates WHERE ca = ?1 AND serial = ?2",
    count_active="""
        SELECT count(*) FROM certificates
        WHERE entity = ?1 AND policy = ?2 AND state IN ('unconfirmed', 'active') AND not_after > ?3
            AND (?4 IS NULL OR ca <> ?4 OR serial <> ?5)""",
    certificate="""
        SELECT ca, serial, der, subject, not_before, not_after, key_id, key_hash, entity, policy,
            transaction_id, state, issued, revoked, reason, replaces_ca,
            replaces_serial, requested_by, held_by
        FROM certificates WHERE ca = ?1 AND serial = ?2""",
    certificates_by_key_id="""
        SELECT ca, serial, der, subject, not_before, not_after, key_id, key_hash, entity, policy,
            transaction_id, state, issued, revoked, reason, replaces_ca,
            replaces_serial, requested_by, held_by
        FROM certificates WHERE key_id = ?1 ORDER BY number DESC LIMIT ?2""",
    holder="""
        SELECT c.ca, c.serial, c.der, c.subject, c.not_before, c.not_after, c.key_id, c.key_hash, c.entity,
            c.policy, c.transaction_id, c.state, c.issued, c.revoked, c.reason, c.replaces_ca,
            c.replaces_serial, c.requested_by, c.held_by,
            e.id, e.name, e.state, e.password, e.password_expires, e.password_uses, e.policies,
            e.reference_list, e.identity_list, e.attributes, e.created, e.version
        FROM certificates AS c LEFT JOIN entities AS e ON e.id = c.entity
        WHERE c.ca = ?1 AND c.serial = ?2""",
    certificates="""
        SELECT ca, serial, der, subject, not_before, not_after, key_id, key_hash, entity, policy,
            transaction_id, state, issued, revoked, reason, replaces_ca,
            replaces_serial, requested_by, held_by, number
        FROM certificates
        WHERE (?1 IS NULL OR ca = ?1) AND (?2 IS NULL OR entity = ?2) AND (?3 IS NULL OR policy = ?3)
            AND (?4 IS NULL OR instr(?4, ',' || state || ',')) AND (?5 IS NULL OR instr(lower(subject), ?5))
            AND (?6 IS NULL OR not_after < ?6) AND (?7 IS NULL OR not_after > ?7)
            AND (?8 IS NULL OR issued > ?8) AND number > ?9
        ORDER BY number LIMIT ?10""",
    certificates_of_entity="""
        SELECT ca, serial, der, subject, not_before, not_after, key_id, key_hash, entity, policy,
            transaction_id, state, issued, revoked, reason, replaces_ca,
            replaces_serial, requested_by, held_by, number
        FROM certificates
        WHERE entity = ?2 AND (?1 IS NULL OR ca = ?1) AND (?3 IS NULL OR policy = ?3)
            AND (?4 IS NULL OR instr(?4, ',' || state || ',')) AND (?5 IS NULL OR instr(lower(subject), ?5))
            AND (?6 IS NULL OR not_after < ?6) AND (?7 IS NULL OR not_after > ?7)
            AND (?8 IS NULL OR issued > ?8) AND number > ?9
        ORDER BY number LIMIT ?10""",
    certificates_by_end="""
        SELECT ca, serial, der, subject, not_before, not_after, key_id, key_hash, entity, policy,
            transaction_id, state, issued, revoked, reason, replaces_ca,
            replaces_serial, requested_by, held_by, number
        FROM certificates
        WHERE not_after < ?6 AND not_after >= coalesce(?7 + 1, 0) AND (not_after, number) > (?10, ?9)
            AND (?1 IS NULL OR ca = ?1) AND (?2 IS NULL OR entity = ?2) AND (?3 IS NULL OR policy = ?3)
            AND (?4 IS NULL OR instr(?4, ',' || state || ',')) AND (?5 IS NULL OR instr(lower(subject), ?5))
            AND (?8 IS NULL OR issued > ?8)
        ORDER BY not_after, number LIMIT ?11""",
    archived_certificates="""
        SELECT ca, serial, der, subject, not_before, not_after, key_id, key_hash, entity, policy,
            transaction_id, state, issued, revoked, reason, replaces_ca,
            replaces_serial, requested_by, held_by, number
        FROM archived_certificates WHERE number > ?1 ORDER BY number LIMIT ?2""",
    count_certificates="""
        INSERT INTO certificate_counts (ca, policy, state, amount) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (ca, policy, state) DO UPDATE SET amount = amount + excluded.amount""",
    certificate_count_by_state="SELECT state, sum(amount) FROM certificate_counts GROUP BY state",
    certificate_count_by_policy="SELECT policy, sum(amount) FROM certificate_counts GROUP BY policy",
    certificate_count_by_ca="SELECT ca, sum(amount) FROM certificate_counts GROUP BY ca",
    active_count_by_end="""
        SELECT count(*) FROM (
            SELECT 1 FROM certificates
            WHERE not_after > ?1 AND not_after < ?2 AND state = 'active' LIMIT ?3)""",
    revoked="""
        SELECT serial, revoked, reason FROM certificates
        WHERE state IN ('on_hold', 'revoked', 'rejected') AND ca = ?1 AND serial > ?2 AND serial <= ?3
            AND not_after > ?4
        ORDER BY serial LIMIT ?5""",
    put_crl="""
        INSERT INTO crls (ca, partition, number, der, this_update, next_update)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (ca, partition) DO UPDATE SET number = excluded.number, der = excluded.der,
            this_update = excluded.this_update, next_update = excluded.next_update
        WHERE excluded.number > crls.number""",
    crl="""
        SELECT ca, partition, number, der, this_update, next_update FROM crls
        WHERE ca = ?1 AND partition = ?2""",
    crl_heads="""
        SELECT partition, number, this_update, next_update, length(der) FROM crls
        WHERE ca = ?1 ORDER BY partition""",
    outset="""
        SELECT n.value,
            t.id, t.state, t.body, t.party, t.policy, t.entity, t.opened, t.expires, t.first_digest,
            t.first_response, t.last_digest, t.last_response, t.server_nonce, t.ca, t.serial, t.request,
            t.detail,
            c.ca, c.serial, c.der, c.subject, c.not_before, c.not_after, c.key_id, c.key_hash, c.entity,
            c.policy, c.transaction_id, c.state, c.issued, c.revoked, c.reason, c.replaces_ca,
            c.replaces_serial, c.requested_by, c.held_by,
            e.id, e.name, e.state, e.password, e.password_expires, e.password_uses, e.policies,
            e.reference_list, e.identity_list, e.attributes, e.created, e.version
        FROM counters AS n
            LEFT JOIN transactions AS t ON t.id = ?1
            LEFT JOIN certificates AS c ON c.ca = t.ca AND c.serial = t.serial
            LEFT JOIN entities AS e ON e.id = ?2
        WHERE n.name = 'configuration'""",
    open_transaction="""
        INSERT INTO transactions (id, state, body, party, policy, entity, opened, expires, first_digest,
            first_response, last_digest, last_response, server_nonce, ca, serial, request, detail)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
        ON CONFLICT DO NOTHING""",
    advance_transaction="""
        UPDATE transactions SET state = ?2, expires = ?3, last_digest = ?4, last_response = ?5,
            server_nonce = ?6, ca = ?7, serial = ?8, request = ?9, detail = ?10
        WHERE id = ?1 AND state = ?11 AND server_nonce = ?12 AND detail = coalesce(?13, detail)""",
    transaction="""
        SELECT id, state, body, party, policy, entity, opened, expires, first_digest, first_response,
            last_digest, last_response, server_nonce, ca, serial, request, detail
        FROM transactions WHERE id = ?1""",
    open_transactions="""
        SELECT id, state, body, party, policy, entity, opened, expires, first_digest, first_response,
            last_digest, last_response, server_nonce, ca, serial, request, detail
        FROM transactions
        WHERE state <> 'closed' AND state = ?1 AND (expires, id) > (?2, ?3) ORDER BY expires, id LIMIT ?4""",
    open_transaction_count="""
        SELECT count(*) FROM (
            SELECT 1 FROM transactions WHERE state <> 'closed' AND state = ?1 LIMIT ?2)""",
    closed_transactions="""
        SELECT id, state, body, party, policy, entity, opened, expires, first_digest, first_response,
            last_digest, last_response, server_nonce, ca, serial, request, detail
        FROM transactions
        WHERE state = 'closed' AND state = ?1 AND (expires, id) > (?2, ?3) ORDER BY expires, id LIMIT ?4""",
    expired_transactions="""
        SELECT id, state, body, party, policy, entity, opened, expires, first_digest, first_response,
            last_digest, last_response, server_nonce, ca, serial, request, detail
        FROM transactions WHERE state <> 'closed' AND expires < ?1 ORDER BY expires, id LIMIT ?2""",
    # Each by itself: SQLite looks up one least or greatest in the index, but reads the table for both.
    transaction_numbers="""
        SELECT (SELECT min(number) FROM transactions), (SELECT max(number) FROM transactions)""",
    remembered_count="SELECT count(*) FROM transactions",
    transactions_by_party="""
        SELECT coalesce(entity, party), count(*), max(number) FROM (
            SELECT number, entity, party FROM transactions WHERE number > ?1 ORDER BY number LIMIT ?2)
        GROUP BY 1""",
    forget_transactions="""
        DELETE FROM transactions WHERE id IN (
            SELECT id FROM transactions WHERE state = 'closed' AND expires < ?1
            ORDER BY expires, id LIMIT ?2)""",
    count_attempts_change="UPDATE counters SET value = value + 1 WHERE name = 'attempts'",
    note_attempts="""
        INSERT INTO failed_attempts (key, failures, last, turn, proved, changed)
        VALUES (?1, max(0, ?2), ?3, ?4, ?5, (SELECT value FROM counters WHERE name = 'attempts'))
        ON CONFLICT (key) DO UPDATE SET
            failures = max(0, CASE WHEN last < ?6 THEN 0 ELSE failures END + ?2),
            last = ?3, turn = ?4, proved = max(proved, ?5), changed = excluded.changed""",
    forget_attempts="DELETE FROM failed_attempts WHERE last < ?1",
    crowd_out_attempts="""
        DELETE FROM failed_attempts WHERE changed <= (
            SELECT changed FROM failed_attempts ORDER BY changed DESC LIMIT 1 OFFSET ?1)""",
    attempts="""
        SELECT key, failures, last, turn, proved, changed FROM failed_attempts
        WHERE changed > ?1 ORDER BY changed""",
    audit_head="SELECT sequence, hash FROM audit_heads WHERE chain = ?1",
    add_audit="""
        INSERT INTO audit (chain, sequence, time, actor, action, subject, outcome, detail, hash)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)""",
    put_audit_head="""
        INSERT INTO audit_heads (chain, sequence, hash) VALUES (?1, ?2, ?3)
        ON CONFLICT (chain) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash""",
    audit="""
        SELECT chain, sequence, time, actor, action, subject, outcome, detail, hash FROM audit
        WHERE (chain, sequence) > (?1, ?2) AND sequence > ?3 ORDER BY chain, sequence LIMIT ?4""",
    audit_of_chain="""
        SELECT chain, sequence, time, actor, action, subject, outcome, detail, hash FROM audit
        WHERE chain = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3""",
    audit_heads="SELECT chain, sequence, hash FROM audit_heads",
    probe="UPDATE counters SET value = value + 1 WHERE name = 'probe'",
)

WRONG_COUNTS = """
    WITH noted AS (SELECT ca, policy, state, amount FROM certificate_counts WHERE amount <> 0),
        found AS (SELECT ca, coalesce(policy, ''), state, count(*) FROM certificates GROUP BY 1, 2, 3)
    SELECT count(*) FROM (
        SELECT * FROM (SELECT * FROM noted EXCEPT SELECT * FROM found)
        UNION ALL
        SELECT * FROM (SELECT * FROM found EXCEPT SELECT * FROM noted))"""
"""How many counts of certificates do not fit the certificates."""
