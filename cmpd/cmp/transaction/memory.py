"""What is remembered of a transaction between its messages, and for those who send one twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cmpd.clm.model import Transaction, TransactionState
from cmpd.clm.store.changes import AdvanceTransaction, OpenTransaction
from cmpd.cmp.parties.replay import signer_detail
from cmpd.cmp.transaction.admission import holder

if TYPE_CHECKING:
    from cmpd.cmp.transaction.exchange import Exchange, HandlerResult


def retransmitted(transaction: Transaction, digest: bytes) -> bytes | None:
    """The response there is already, where the request is one of the transaction's over again."""
    if digest == transaction.first_digest:
        return transaction.first_response
    if digest == transaction.last_digest:
        return transaction.last_response
    return None


def remember(
    exchange: Exchange,
    answer: HandlerResult,
    state: TransactionState,
    digest: bytes,
    response: bytes,
    nonce: bytes,
) -> OpenTransaction | AdvanceTransaction:
    """The change that makes later messages of the transaction find this one."""
    expires = answer.expires or exchange.now + exchange.settings.transaction_memory
    before = exchange.transaction
    certificate = answer.certificate
    if before is None:
        exchange.clm.room.begin(holder(exchange.party))
        waits = state in (TransactionState.WAITING, TransactionState.CHALLENGED)
        return OpenTransaction(
            Transaction(
                id=exchange.transaction_id,
                state=state,
                body=exchange.message.tag,
                party=exchange.party.name,
                policy=exchange.compiled.policy.id,
                entity=exchange.party.entity.id if exchange.party.entity else None,
                opened=exchange.now,
                expires=expires,
                first_digest=digest,
                first_response=response,
                last_digest=b"",
                last_response=b"",
                server_nonce=nonce,
                ca=certificate.ca if certificate else None,
                serial=certificate.serial if certificate else None,
                request=exchange.message.der if waits else None,
                detail=_detail(exchange, answer.detail or {}),
            )
        )
    after = replace(
        before,
        state=state,
        expires=expires,
        last_digest=digest,
        last_response=response,
        server_nonce=nonce,
        ca=certificate.ca if certificate else before.ca,
        serial=certificate.serial if certificate else before.serial,
        detail=before.detail if answer.detail is None else _detail(exchange, answer.detail),
    )
    return AdvanceTransaction(after, expected=before.state, expected_nonce=before.server_nonce)


def _detail(exchange: Exchange, detail: dict[str, Any]) -> dict[str, Any]:
    """What is remembered: what the handler says, what the policy was chosen by, and who signed."""
    profile = {"profile": exchange.profile} if exchange.profile else {}
    return detail | profile | signer_detail(exchange.party)
