"""What becomes of certificates: prepared, added when an issuer gave them, confirmed, rejected, revoked, held.

Each act gives the changes that carry it out, its audit event among them; the caller commits them with its
own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from cryptography import x509

from cmpd.clm.issuance.prepare import PreparedCertificate, prepare
from cmpd.clm.model import Act, Certificate, CertificateState, Entity
from cmpd.clm.store.changes import AddCertificate, LimitActive, SetCertificateState, Unit, audited
from cmpd.reasons import REASONS

if TYPE_CHECKING:
    from cmpd.clm.authorities.authority import Authority
    from cmpd.clm.configuration.catalog import Catalog
    from cmpd.clm.issuance.certificate_request import CertificateRequest
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.clm.issuance.issuer import IssuedCertificate, Issuer
    from cmpd.clm.store.base import Store

ISSUED = (CertificateState.UNCONFIRMED, CertificateState.ACTIVE)
"""The states of a certificate that may still be revoked for good."""

REMOVE_FROM_CRL = REASONS["removeFromCRL"]
CERTIFICATE_HOLD = REASONS["certificateHold"]
SUPERSEDED = REASONS["superseded"]
CESSATION_OF_OPERATION = REASONS["cessationOfOperation"]


REVOKE = (
    (*ISSUED, CertificateState.ON_HOLD),
    CertificateState.REVOKED,
    "the certificate is revoked already",
)
STATES: dict[int, tuple[tuple[CertificateState, ...], CertificateState, str]] = {
    REMOVE_FROM_CRL: ((CertificateState.ON_HOLD,), CertificateState.ACTIVE, "the certificate is not on hold"),
    CERTIFICATE_HOLD: (
        (CertificateState.ACTIVE,),
        CertificateState.ON_HOLD,
        "the certificate is on hold or revoked already, or not confirmed yet",
    ),
}
"""CRLReason → the states it applies to, the one it leads to, and what is wrong in any other; every other
reason is as in `REVOKE`."""


class Requester(Protocol):
    """Who was granted something."""

    @property
    def actor(self) -> str:
        """How the audit names it."""

    @property
    def described(self) -> str:
        """The actor, and how it proved to be that."""


class AlreadyRevoked(Exception):
    """The certificate is revoked for good, or in the state that was asked for."""


class AlreadySuperseded(Exception):
    """Another key update of the same certificate was confirmed before."""


def check_revocable(record: Certificate, reason: int) -> None:
    """Raises AlreadyRevoked where CRLReason `reason` does not apply to the certificate's state."""
    expected, _, already = STATES.get(reason, REVOKE)
    if record.state not in expected:
        raise AlreadyRevoked(already)


