"""What an engine must be able to say in its own SQL: one named statement for each read and write.

The engines differ in dialect, not in what they do: each gives its statements in one place, and the
effects of changes (`effects`), the reads (`reading`) and the records (`rows`) are written once.
A statement takes its parameters by position, numbered in the order in which the caller gives them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statements:
    """The SQL of one engine. Writes report how many rows they touched; a clash on insert touches none."""

    # Configuration documents.
    add_object: str
    update_object: str
    delete_object: str
    object_holding_name: str
    count_configuration_change: str
    change_counter: str
    objects: str
    object: str

    # End entities, and the two tables that keep references and identities unique.
    add_entity: str
    update_entity: str
    delete_entity: str
    add_reference: str
    add_identity: str
    delete_references: str
    delete_identities: str
    use_password: str
    password_uses: str
    lock_entity: str
    entity: str
    entity_by_reference: str
    entity_by_identity: str
    entities_by_identity: str
    entities: str

    # Certificates.
    add_certificate: str
    certificate_standing: str
    move_certificate: str
    assign_certificate: str
    archive_certificate: str
    delete_certificate: str
    count_active: str
    certificate: str
    certificates_by_key_id: str
    holder: str
    certificates: str
    certificates_of_entity: str
    certificates_by_end: str
    archived_certificates: str
    count_certificates: str
    certificate_count_by_state: str
    certificate_count_by_policy: str
    certificate_count_by_ca: str
    active_count_by_end: str
    revoked: str

    # CRLs.
    put_crl: str
    crl: str
    crl_heads: str

    # Transactions.
    outset: str
    open_transaction: str
    advance_transaction: str
    transaction: str
    open_transactions: str
    open_transaction_count: str
    closed_transactions: str
    expired_transactions: str
    transaction_numbers: str
    remembered_count: str
    transactions_by_party: str
    forget_transactions: str

    # Failed attempts to prove a secret.
    count_attempts_change: str
    note_attempts: str
    forget_attempts: str
    crowd_out_attempts: str
    attempts: str

    # Audit.
    audit_head: str
    add_audit: str
    put_audit_head: str
    audit: str
    audit_of_chain: str
    audit_heads: str

    # Readiness.
    probe: str
