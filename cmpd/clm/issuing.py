"""Certificates from requests: the one place where a policy, a template and a CA become a certificate.

Pure computation: time and randomness come in from outside, and nothing is stored here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.authority import Authority
from cmpd.clm.model import Certificate, CertificateState, Entity
from cmpd.clm.names import attribute_oid, fill, name_text, short_name, split_rdn
from cmpd.clm.pkix.keypairs import public_der
from cmpd.clm.policy import Policy
from cmpd.clm.profile import Profile, values_of
from cmpd.clm.refusal import Excess, RequestRefused
from cmpd.clm.requested import requested_extensions
from cmpd.clm.reserved import check_names, check_usages
from cmpd.clm.template import Template
from cmpd.records import quick_dataclass

__all__ = ["CertificateRequest", "Issuance", "RequestRefused", "ServedPolicy", "issue", "new_serial"]

Random = Callable[[int], bytes]
NO_EXTENSIONS = x509.Extensions([])


@dataclass(frozen=True)
class ServedPolicy:
    """A policy with what it names, ready to issue."""

    policy: Policy
    template: Template
    authority: Authority
    profile: Profile
    choices: Mapping[str, ServedPolicy] = field(default_factory=dict, repr=False)
    """The same policy with each template that a request may choose instead, by the template's name."""
    reserved: frozenset[str] = frozenset()
    """Names that are for no request, as they compare (`cmpd.clm.reserved`)."""

    @classmethod
    def of(
        cls,
        policy: Policy,
        template: Template,
        authority: Authority,
        choices: Iterable[Template] = (),
        reserved: frozenset[str] = frozenset(),
    ) -> ServedPolicy:
        """Raises TemplateError where a template cannot be filled for this CA."""
        others = {one.name: cls.of(policy, one, authority, reserved=reserved) for one in choices}
        return cls(policy, template, authority, Profile.of(template, authority), others, reserved)


@quick_dataclass(frozen=True, slots=True)
class CertificateRequest:
    """What is asked for, in whichever syntax it came; its proof of possession has been checked."""

    subject: x509.Name
    public_key: CertificatePublicKeyTypes
    extensions: x509.Extensions = NO_EXTENSIONS
    not_before: int | None = None
    not_after: int | None = None


@quick_dataclass(frozen=True, slots=True)
class Issuance:
    """A certificate just made, not yet stored."""

    ca: str
    der: bytes
    serial: int
    subject: str
    not_before: int
    not_after: int
    key_id: bytes
    key_hash: bytes
    issued: int
    modifications: tuple[str, ...]
    """What was asked and not given as asked; empty: ``accepted`` rather than ``grantedWithMods``."""

    def record(
        self,
        entity: str | None,
        policy: str | None,
        transaction: bytes | None,
        state: CertificateState,
        replaces: tuple[str, int] | None = None,
        requested_by: str | None = None,
    ) -> Certificate:
        """The store's record of it."""
        return Certificate(
            ca=self.ca,
            serial=self.serial,
            der=self.der,
            subject=self.subject,
            not_before=self.not_before,
            not_after=self.not_after,
            key_id=self.key_id,
            key_hash=self.key_hash,
            entity=entity,
            policy=policy,
            transaction=transaction,
            state=state,
            issued=self.issued,
            replaces=replaces,
            requested_by=requested_by,
        )


def new_serial(random: Random) -> int:
    """A serial number: random, positive, at most 20 octets (RFC 5280, section 4.1.2.2)."""
    while not (serial := int.from_bytes(random(20), "big") >> 1):
        continue
    return serial


def issue(
    served: ServedPolicy,
    entity: Entity | None,
    request: CertificateRequest,
    *,
    now: int,
    random: Random,
    replaced: x509.Name | None = None,
) -> Issuance:
    """Make the certificate. `replaced`: the subject of the one it updates. Raises RequestRefused, which names
    the field of the request."""
    policy, template, authority = served.policy, served.template, served.authority
    excess = Excess(policy.excess == "refuse")
    algorithm = policy.keys.check(request.public_key)
    values = values_of(authority, entity, request.subject)
    subject = request.subject
    if template.subject is not None:
        subject = _composed(template.subject, request.subject, values, excess)
    subject = policy.subject.apply(subject, values, excess)
    serial = new_serial(random)
    extensions, key_id = requested_extensions(
        served.profile, policy, request, subject, algorithm, values, excess, serial
    )
    check_names(served.reserved, policy, template, subject, extensions, replaced)
    check_usages(template, extensions)
    start, end = policy.validity.apply(
        (request.not_before, request.not_after),
        now=now,
        backdate=template.backdate,
        duration=template.validity,
        ca=(authority.not_before, authority.not_after),
        excess=excess,
    )
    certificate = x509.CertificateBuilder(
        authority.certificate.subject,
        subject,
        request.public_key,
        serial,
        _time(start),
        _time(end),
        extensions,
    ).sign(authority.key, authority.signature_hash)
    return Issuance(
        ca=authority.id,
        der=certificate.public_bytes(Encoding.DER),
        serial=serial,
        subject=name_text(subject),
        not_before=start,
        not_after=end,
        key_id=key_id,
        key_hash=hashlib.sha256(public_der(request.public_key)).digest(),
        issued=now,
        modifications=tuple(excess.modifications),
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _composed(
    patterns: tuple[str, ...], asked: x509.Name, values: Callable[[str], str | None], excess: Excess
) -> x509.Name:
    """The subject a template composes; what was asked and does not stand in it is excess."""
    rdns: list[x509.RelativeDistinguishedName] = []
    for pattern in patterns:
        name, value_pattern = split_rdn(pattern)
        value = fill(value_pattern, values)
        if value is None:
            raise RequestRefused(f"subject.{name}", f"nothing to fill {value_pattern!r} with")
        try:
            attribute: x509.NameAttribute[Any] = x509.NameAttribute(attribute_oid(name), value)
        except ValueError as error:
            raise RequestRefused(f"subject.{name}", str(error)) from error
        rdns.append(x509.RelativeDistinguishedName([attribute]))
    subject = x509.Name(rdns)
    given = {(attribute.oid, attribute.value) for attribute in subject}
    for attribute in asked:
        if (attribute.oid, attribute.value) not in given:
            excess.found(f"subject.{short_name(attribute.oid)}", "is set by the template")
    return subject