class Certificates:
    """The certificates of all CAs, as acts change them."""

    def __init__(self, store: Store, catalog: Catalog, now: Callable[[], int]) -> None:
        """`now` gives seconds since the epoch."""
        self._store = store
        self._catalog = catalog
        self._now = now

    def prepare(
        self,
        compiled: CompiledPolicy,
        entity: Entity | None,
        request: CertificateRequest,
        *,
        now: int,
        serial: int,
        replaces: Certificate | None = None,
    ) -> PreparedCertificate:
        """The certificate that would be issued under a policy; nothing is signed. Raises RequestRefused."""
        replaced = x509.load_der_x509_certificate(replaces.der).subject if replaces else None
        return prepare(compiled, entity, request, now=now, serial=serial, replaced=replaced)

    def issuer(self, authority: Authority) -> Issuer:
        """Who issues for the CA."""
        return self._catalog.issuer_of(authority)

    def limit(
        self,
        compiled: CompiledPolicy,
        entity: Entity | None,
        prepared: PreparedCertificate,
        *,
        replaces: Certificate | None = None,
    ) -> Unit:
        """Where the policy bounds how many certificates an end entity may hold (``max_active``), what makes
        the commit conflict (``limit``) if this one were too many."""
        policy = compiled.policy
        if policy.max_active is None or entity is None:
            return ()
        # With short lives asked for, none would ever count: half a life is the most that does not.
        half = (prepared.not_after - prepared.not_before) // 2
        return (
            LimitActive(
                entity.id,
                policy.id,
                most=policy.max_active - 1,
                after=self._now() + min(policy.renewal_window or 0, half),
                excluding=(replaces.ca, replaces.serial) if replaces else None,
            ),
        )

    def add(
        self,
        issued: IssuedCertificate,
        *,
        policy: str,
        entity: str | None,
        replaces: tuple[str, int] | None,
        transaction: bytes,
        confirmed: bool,
        by: Requester,
    ) -> tuple[Certificate, Unit]:
        """(Its record, the changes that store it.) `policy`, `entity`: ids. `by`: who was granted it."""
        record = issued.record(
            entity=entity,
            policy=policy,
            transaction=transaction,
            state=CertificateState.ACTIVE if confirmed else CertificateState.UNCONFIRMED,
            issued=self._now(),
            replaces=replaces,
            requested_by=by.described,
        )
        event = audited(
            Act(by.actor, self._now()),
            "certificate.issue",
            name_of(record),
            subject=record.subject,
            policy=policy,
            confirmed=confirmed,
            entity=record.entity,
            by=by.described,
        )
        return record, (AddCertificate(record), event)

    async def confirm(self, compiled: CompiledPolicy | None, record: Certificate, *, by: Requester) -> Unit:
        """Accept an issued certificate; what it replaces goes as the policy says. Raises KeyUnavailable,
        IssuerUnavailable."""
        unconfirmed, active = (CertificateState.UNCONFIRMED,), CertificateState.ACTIVE
        return (
            SetCertificateState(record.ca, record.serial, record.policy, unconfirmed, active),
            audited(Act(by.actor, self._now()), "certificate.confirm", name_of(record), entity=record.entity),
            *(await self.retire_replaced(compiled, record)),
        )

    async def retire_replaced(self, compiled: CompiledPolicy | None, record: Certificate) -> Unit:
        """After a key update is confirmed: revoke the old certificate as superseded where the policy
        says so. Raises AlreadySuperseded where another key update did."""
        if record.replaces is None or compiled is None or compiled.policy.old_certificate != "revoke":
            return ()
        old = await self._store.certificate(*record.replaces)
        if old is not None and (old.state, old.reason) == (CertificateState.REVOKED, SUPERSEDED):
            raise AlreadySuperseded("the certificate was updated by another key update before")
        if old is None or old.state not in (*ISSUED, CertificateState.ON_HOLD):
            return ()
        return await self.revoke(old, SUPERSEDED, actor="cmpd")

    async def reject(self, record: Certificate, *, why: str, actor: str) -> Unit:
        """Take back a certificate that its requester refused or never confirmed. Raises KeyUnavailable,
        IssuerUnavailable."""
        await self._tell_issuer(record, CESSATION_OF_OPERATION)
        now = self._now()
        return (
            SetCertificateState(
                record.ca,
                record.serial,
                record.policy,
                (CertificateState.UNCONFIRMED,),
                CertificateState.REJECTED,
                revoked=now,
                reason=CESSATION_OF_OPERATION,
            ),
            audited(Act(actor, now), "certificate.reject", name_of(record), why=why),
        )

    async def revoke(self, record: Certificate, reason: int, *, actor: str, by: str = "") -> Unit:
        """Revoke, hold or release, as CRLReason `reason` says (RFC 5280, section 5.3.1). `by`: how the actor
        proved who it is, where that says more.

        Raises AlreadyRevoked where the state of the certificate does not admit it; KeyUnavailable,
        IssuerUnavailable.
        """
        check_revocable(record, reason)
        expected, state, _ = STATES.get(reason, REVOKE)
        await self._tell_issuer(record, reason)
        gone, now = state is not CertificateState.ACTIVE, self._now()
        verb = "certificate.release" if reason == REMOVE_FROM_CRL else "certificate.revoke"
        told = {"entity": record.entity} | ({"by": by} if by else {})
        return (
            SetCertificateState(
                record.ca,
                record.serial,
                record.policy,
                expected,
                state,
                revoked=now if gone else None,
                reason=reason if gone else None,
                held_by=actor if state is CertificateState.ON_HOLD else None,
            ),
            audited(Act(actor, now), verb, name_of(record), reason=reason, **told),
        )

    async def _tell_issuer(self, record: Certificate, reason: int) -> None:
        authority = await self._catalog.authority(record.ca)
        if authority is not None:
            await self.issuer(authority).revoke(record, reason)


def name_of(record: Certificate) -> str:
    """How a certificate is named in the audit: ``certificate:<ca>/<serial hex>``."""
    return f"certificate:{record.ca}/{record.serial:x}"
