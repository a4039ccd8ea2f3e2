"""Policies: who may have which certificate from which CA, and how the protocol must be spoken for it.

The protocol's own rules (protection, confirmation, renewal) stand here as data for it to go by; the
rules on keys, names and validity are carried out in `cmpd.clm.documents.rules` when a certificate is issued.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cmpd.clm.documents.rules.pem_certificates import CERTIFICATES
from cmpd.clm.documents.rules.protection_keys import ProtectionKeyRules
from cmpd.clm.documents.rules.public_keys import KeyRules
from cmpd.clm.documents.rules.registration import RIGHTS, RegistrationAuthority
from cmpd.clm.documents.rules.san import SanRules
from cmpd.clm.documents.rules.subject import SubjectRules
from cmpd.clm.documents.rules.validity import ValidityRules
from cmpd.clm.pkix.algorithms import HASHES, HMACS, SIGNATURES
from cmpd.clm.settings import (
    DURATION,
    FLAG,
    TEXT,
    DocumentError,
    check_name,
    choice,
    count,
    dump,
    listing,
    member,
    nested,
    optional,
    read,
    setting,
)

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class PolicyError(DocumentError):
    """A policy's document is wrong; `key` names where."""


@dataclass(frozen=True, slots=True)
class MacRules:
    """Password-based protection of messages (RFC 9481, section 6)."""

    owfs: tuple[str, ...] = setting(listing(choice(*HASHES)), tuple(HASHES))
    """Allowed one-way functions of PasswordBasedMac."""
    macs: tuple[str, ...] = setting(listing(choice(*HMACS)), tuple(HMACS))
    """Allowed MAC algorithms."""
    iterations_min: int = setting(count(1, 10_000_000), 100)
    """Least iterations of PasswordBasedMac."""
    iterations_max: int = setting(count(1, 10_000_000), 10_000)
    """Most iterations of PasswordBasedMac."""
    pbkdf2_iterations_max: int = setting(count(1, 10_000_000), 500_000)
    """Most iterations of PBKDF2 in PBMAC1."""
    shared_key_hmac: bool = setting(FLAG, False)
    """Whether a bare HMAC under the password as the key is allowed; the key must then be a strong one."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The restrictions under which certificates are issued."""

    id: str = field(init=False, default="")
    """UUID text, lower case; names the policy in URLs."""
    name: str = field(init=False, default="")
    """Unique; names the policy in /.well-known/cmp/p/<name> and on the command line."""
    ca: str = setting(TEXT)
    """Name or id of the CA that issues."""
    template: str = setting(TEXT)
    """Name of the template: a stored one, or a ready-made one."""
    keys: KeyRules = setting(nested(KeyRules), KeyRules())
    """Which keys are certified."""
    subject: SubjectRules = setting(nested(SubjectRules), SubjectRules())
    """What the subject may be."""
    san: SanRules = setting(nested(SanRules), SanRules())
    """What the subject alternative name may be."""
    validity: ValidityRules = setting(nested(ValidityRules), ValidityRules())
    """How long certificates are valid."""
    excess: str = setting(choice("refuse", "trim"), "trim")
    """What is asked beyond the policy: ``refuse`` the request (badCertTemplate), or ``trim`` it
    (grantedWithMods)."""
    mac: MacRules = setting(nested(MacRules), MacRules())
    """Bounds on MAC protection."""
    protection_keys: ProtectionKeyRules = setting(nested(ProtectionKeyRules), ProtectionKeyRules())
    """Which keys may protect messages."""
    signatures: tuple[str, ...] = setting(listing(member(SIGNATURES.protecting)), SIGNATURES.defaults())
    """Allowed signature algorithms for protection."""
    password_enrolment: bool = setting(FLAG, True)
    """Whether MAC-protected ir, cr and p10cr are served."""
    password_login: bool = setting(FLAG, False)
    """Whether HTTP Basic with the entity's password and a signature by the requested key suffice."""
    password_revocation: bool = setting(FLAG, True)
    """Whether an entity may revoke its certificates by its password."""
    implicit_confirm: bool = setting(FLAG, True)
    """Whether implicit confirmation is granted where asked for (RFC 9810, section 5.1.1.1)."""
    confirm_wait: int = setting(DURATION, 300)
    """How long a certConf is waited for, in seconds; after it the certificate is revoked."""
    max_active: int | None = setting(optional(count(1, 1_000_000)), None)
    """Most certificates an entity may hold at a time under this policy; absent: no bound."""
    renewal_window: int | None = setting(optional(DURATION), None)
    """How long before its end a certificate may be updated, and no longer counts for `max_active`;
    absent: any time."""
    same_key_renewal: bool = setting(FLAG, False)
    """Whether an update may keep the key."""
    update_may_change_subject: bool = setting(FLAG, False)
    """Whether an update may change subject and subjectAltName."""
    old_certificate: str = setting(choice("keep", "revoke"), "keep")
    """After a confirmed update the old certificate stays valid (``keep``) or is revoked as superseded."""
    approvals: int = setting(count(0, 2), 0)
    """How many different operators must approve a request before it is served."""
    revocation_approvals: int = setting(count(0, 2), 0)
    """How many different operators must approve a revocation before it is carried out."""
    profiles: tuple[str, ...] = setting(listing(TEXT), ())
    """Templates that a request may choose instead, by certProfile (RFC 9810, section 5.1.1.4)."""
    trust_anchors: tuple[bytes, ...] = setting(CERTIFICATES, ())
    """Vendor CA certificates (PEM in documents, DER here) under which signed requests are trusted."""
    ra_certificates: tuple[bytes, ...] = setting(CERTIFICATES, ())
    """Certificates of registration authorities, or of CAs that certify them (with EKU id-kp-cmcRA): short for
    one of `registration_authorities` with every right about every name."""
    registration_authorities: tuple[RegistrationAuthority, ...] = setting(
        listing(nested(RegistrationAuthority)), ()
    )
    """Registration authorities, each with its own rights and names."""
    register: bool = setting(FLAG, False)
    """Whether a device that a registration authority enrols becomes an end entity, by its subject."""
    certificate_enrolment: bool = setting(FLAG, False)
    """Whether a certificate issued here without an end entity may ask for another one with its very subject
    and subjectAltName by ir, cr or p10cr; without, it updates and revokes itself only."""
    revocation: str = setting(choice("given", "required"), "given")
    """Of certificates that others issued, those on a CRL that was handed in are refused (``given``); also
    those of an issuer of whom no CRL in date was (``required``)."""
    auto_register: bool = setting(FLAG, False)
    """Whether a device with a certificate under a trust anchor becomes an entity by asking."""
    ca_pubs: bool = setting(FLAG, True)
    """Whether the root may be sent in caPubs of MAC-protected responses."""
    central_key_generation: bool = setting(FLAG, False)
    """Whether cmpd may make the key pair for the device (RFC 9483, section 4.1.6)."""

    ras: tuple[RegistrationAuthority, ...] = field(init=False, default=(), compare=False)
    """All registration authorities: `registration_authorities`, and what `ra_certificates` stands for."""

    @classmethod
    def of(cls, id: str, name: str, document: dict[str, Any]) -> Policy:
        """A policy from its document. Raises PolicyError, which names the key."""
        try:
            policy = read(cls, document)
            check_name(name)
            if not UUID.fullmatch(id):
                raise DocumentError("id", f"a UUID in lower case is expected, not {id!r}")
            policy._contradictions()
        except DocumentError as error:
            raise PolicyError(error.key, error.text) from error
        object.__setattr__(policy, "id", id)
        object.__setattr__(policy, "name", name)
        object.__setattr__(policy, "ras", policy._all_ras())
        return policy

    def document(self) -> dict[str, Any]:
        """What `of` reads; keys that have their default are left out."""
        return dump(self)

    def _all_ras(self) -> tuple[RegistrationAuthority, ...]:
        if not self.ra_certificates:
            return self.registration_authorities
        short = RegistrationAuthority(name="ra", rights=RIGHTS, certificates=self.ra_certificates)
        return (*self.registration_authorities, short)

    def certificates(self) -> Iterator[bytes]:
        """DER of every certificate that the policy names, under whatever key."""
        return certificates_in(self)

    def _contradictions(self) -> None:
        self.keys.contradictions()
        self.protection_keys.contradictions()
        self.subject.contradictions()
        self.san.contradictions()
        if self.mac.iterations_min > self.mac.iterations_max:
            raise DocumentError("mac.iterations_min", "is more than mac.iterations_max")
        if self.password_enrolment and not (self.mac.owfs and self.mac.macs):
            raise DocumentError("mac", "password enrolment is on, but no OWF or no MAC is allowed")
        if self.auto_register and not self.trust_anchors:
            raise DocumentError("auto_register", "is on, but there are no trust_anchors to know devices by")
        if not self.confirm_wait:
            raise DocumentError("confirm_wait", "must not be zero: a confirmation takes time")
        self._ra_contradictions()

    def _ra_contradictions(self) -> None:
        known: dict[object, str] = {}
        for index, ra in enumerate(self.registration_authorities):
            key = f"registration_authorities[{index}]"
            ra.contradictions(key)
            for what in (ra.name, *ra.certificates, *ra.entities):
                if what in known:
                    raise DocumentError(
                        key, f"has a name, certificate or end entity that {known[what]} has too"
                    )
                known[what] = f"RA {ra.name}"


def certificates_in(settings: object) -> Iterator[bytes]:
    """DER of the certificates in a settings class, and in those nested in it, one by one or in lists."""
    if not dataclasses.is_dataclass(settings):
        return
    for one in (found for found in dataclasses.fields(settings) if found.init):
        value = getattr(settings, one.name)
        if one.metadata.get("kind") is CERTIFICATES:
            yield from value
            continue
        for item in value if isinstance(value, tuple) else (value,):
            yield from certificates_in(item)


def policy_keys(cls: Any = Policy, prefix: str = "") -> Iterable[str]:
    """Every key of a policy's document, nested ones with dots."""
    for one in dataclasses.fields(cls):
        if one.init:
            default = one.default
            key = f"{prefix}{one.name}"
            if dataclasses.is_dataclass(default):
                yield from policy_keys(type(default), f"{key}.")
            else:
                yield key
