"""Whether the sender of a recorded request still stands: who was blocked, or whose certificate was revoked
since, gets nothing, and so not the recorded answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cmpd.clm.model import CertificateState, EntityState
from cmpd.cmp.parties.conditions import NOT_VERIFIED
from cmpd.cmp.protection.protection_certs import name_of
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.reasons import REASONS

if TYPE_CHECKING:
    from cmpd.clm.client import Client
    from cmpd.clm.model import Certificate, Transaction
    from cmpd.cmp.wire.message import Message

GONE: Final = (CertificateState.REVOKED, CertificateState.REJECTED, CertificateState.ON_HOLD)


async def check_sender(clm: Client, transaction: Transaction, request: Message) -> None:
    """Raises CMPFailure where the sender of what `transaction` recorded has been blocked or revoked since: as
    authentication would tell him."""
    if transaction.entity is not None:
        entity = await clm.credentials.entity(transaction.entity)
        if entity is None or entity.state is not EntityState.ACTIVE:
            if transaction.party.startswith("mac:"):
                raise CMPFailure(FailInfo.badMessageCheck, NOT_VERIFIED, detail="blocked")
            raise CMPFailure(
                FailInfo.notAuthorized, "the end entity is not allowed to do this", detail="blocked"
            )
    signer = await _signer(clm, transaction)
    if signer is not None and signer.state in GONE and not await _by_its_own(clm, transaction, signer):
        raise CMPFailure(FailInfo.certRevoked, "the protection certificate is revoked")
    for der in request.extra_certs if signer is None else ():
        if name_of(der) == transaction.party and await clm.revocations.is_revoked(der):
            raise CMPFailure(FailInfo.certRevoked, "the protection certificate is revoked")


async def _signer(clm: Client, transaction: Transaction) -> Certificate | None:
    return None if transaction.signer is None else await clm.issued.certificate(*transaction.signer)


async def _by_its_own(clm: Client, transaction: Transaction, signer: Certificate) -> bool:
    """Whether it was this transaction that revoked its signer, by rr or by replacing it."""
    if transaction.certificate is None:
        return False
    if transaction.certificate == (signer.ca, signer.serial):
        return True
    made = await clm.issued.certificate(*transaction.certificate)
    replaced = made is not None and made.replaces == (signer.ca, signer.serial)
    return replaced and signer.reason == REASONS["superseded"]
