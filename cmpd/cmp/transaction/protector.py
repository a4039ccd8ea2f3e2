"""Protection and encoding of responses (RFC 9810, section 5.1.3; RFC 9483, section 3.2).

A request whose MAC verified is answered under the same MAC: same algorithm, same parameters, so that
the key is derived once (RFC 9810, section 5.1.3.1). Everything else is signed by the CMP signer.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cmpd.cmp.parties.party import Party
from cmpd.cmp.protection.signature import signer_algorithm
from cmpd.cmp.wire import message as messages
from cmpd.cmp.wire.general_names import directory_name, null_dn
from cmpd.cmp.wire.message import CMP2021
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmpd.clm.authorities.authority import Authority
    from cmpd.cmp.transaction.exchange import HandlerResult

NONCE_OCTETS = 16


@quick_dataclass(frozen=True, slots=True)
class Addressing:
    """What a response's header takes from the request, as far as it was understood."""

    pvno: int = CMP2021
    recipient: bytes | None = None
    transaction_id: bytes | None = None
    recip_nonce: bytes | None = None
    sender_kid: bytes | None = None

    @classmethod
    def answering(cls, request: messages.Message) -> Addressing:
        header = request.header
        return cls(
            pvno=header.pvno if header.pvno in (2, 3) else CMP2021,
            recipient=header.sender,
            transaction_id=header.transaction_id,
            recip_nonce=header.sender_nonce,
            sender_kid=header.sender_kid,
        )


def respond(
    answer: HandlerResult,
    addressing: Addressing,
    party: Party,
    authority: Authority | None,
    *,
    now: int,
    random: Callable[[int], bytes],
) -> tuple[bytes, bytes]:
    """(DER of the response, its senderNonce). Unprotected only where no CA is there to sign."""
    nonce = random(NONCE_OCTETS)
    seal = _seal(addressing, party, authority)
    extra_certs = (*seal.extra_certs, *(der for der in answer.extra_certs if der not in seal.extra_certs))
    header = messages.encode_header(
        pvno=addressing.pvno,
        sender=directory_name(authority.signer.subject) if authority else null_dn(),
        recipient=addressing.recipient or null_dn(),
        message_time=now,
        protection_alg=seal.algorithm,
        sender_kid=seal.kid,
        transaction_id=addressing.transaction_id or random(NONCE_OCTETS),
        sender_nonce=nonce,
        recip_nonce=addressing.recip_nonce,
        general_info=answer.general_info,
    )
    body = messages.encode_body(answer.body, answer.content)
    protection = seal.sign(messages.protected_part(header, body)) if seal.sign else None
    return messages.encode(header, body, protection, extra_certs), nonce


@quick_dataclass(frozen=True, slots=True)
class _Seal:
    """How a response is protected."""

    algorithm: bytes | None = None
    kid: bytes | None = None
    sign: Callable[[bytes], bytes] | None = None
    extra_certs: tuple[bytes, ...] = ()


def _seal(addressing: Addressing, party: Party, authority: Authority | None) -> _Seal:
    if party.mac is not None:
        algorithm, key = party.mac.algorithm, party.mac.key
        return _Seal(algorithm.identifier, addressing.sender_kid, partial(algorithm.tag, key))
    if authority is None:
        return _Seal()
    signer = authority.signer
    identifier, sign = signer_algorithm(signer.key, party.signature)
    return _Seal(identifier, signer.key_id, sign, (signer.certificate_der, *issuing_chain(authority)))


def issuing_chain(authority: Authority) -> tuple[bytes, ...]:
    """The CA's certificate and those above it but the root (RFC 9483, section 3.3)."""
    path = (authority.certificate_der, *authority.chain)
    return path[:-1] if len(path) > 1 else path
