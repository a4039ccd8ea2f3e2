"""The direct proof of possession by decryption: popdecc (RFC 9810, section 5.2.8.3.3)."""

from __future__ import annotations

from typing import Final

from cmpd.clm.model import TransactionState
from cmpd.cmp.cms import challenge
from cmpd.cmp.exchange import Answer, Exchange
from cmpd.cmp.message import Body
from cmpd.cmp.names import directory_name
from cmpd.cmp.wish import Wish

ANSWER: Final = "challenge"
"""Where a transaction's detail has the number that popdecr must bring back, in hexadecimal."""


def challenged(exchange: Exchange, wish: Wish) -> Answer:
    """popdecc for a request that could be granted: no certificate before the key is proved.

    Raises CMPFailure where the key cannot decrypt, or not in the request's version.
    """
    made = challenge.challenge(
        wish.request.public_key,
        wish.id,
        directory_name(exchange.served.authority.signer.subject),
        exchange.message.header.pvno,
        exchange.clm.random,
    )
    return Answer(
        Body.POPDECC,
        [made.content],
        state=TransactionState.CHALLENGED,
        expires=exchange.now + exchange.served.policy.confirm_wait,
        detail={ANSWER: f"{made.answer:x}"},
    )
