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
    from cmpd.cmp.parties.party import Party
    from cmpd.cmp.wire.message import Message

SIGNER: Final = "signer"
"""Where a transaction's detail has the certificate, issued here, that protected its first message."""
GONE: Final = (CertificateState.REVOKED, CertificateState.REJECTED, CertificateState.ON_HOLD)


def signer_detail(party: Party) -> dict[str, list[str]]:
    """What a transaction remembers of who signed its first message."""
    if party.record is None:
        return {}
    return {SIGNER: [party.record.ca, f"{party.record.serial:x}"]}


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
    named = transaction.detail.get(SIGNER)
    if named is None:
        return None
    ca, serial = named
    return await clm.issued.certificate(ca, int(serial, 16))


async def _by_its_own(clm: Client, transaction: Transaction, signer: Certificate) -> bool:
    """Whether it was this transaction that revoked its signer, by rr or by replacing it."""
    if transaction.ca is None or transaction.serial is None:
        return False
    if (transaction.ca, transaction.serial) == (signer.ca, signer.serial):
        return True
    made = await clm.issued.certificate(transaction.ca, transaction.serial)
    replaced = made is not None and made.replaces == (signer.ca, signer.serial)
    return replaced and signer.reason == REASONS["superseded"]
