"""Certificates from requests: the one place where a policy, a template and a CA become a certificate.

Pure computation: time and randomness come in from outside, and nothing is stored here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.issuance.certificate_request import CertificateRequest
from cmpd.clm.issuance.compiled_policy import CompiledPolicy
from cmpd.clm.issuance.profile import values_of
from cmpd.clm.issuance.requested_extensions import requested_extensions
from cmpd.clm.issuance.reserved import check_names, check_usages
from cmpd.clm.model import Certificate, CertificateState, Entity
from cmpd.clm.pkix.attributes import attribute_oid, fill, name_text, short_name, split_rdn
from cmpd.clm.pkix.keypairs import public_der
from cmpd.clm.pkix.serial_numbers import Random, new_serial
from cmpd.clm.refusal import Deviations, RequestRefused
from cmpd.records import quick_dataclass


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


def issue(
    compiled: CompiledPolicy,
    entity: Entity | None,
    request: CertificateRequest,
    *,
    now: int,
    random: Random,
    replaced: x509.Name | None = None,
) -> Issuance:
    """Make the certificate. `replaced`: the subject of the one it updates. Raises RequestRefused, which names
    the field of the request."""
    policy, template, authority = compiled.policy, compiled.template, compiled.authority
    deviations = Deviations(policy.excess == "refuse")
    algorithm = policy.keys.check(request.public_key)
    values = values_of(authority, entity, request.subject)
    subject = request.subject
    if template.subject is not None:
        subject = _composed(template.subject, request.subject, values, deviations)
    subject = policy.subject.apply(subject, values, deviations)
    serial = new_serial(random)
    extensions, key_id = requested_extensions(
        compiled.profile, policy, request, subject, algorithm, values, deviations, serial
    )
    check_names(compiled.reserved, policy, template, subject, extensions, replaced)
    check_usages(template, extensions)
    start, end = policy.validity.apply(
        (request.not_before, request.not_after),
        now=now,
        backdate=template.backdate,
        duration=template.validity,
        ca=(authority.not_before, authority.not_after),
        deviations=deviations,
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
        modifications=tuple(deviations.modifications),
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _composed(
    patterns: tuple[str, ...], asked: x509.Name, values: Callable[[str], str | None], deviations: Deviations
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
            deviations.found(f"subject.{short_name(attribute.oid)}", "is set by the template")
    return subject
