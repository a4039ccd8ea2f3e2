"""Certificates from requests: the one place where a policy, a template and a CA become a certificate.

Pure computation: time and serial number come in from outside, and nothing is signed or stored. Approvals,
challenges and dry runs end here; `cmpd.clm.issuance.issuer` is who signs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from cmpd.clm.documents.rules.validity import ValidityRules
from cmpd.clm.issuance.certificate_request import CertificateRequest
from cmpd.clm.issuance.compiled_policy import CompiledPolicy
from cmpd.clm.issuance.profile import values_of
from cmpd.clm.issuance.requested_extensions import requested_extensions
from cmpd.clm.issuance.reserved import check_names, check_usages
from cmpd.clm.model import Entity
from cmpd.clm.pkix.attributes import attribute_oid, fill, short_name, split_rdn
from cmpd.clm.pkix.keypairs import public_der
from cmpd.clm.refusal import Deviations, RequestRefused
from cmpd.records import quick_dataclass
from cmpd.times import x509_time


@quick_dataclass(frozen=True, slots=True)
class PreparedCertificate:
    """A certificate that is complete but for its signature. Two that are equal are the same certificate."""

    issuer: x509.Name
    subject: x509.Name
    public_key: CertificatePublicKeyTypes
    serial: int
    not_before: int
    not_after: int
    extensions: tuple[x509.Extension[Any], ...]
    key_id: bytes
    """Its subjectKeyIdentifier."""
    key_hash: bytes
    """SHA-256 of the SubjectPublicKeyInfo."""
    modifications: tuple[str, ...]
    """What was asked and not given as asked; empty: ``accepted`` rather than ``grantedWithMods``."""

    validity_rules: tuple[int, int, ValidityRules]
    """Duration, backdating, and the policy's bounds: what its times followed from, beside the request."""

    def content(self, needed: int, *, own_key: bool) -> str:
        """What operators are asked to approve, as SHA-256 in hexadecimal: subject, key, extensions, rules of
        validity, and how many (`needed`) have to approve. The serial number is not known before, nor when it
        begins, nor a key that is generated for the device then (not `own_key`)."""
        parts = [self.issuer.public_bytes(), self.subject.public_bytes(), self.key_hash if own_key else b""]
        parts.append(f"{self.validity_rules} {needed}".encode())
        parts += [
            f"{one.oid.dotted_string} {one.critical} ".encode() + one.value.public_bytes()
            for one in self.extensions
            # Which depend on the serial number, and on the key.
            if one.oid not in (x509.CRLDistributionPoints.oid, x509.SubjectKeyIdentifier.oid)
        ]
        digest = hashlib.sha256()
        for part in parts:
            digest.update(len(part).to_bytes(4, "big") + part)
        return digest.hexdigest()

    def builder(self) -> x509.CertificateBuilder:
        """What a key signs (`KeyRef.signed`)."""
        return x509.CertificateBuilder(
            self.issuer,
            self.subject,
            self.public_key,
            self.serial,
            x509_time(self.not_before),
            x509_time(self.not_after),
            list(self.extensions),
        )


def prepare(
    compiled: CompiledPolicy,
    entity: Entity | None,
    request: CertificateRequest,
    *,
    now: int,
    serial: int,
    replaced: x509.Name | None = None,
) -> PreparedCertificate:
    """The complete certificate as policy and template have it; nothing is signed. `now`: seconds since the
    epoch. `serial`: its serial number (`cmpd.clm.pkix.serial_numbers`). `replaced`: the subject of the one it
    updates.

    Raises RequestRefused, which names the field of the request."""
    policy, template, authority = compiled.policy, compiled.template, compiled.authority
    deviations = Deviations(policy.excess == "refuse")
    algorithm = policy.keys.check(request.public_key)
    values = values_of(authority, entity, request.subject)
    subject = request.subject
    if template.subject is not None:
        subject = _composed(template.subject, request.subject, values, deviations)
    subject = policy.subject.apply(subject, values, deviations)
    extensions, key_id = requested_extensions(
        compiled.profile, policy, request, subject, algorithm, values, deviations, serial
    )
    parts = [one.value for one in extensions]
    check_names(compiled.reserved, policy, template, subject, parts, replaced)
    check_usages(template, parts)
    start, end = policy.validity.apply(
        (request.not_before, request.not_after),
        now=now,
        backdate=template.backdate,
        duration=template.validity,
        ca=(authority.not_before, authority.not_after),
        deviations=deviations,
    )
    return PreparedCertificate(
        issuer=authority.certificate.subject,
        subject=subject,
        public_key=request.public_key,
        serial=serial,
        not_before=start,
        not_after=end,
        extensions=tuple(extensions),
        key_id=key_id,
        key_hash=hashlib.sha256(public_der(request.public_key)).digest(),
        modifications=tuple(deviations.modifications),
        validity_rules=(template.validity, template.backdate, policy.validity),
    )


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
