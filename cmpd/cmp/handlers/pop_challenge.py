"""The direct proof of possession by decryption: popdecc (RFC 9810, section 5.2.8.3.3)."""

from __future__ import annotations

from cmpd.clm.model import Challenge, TransactionRequest, TransactionState
from cmpd.cmp.cms import challenge
from cmpd.cmp.requests.cert_request import CertRequest
from cmpd.cmp.transaction.exchange import Exchange, HandlerResult
from cmpd.cmp.wire.general_names import directory_name
from cmpd.cmp.wire.message import Body


def challenged(exchange: Exchange, cert_request: CertRequest) -> HandlerResult:
    """popdecc for a request that could be granted: no certificate before the key is proved.

    Raises CMPFailure where the key cannot decrypt, or not in the request's version.
    """
    made = challenge.challenge(
        cert_request.request.public_key,
        cert_request.id,
        directory_name(exchange.compiled.authority.signer.subject),
        exchange.message.header.pvno,
        exchange.clm.random,
    )
    state = TransactionState.CHALLENGED
    return HandlerResult(
        Body.POPDECC,
        [made.content],
        state=state,
        expires=exchange.now + exchange.compiled.policy.confirm_wait,
        requests=(TransactionRequest(cert_request.id, state, None, Challenge(made.answer)),),
    )
