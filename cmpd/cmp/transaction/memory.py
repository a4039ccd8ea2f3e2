"""What is remembered of a transaction between its messages, and for those who send one twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cmpd.clm.model import Transaction, TransactionRequest, TransactionState
from cmpd.clm.store.changes import AdvanceTransaction, OpenTransaction
from cmpd.cmp.transaction.admission import holder

if TYPE_CHECKING:
    from cmpd.cmp.transaction.exchange import Exchange, HandlerResult

BEING_ANSWERED = b""
"""The response to a message whose response is not there yet."""
KEEPING_THE_MESSAGE = (TransactionState.WAITING, TransactionState.CHALLENGED)


def retransmitted(transaction: Transaction, digest: bytes) -> bytes | None:
    """The response there is already, where the request is one of the transaction's over again;
    `BEING_ANSWERED` where it is not there yet."""
    if digest == transaction.last_digest:
        return transaction.last_response
    return transaction.first_response if digest == transaction.first_digest else None


def remember(
    exchange: Exchange, result: HandlerResult, state: TransactionState, response: bytes, nonce: bytes
) -> OpenTransaction | AdvanceTransaction:
    """The change that makes later messages of the transaction find this one."""
    expires = result.expires or exchange.now + exchange.settings.transaction_memory
    before = exchange.transaction
    if before is None:
        requests = result.requests or (TransactionRequest(0, state),)
        message = exchange.message.der if state in KEEPING_THE_MESSAGE else None
        return _opened(exchange, state, requests, expires, message, response, nonce)
    after = replace(
        before,
        state=state,
        expires=expires,
        last_digest=exchange.digest,
        last_response=response,
        server_nonce=nonce,
        requests=before.requests_in(state) if result.requests is None else result.requests,
    )
    # While it waits operators decide on it: what they decided is not to be written over.
    seen = before if before.state is TransactionState.WAITING else None
    return AdvanceTransaction(after, before.state, before.server_nonce, seen)


def claim(exchange: Exchange, cert_req_id: int) -> OpenTransaction | AdvanceTransaction:
    """The change by which this process, and no other, may ask the issuer for a certificate."""
    state, expires = TransactionState.ISSUING, exchange.now + exchange.compiled.policy.confirm_wait
    requests = (TransactionRequest(cert_req_id, state),)
    before = exchange.transaction
    if before is None:
        return _opened(exchange, state, requests, expires, exchange.message.der, BEING_ANSWERED, b"")
    after = replace(
        before,
        state=state,
        expires=expires,
        last_digest=exchange.digest,
        last_response=BEING_ANSWERED,
        requests=requests,
    )
    return AdvanceTransaction(after, expected=before.state, expected_nonce=before.server_nonce)


def _opened(
    exchange: Exchange,
    state: TransactionState,
    requests: tuple[TransactionRequest, ...],
    expires: int,
    message: bytes | None,
    response: bytes,
    nonce: bytes,
) -> OpenTransaction:
    party = exchange.party
    exchange.clm.quota.begin(holder(party))
    signer = party.record
    transaction = Transaction(
        id=exchange.transaction_id,
        state=state,
        body=exchange.message.tag,
        party=party.name,
        policy=exchange.compiled.policy.id,
        entity=party.entity.id if party.entity else None,
        opened=exchange.now,
        expires=expires,
        first_digest=exchange.digest,
        first_response=response,
        last_digest=b"",
        last_response=b"",
        server_nonce=nonce,
        requests=requests,
        message=message,
        profile=exchange.profile,
        signer=(signer.ca, signer.serial) if signer else None,
    )
    return OpenTransaction(transaction)
