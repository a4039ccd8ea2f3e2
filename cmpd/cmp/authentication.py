"""Who protected a message, and whether it is what they sent (RFC 9483, sections 3.2 and 3.5).

Everything that turns a message's protection into a `Party` is here: the shared secret behind a MAC, or
the certificate behind a signature and the trust in it. What the party may do is for the handlers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm import paths
from cmpd.clm.model import Certificate, CertificateState, Entity, EntityState
from cmpd.clm.policy import Policy
from cmpd.clm.revocation import Revoked, StatusUnknown
from cmpd.clm.unreadable import UNREADABLE, read_certificate
from cmpd.cmp import protection, signers
from cmpd.cmp.failure import CMPFailure, FailInfo
from cmpd.cmp.protection import mac, signature
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from cmpd.clm.catalog import ServedPolicy
    from cmpd.clm.client import Client
    from cmpd.cmp.message import Algorithm, Message

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


@quick_dataclass(frozen=True, slots=True)
class MacKey:
    """A key that verified a request, to protect its response with."""

    algorithm: mac.MacAlgorithm
    key: bytes


@quick_dataclass(frozen=True, slots=True)
class Party:
    """Who protected a message."""

    name: str
    """``mac:<entity id>``, ``cert:<fingerprint>``, ``key:<SHA-256 of the public key>``, or empty: nobody.
    The messages of one transaction have one name."""
    entity: Entity | None = None
    certificate: x509.Certificate | None = None
    """The protection certificate."""
    record: Certificate | None = None
    """Its record, where it was issued here."""
    mac: MacKey | None = None
    signature: str | None = None
    """The name of the algorithm it signed in."""
    is_ra: bool = False
    registers: bool = False
    """It holds a trusted vendor certificate no entity is registered for, under a policy with
    auto_register: an entity is made for it with what it gets."""

    @property
    def actor(self) -> str:
        """How the audit names it."""
        return f"entity:{self.entity.id}" if self.entity else self.name


NOBODY = Party("")
NO_POLICY = Policy(ca="", template="")
"""Stands where the address names no policy: it trusts nobody but holders of certificates issued here."""


@quick_dataclass(frozen=True, slots=True)
class Authenticator:
    """Verifies protection against what the lifecycle knows."""

    clm: Client
    derive: Derive
    bounds: mac.Bounds
    """Limits on MAC parameters of the whole server; a policy may be narrower."""

    async def authenticate(
        self,
        message: Message,
        served: ServedPolicy | None,
        named: Entity | None,
        basic: Entity | None,
        expected: str | None,
        peer: str,
    ) -> Party:
        """The party behind a message's protection.

        `named`: the entity whose UUID the senderKID is, if any. `basic`: the one HTTP Basic authentication
        speaks for. `expected`: the party that began the transaction, None for a first message. `peer`: where
        the message came from. Raises CMPFailure.
        """
        claim = Protection.of(message)
        family = protection.family(claim.algorithm.oid)
        if family == "mac":
            return await self._by_mac(message, claim, served, named, peer)
        if family == "signature":
            return await self._by_signature(message, claim, served, basic, expected)
        raise CMPFailure(FailInfo.badAlg, f"protectionAlg {claim.algorithm.oid} is not supported")

    async def by_mac_alone(
        self, message: Message, served: ServedPolicy | None, named: Entity | None, peer: str
    ) -> Party:
        """The party behind a MAC that verifies, `NOBODY` for everything else: who an error message may
        be MACed for. No signature is looked at."""
        try:
            claim = Protection.of(message)
            if protection.family(claim.algorithm.oid) == "mac":
                return await self._by_mac(message, claim, served, named, peer)
        except CMPFailure:
            return NOBODY
        return NOBODY

    async def _by_mac(
        self,
        message: Message,
        claim: Protection,
        served: ServedPolicy | None,
        named: Entity | None,
        peer: str,
    ) -> Party:
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
                "protection does not verify: the reference is not known or the secret is another",
                detail="unknown reference" if entity is None else "blocked" if not usable else "wrong MAC",
            )
        throttle.succeeded(guessed, peer)
        party = Party(f"mac:{entity.id}", entity=entity, mac=MacKey(parsed, key))
        if served is not None and _may_know(party, served.policy):
            mac.permit(parsed, served.policy.mac)
        return party

    async def _by_signature(
        self,
        message: Message,
        claim: Protection,
        served: ServedPolicy | None,
        basic: Entity | None,
        expected: str | None,
    ) -> Party:
        parsed = signature.parse(claim.algorithm)
        extra = self._extra_certificates(message)
        certificate = await self._signer(message, claim, parsed, extra, expected)
        if signers.names(certificate) != message.header.sender:
            raise CMPFailure(
                FailInfo.badMessageCheck, "sender is not the subject of the protection certificate"
            )
        if not signers.may_sign(certificate):
            raise CMPFailure(
                FailInfo.signerNotTrusted, "the protection certificate's keyUsage lacks digitalSignature"
            )
        party = await self._trust(certificate, extra, served, basic, expected)
        if (
            served is not None
            and _may_know(party, served.policy)
            and parsed.name not in served.policy.signatures
        ):
            raise CMPFailure(FailInfo.badAlg, f"{parsed.name} is not allowed for protection by this policy")
        return replace(party, signature=parsed.name)

    def _extra_certificates(self, message: Message) -> list[x509.Certificate]:
        if len(message.extra_certs) > MOST_EXTRA_CERTS:
            raise CMPFailure(
                FailInfo.badDataFormat, f"extraCerts holds more than {MOST_EXTRA_CERTS} certificates"
            )
        try:
            extra = [read_certificate(der) for der in message.extra_certs]
        except UNREADABLE as error:
            raise CMPFailure(
                FailInfo.badDataFormat, "extraCerts holds what is no certificate", detail=str(error)
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
            certificate for certificate in extra if signers.fits(certificate, kid, message.header.sender)
        ]
        if not candidates and kid:
            records = await self.clm.issued.by_key_id(kid)
            records.sort(
                key=lambda record: (signers.name_of(record.der) != expected, record.state is not ACTIVE)
            )
            candidates = [x509.load_der_x509_certificate(record.der) for record in records[:MOST_CANDIDATES]]
        failure = CMPFailure(
            FailInfo.badMessageCheck,
            "the protection certificate is neither in extraCerts nor known: "
            "none there has this sender and senderKID",
        )
        for certificate in candidates[:MOST_CANDIDATES]:
            try:
                algorithm.verify(signers.key_of(certificate), claim.value, claim.data)
            except CMPFailure as error:
                failure = error
            else:
                return certificate
        raise failure

    async def _trust(
        self,
        certificate: x509.Certificate,
        extra: list[x509.Certificate],
        served: ServedPolicy | None,
        basic: Entity | None,
        expected: str | None,
    ) -> Party:
        """Why the holder of a protection certificate is trusted, and as whom."""
        policy = served.policy if served is not None else NO_POLICY
        der = certificate.public_bytes(Encoding.DER)
        name = signers.name_of(der)
        holder = await self.clm.issued.holder_of(certificate, der, served.authority.id if served else None)
        if holder is not None:
            party = self._trust_issued(name, certificate, *holder)
            return replace(
                party, is_ra=served is not None and self._is_trusted_ra(certificate, extra, served)
            )
        now = self.clm.now()
        if policy.ra_certificates and signers.is_ra(certificate):
            try:
                path = paths.build_path(certificate, extra, policy.ra_certificates, now)
            except paths.PathError as error:
                raise CMPFailure(
                    FailInfo.signerNotTrusted, f"the RA certificate is not trusted: {error}"
                ) from None
            await self._check_revocation(path, policy)
            return Party(name, certificate=certificate, is_ra=True)
        if basic is not None and policy.password_login:
            own = signers.own_key(certificate)
            if expected in (None, own):
                return Party(own, entity=basic, certificate=certificate)
        try:
            path = paths.build_path(certificate, extra, policy.trust_anchors, now)
        except paths.PathError as error:
            raise CMPFailure(
                FailInfo.signerNotTrusted, f"the protection certificate is not trusted: {error}"
            ) from None
        await self._check_revocation(path, policy)
        entity = await self.clm.credentials.entity_of_certificate(certificate)
        if entity is None and not policy.auto_register:
            raise CMPFailure(
                FailInfo.notAuthorized, "no end entity is registered for this protection certificate"
            )
        if entity is not None and entity.state is not EntityState.ACTIVE:
            raise CMPFailure(
                FailInfo.notAuthorized,
                "no end entity is registered for this protection certificate",
                detail="blocked",
            )
        return Party(name, entity=entity, certificate=certificate, registers=entity is None)

    async def _check_revocation(self, path: list[x509.Certificate], policy: Policy) -> None:
        """Raises CMPFailure where a certificate that others issued is revoked, or might be and may not."""
        required = policy.revocation == "required"
        try:
            await self.clm.revocations.check(path, self.clm.now(), required=required)
        except Revoked as revoked:
            raise CMPFailure(
                FailInfo.certRevoked, f"the protection certificate is not trusted: {revoked}"
            ) from None
        except StatusUnknown as unknown:
            raise CMPFailure(
                FailInfo.signerNotTrusted, f"the protection certificate is not trusted: {unknown}"
            ) from None

    def _is_trusted_ra(
        self, certificate: x509.Certificate, extra: list[x509.Certificate], served: ServedPolicy
    ) -> bool:
        """Whether a certificate issued here is that of an RA the policy trusts."""
        if not served.policy.ra_certificates or not signers.is_ra(certificate):
            return False
        between = [*extra, served.authority.certificate]
        try:
            paths.build_path(certificate, between, served.policy.ra_certificates, self.clm.now())
        except paths.PathError:
            return False
        return True

    def _trust_issued(
        self, name: str, certificate: x509.Certificate, record: Certificate, entity: Entity | None
    ) -> Party:
        """A certificate issued here is trusted as long as the store says so."""
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
        return Party(name, entity=entity, certificate=certificate, record=record)


def _check_turn(wait: int) -> None:
    if wait:
        raise CMPFailure(FailInfo.systemUnavail, f"too many failed attempts, try again in {wait} seconds")


def _may_know(party: Party, policy: Policy) -> bool:
    """Whether a party may learn what the policy allows, and so that it is there."""
    return party.entity is None or policy.id in party.entity.policies
