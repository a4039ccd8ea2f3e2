"""Who protected a message, and whether it is what they sent (RFC 9483, sections 3.2 and 3.5).

Everything that turns a message's protection into a `Party` is here: the shared secret behind a MAC, or
the certificate behind a signature and the trust in it. What the party may do is for the handlers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.rules.registration import RegistrationAuthority, is_ra
from cmpd.clm.imported_crls.revocations import Revoked, StatusUnknown
from cmpd.clm.model import Certificate, CertificateState, Entity, EntityState
from cmpd.clm.pkix import paths
from cmpd.clm.pkix.unreadable import UNREADABLE, read_certificate
from cmpd.cmp import protection
from cmpd.cmp.parties import grants
from cmpd.cmp.parties.conditions import NOT_TRUSTED, NOT_VERIFIED
from cmpd.cmp.parties.party import NOBODY, Capacity, MacKey, Party
from cmpd.cmp.protection import mac, protection_certs, signature
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from cmpd.clm.client import Client
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.cmp.wire.message import Algorithm, Message

MOST_EXTRA_CERTS = 32
"""Certificates a message may carry; more is refused before any is parsed."""
MOST_CANDIDATES = 3
"""Certificates that may stand for one senderKID; each costs a signature check."""
ACTIVE = CertificateState.ACTIVE

Derive = Callable[[mac.MacAlgorithm, bytes], Awaitable[bytes]]
"""Derives a MAC key, away from the event loop where that takes long."""


@quick_dataclass(frozen=True, slots=True)
class Protection:
    """A message's protection, complete (RFC 9810, section 5.1.3)."""

    algorithm: Algorithm
    value: bytes
    data: bytes
    """DER of the ProtectedPart."""

    @classmethod
    def of(cls, message: Message) -> Protection:
        """Raises CMPFailure where a part of it is missing."""
        algorithm = message.header.protection_alg
        if algorithm is None or message.protection is None:
            missing = "protectionAlg" if algorithm is None else "protection"
            raise CMPFailure(FailInfo.badMessageCheck, f"{missing} is missing")
        return cls(algorithm, message.protection, message.protected_part)


NO_POLICY = Policy(ca="", template="")
"""Stands where the address names no policy: it trusts nobody but holders of certificates issued here."""


@quick_dataclass(frozen=True, slots=True)
class Context:
    """What authentication goes by, beside the message."""

    compiled: CompiledPolicy | None
    """The policy that was chosen; None: there is none of that identifier."""
    by_default: bool = True
    """Whether nothing named it: of a policy that somebody names nothing is told before he may use it."""
    named: Entity | None = None
    """The end entity whose UUID the senderKID is."""
    basic: Entity | None = None
    """The end entity that HTTP Basic authentication speaks for."""
    expected: str | None = None
    """The party that began the transaction; None for a first message."""
    peer: str = ""
    """Where the message came from."""
    anchors: Sequence[x509.Certificate] = ()
    """Those of all policies: they stand between where the policy does not have them, so that a path costs as
    much to look for whatever the policy trusts, and whether it is there."""
    likely: str | None = None
    """The CA that is asked first for a certificate: that of the default policy, whichever was chosen, so that
    to look is the same work whether the chosen one is there."""

    @property
    def policy(self) -> Policy:
        return self.compiled.policy if self.compiled is not None else NO_POLICY

    def untrusted(self, fault: Exception) -> CMPFailure:
        """The failure of a certificate that no anchor vouches for."""
        text = f"{NOT_TRUSTED}: {fault}" if self.by_default else NOT_TRUSTED
        return CMPFailure(FailInfo.signerNotTrusted, text, detail=str(fault))

    def no_ra(self) -> CMPFailure:
        """The failure of a certificate that the policy names as a registration authority's, and is none."""
        why = (
            "it is named as a registration authority's, and does not have the extended key usage id-kp-cmcRA"
        )
        text = f"{NOT_TRUSTED}: {why}" if self.by_default else NOT_TRUSTED
        return CMPFailure(FailInfo.signerNotTrusted, text, detail=why)


@quick_dataclass(frozen=True, slots=True)
class IssuedHere:
    """A protection certificate that was issued here."""

    name: str
    """The party that is known by it."""
    certificate: x509.Certificate
    record: Certificate
    entity: Entity | None


@quick_dataclass(frozen=True, slots=True)
class Authenticator:
    """Verifies protection against what the lifecycle knows."""

    clm: Client
    derive: Derive
    bounds: mac.Bounds
    """Limits on MAC parameters of the whole server; a policy may be narrower."""

    async def authenticate(self, message: Message, context: Context) -> Party:
        """The party behind a message's protection. Raises CMPFailure."""
        claim = Protection.of(message)
        family = protection.family(claim.algorithm.oid)
        if family == "mac":
            return await self._by_mac(message, claim, context)
        if family == "signature":
            return await self._by_signature(message, claim, context)
        raise CMPFailure(FailInfo.badAlg, f"protectionAlg {claim.algorithm.oid} is not supported")

    async def by_mac_alone(self, message: Message, context: Context) -> Party:
        """The party behind a MAC that verifies, `NOBODY` for everything else: who an error message may
        be MACed for. No signature is looked at."""
        try:
            claim = Protection.of(message)
            if protection.family(claim.algorithm.oid) == "mac":
                return await self._by_mac(message, claim, context)
        except CMPFailure:
            return NOBODY
        return NOBODY

    async def _by_mac(self, message: Message, claim: Protection, context: Context) -> Party:
        named, peer = context.named, context.peer
        reference = message.header.sender_kid
        if not reference:
            raise CMPFailure(FailInfo.badMessageCheck, "senderKID is missing; it names the shared secret")
        parsed = mac.parse(claim.algorithm, self.bounds)
        throttle, guessed = self.clm.credentials.throttle, self.clm.credentials.name_of(reference)
        _check_turn(throttle.wait(guessed, peer))
        entity = named or await self.clm.credentials.entity_by_reference(reference)
        secret, usable = self.clm.credentials.shared_secret(entity)
        key = await self.derive(parsed, secret)
        wait = throttle.wait(guessed, peer)  # once more: of guesses made at once few are looked at
        right = not wait and parsed.verify(key, claim.value, claim.data)
        if not (right and usable) or entity is None:
            if not wait:
                throttle.failed(guessed, peer)
            if named is not None:  # look up what it saved: the time must not tell that it is there
                await self.clm.credentials.entity_by_reference(reference)
            _check_turn(wait)
            raise CMPFailure(
                FailInfo.badMessageCheck,
                NOT_VERIFIED,
                detail="unknown reference" if entity is None else "blocked" if not usable else "wrong MAC",
            )
        throttle.succeeded(guessed, peer)
        party = Party(f"mac:{entity.id}", Capacity.PASSWORD, entity=entity, mac=MacKey(parsed, key))
        if context.compiled is not None and grants.may_use(party, context.compiled.policy):
            mac.permit(parsed, context.compiled.policy.mac)
        return party

    async def _by_signature(self, message: Message, claim: Protection, context: Context) -> Party:
        parsed = signature.parse(claim.algorithm)
        extra = self._extra_certificates(message)
        certificate = await self._signer(message, claim, parsed, extra, context.expected)
        if protection_certs.names(certificate) != message.header.sender:
            raise CMPFailure(
                FailInfo.badMessageCheck, "sender is not the subject of the protection certificate"
            )
        if not protection_certs.may_sign(certificate):
            raise CMPFailure(
                FailInfo.signerNotTrusted,
                "the protection certificate's keyUsage does not have digitalSignature",
            )
        party = replace(await self._trust(certificate, extra, context), signature=parsed.name)
        policy = context.policy
        if not grants.may_use(party, policy):
            return party
        weakness = policy.protection_keys.weakness(certificate)
        if weakness is not None:
            raise CMPFailure(FailInfo.signerNotTrusted, f"{NOT_TRUSTED}: it {weakness}")
        if parsed.name not in policy.signatures:
            raise CMPFailure(FailInfo.badAlg, f"{parsed.name} is not allowed for protection by this policy")
        return party

    def _extra_certificates(self, message: Message) -> list[x509.Certificate]:
        if len(message.extra_certs) > MOST_EXTRA_CERTS:
            raise CMPFailure(
                FailInfo.badDataFormat, f"extraCerts holds more than {MOST_EXTRA_CERTS} certificates"
            )
        try:
            extra = [read_certificate(der) for der in message.extra_certs]
        except UNREADABLE as error:
            raise CMPFailure(
                FailInfo.badDataFormat,
                "extraCerts contains something that is not a certificate",
                detail=str(error),
            ) from None
        return [certificate for certificate in extra if certificate is not None]

    async def _signer(
        self,
        message: Message,
        claim: Protection,
        algorithm: signature.SignatureAlgorithm,
        extra: list[x509.Certificate],
        expected: str | None,
    ) -> x509.Certificate:
        """The certificate, of extraCerts or issued here, whose key made the signature. Several may have one
        key: of those issued here it is the one that began the transaction, or the latest that is active."""
        kid = message.header.sender_kid
        candidates = [
            certificate
            for certificate in extra
            if protection_certs.fits(certificate, kid, message.header.sender)
        ]
        if not candidates and kid:
            records = await self.clm.issued.by_key_id(kid)
            records.sort(
                key=lambda record: (
                    protection_certs.name_of(record.der) != expected,
                    record.state is not ACTIVE,
                )
            )
            candidates = [x509.load_der_x509_certificate(record.der) for record in records[:MOST_CANDIDATES]]
        failure = CMPFailure(
            FailInfo.badMessageCheck,
            "the protection certificate is neither in extraCerts nor known: "
            "none there has this sender and senderKID",
        )
        for certificate in candidates[:MOST_CANDIDATES]:
            try:
                algorithm.verify(protection_certs.key_of(certificate), claim.value, claim.data)
            except CMPFailure as error:
                failure = error
            else:
                return certificate
        raise failure

    async def _trust(
        self, certificate: x509.Certificate, extra: list[x509.Certificate], context: Context
    ) -> Party:
        """Why the holder of a protection certificate is trusted, and as whom."""
        der = certificate.public_bytes(Encoding.DER)
        name = protection_certs.name_of(der)
        holder = await self.clm.issued.holder_of(certificate, der, context.likely)
        if holder is not None:
            return self._trust_issued(IssuedHere(name, certificate, *holder), extra, context)
        if await self.clm.revocations.is_revoked(der):
            raise CMPFailure(FailInfo.certRevoked, "the protection certificate is revoked")
        policy, basic = context.policy, context.basic
        fault: paths.PathError | None = None
        try:
            ra, path = self._named_ra(certificate, extra, context)
        except paths.PathError as error:
            ra, path, fault = None, [], error
        if ra is not None:
            await self._check_revocation(path, context)
            return Party(name, Capacity.RA, certificate=certificate, ra=ra)
        if basic is not None and policy.password_login and policy.id in basic.policies:
            own = protection_certs.key_name(protection_certs.key_hash(certificate), basic.id)
            return Party(own, Capacity.LOGIN, entity=basic, certificate=certificate)
        try:
            between = [*extra, *context.anchors]
            weakness = policy.protection_keys.weakness
            path = paths.build_path(certificate, between, policy.trust_anchors, self.clm.now(), weakness)
        except paths.PathError as error:
            raise context.untrusted(fault or error) from None
        await self._check_revocation(path, context)
        anchor = path[-1].public_bytes(Encoding.DER)
        entity = await self.clm.credentials.entity_of_certificate(certificate, anchor, policy)
        return Party(
            name,
            Capacity.NEWCOMER if entity is None else Capacity.VENDOR,
            entity=entity,
            certificate=certificate,
            anchor=anchor,
        )

    def _named_ra(
        self, certificate: x509.Certificate, extra: Sequence[x509.Certificate], context: Context
    ) -> tuple[RegistrationAuthority | None, list[x509.Certificate]]:
        """The row of the policy that names a certificate as a registration authority's, pinned or under a CA
        that certifies RAs (RFC 9483, section 3.4), with its path. Raises paths.PathError where that is not
        valid."""
        der = certificate.public_bytes(Encoding.DER)
        now, weakness = self.clm.now(), context.policy.protection_keys.weakness
        between = [*extra, *context.anchors]
        fault: paths.PathError | None = None
        for ra in context.policy.ras:
            if ra.pinned or not ra.certificates:
                if der in ra.certificates:
                    return ra, paths.build_path(certificate, (), (der,), now, weakness)
                continue
            if not is_ra(certificate):
                if der in ra.certificates:
                    raise context.no_ra()
                continue
            try:
                return ra, paths.build_path(certificate, between, ra.certificates, now, weakness)
            except paths.PathError as error:
                fault = error
        if fault is not None:
            raise fault
        return None, []

    async def _check_revocation(self, path: list[x509.Certificate], context: Context) -> None:
        """Raises CMPFailure where a certificate that others issued is revoked, or might be and may not."""
        required = context.policy.revocation == "required"
        try:
            await self.clm.revocations.check(path, self.clm.now(), required=required)
        except Revoked as revoked:
            if context.by_default:
                text = f"{NOT_TRUSTED}: {revoked}"
                raise CMPFailure(FailInfo.certRevoked, text) from None
            raise context.untrusted(revoked) from None
        except StatusUnknown as unknown:
            raise context.untrusted(unknown) from None

    def _trust_issued(self, issued: IssuedHere, extra: list[x509.Certificate], context: Context) -> Party:
        """A certificate issued here is trusted as long as the store says so."""
        self._check_standing(issued.record, issued.entity)
        ra = next((ra for ra in context.policy.ras if issued.record.entity in ra.entities), None)
        if ra is None and context.compiled is not None:
            with suppress(paths.PathError):
                between = [*extra, context.compiled.authority.certificate]
                ra, _ = self._named_ra(issued.certificate, between, context)
        if ra is not None:
            capacity = Capacity.RA
        else:
            capacity = Capacity.CERTIFICATE if issued.entity is not None else Capacity.UNREGISTERED
        return Party(
            issued.name,
            capacity,
            entity=issued.entity,
            certificate=issued.certificate,
            record=issued.record,
            ra=ra,
        )

    def _check_standing(self, record: Certificate, entity: Entity | None) -> None:
        if record.state in (CertificateState.REVOKED, CertificateState.REJECTED, CertificateState.ON_HOLD):
            raise CMPFailure(FailInfo.certRevoked, "the protection certificate is revoked")
        if record.state is CertificateState.UNCONFIRMED:
            raise CMPFailure(FailInfo.signerNotTrusted, "the protection certificate was not confirmed yet")
        now = self.clm.now()
        if now > record.not_after:
            raise CMPFailure(FailInfo.signerNotTrusted, "the protection certificate is expired")
        if now < record.not_before:
            raise CMPFailure(FailInfo.signerNotTrusted, "the protection certificate is not valid yet")
        if entity is not None and entity.state is not EntityState.ACTIVE:
            raise CMPFailure(
                FailInfo.notAuthorized, "the end entity is not allowed to do this", detail="blocked"
            )


def _check_turn(wait: int) -> None:
    if wait:
        raise CMPFailure(FailInfo.systemUnavail, f"too many failed attempts, try again in {wait} seconds")
