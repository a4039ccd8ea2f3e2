"""The extensions of a certificate, from what its template has and what its request asks for.

Each requested extension has its row in a table: what may be taken is taken, and what goes beyond the
template or the policy is excess at ``extensions.<name>``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography import x509

from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.rules.san import FIELD as SAN_FIELD
from cmpd.clm.issuance.profile import Profile, impossible
from cmpd.clm.pkix.attributes import fill
from cmpd.clm.pkix.usages import eku_name, extended_key_usage, extension, key_usage, key_usage_names
from cmpd.clm.refusal import Deviations, RequestRefused

if TYPE_CHECKING:
    from cmpd.clm.issuance.certificate_request import CertificateRequest

Values = Callable[[str], str | None]


@dataclass(slots=True)
class _Building:
    """One certificate's extensions, as they come together."""

    profile: Profile
    constant: tuple[x509.Extension[Any], ...]
    algorithm: str
    deviations: Deviations
    key_id: x509.SubjectKeyIdentifier
    names: list[x509.GeneralName] = field(default_factory=list)
    names_critical: bool = False
    key_usages: frozenset[str] | None = None
    extended_key_usage: x509.Extension[Any] | None = None
    others: list[x509.Extension[Any]] = field(default_factory=list)

    def takes(self, oid: x509.ObjectIdentifier) -> bool:
        return oid.dotted_string in self.profile.taken


def requested_extensions(
    profile: Profile,
    policy: Policy,
    request: CertificateRequest,
    subject: x509.Name,
    algorithm: str,
    values: Values,
    deviations: Deviations,
    serial: int,
) -> tuple[list[x509.Extension[Any]], bytes]:
    """(extensions, subjectKeyIdentifier). Raises RequestRefused."""
    key_id = x509.SubjectKeyIdentifier.from_public_key(request.public_key)
    building = _Building(profile, profile.constant(serial), algorithm, deviations, key_id)
    building.extended_key_usage = profile.extended_key_usage
    for asked in request.extensions:
        _TAKERS.get(asked.oid, _take_as_is)(building, asked)
    extensions = [extension(key_id), *building.constant, *building.others]
    usages = profile.key_usages(algorithm) if building.key_usages is None else building.key_usages
    if usages:
        extensions.append(extension(key_usage(usages), critical=True))
    elif profile.template.key_usage:
        raise RequestRefused(
            "publicKey", f"{algorithm} keys cannot have any of the key usages of this template"
        )
    if building.extended_key_usage is not None:
        extensions.append(building.extended_key_usage)
    # A set in order: an update asks for the names it has, the template's own among them.
    asked_names = dict.fromkeys((*building.names, *_own_names(profile, values)))
    names = policy.san.apply(asked_names, deviations)
    if names:
        # RFC 5280, section 4.1.2.6: where the subject is empty, the names are critical.
        critical = building.names_critical or not subject.rdns
        extensions.append(extension(x509.SubjectAlternativeName(names), critical=critical))
    elif not subject.rdns:
        raise RequestRefused("subject", "a subject or a subjectAltName is required")
    return extensions, key_id.digest


def _own_names(profile: Profile, values: Values) -> list[x509.GeneralName]:
    """The names a template always adds."""
    names: list[x509.GeneralName] = []
    for pattern in profile.template.san:
        kind, _, value_pattern = pattern.partition(":")
        value = fill(value_pattern, values)
        if value is None:
            raise RequestRefused(SAN_FIELD, f"nothing to fill {pattern!r} with")
        try:
            names.append(_NAME_MAKERS[kind](value))
        except ValueError as error:
            raise RequestRefused(SAN_FIELD, f"{pattern!r} cannot be filled: {error}") from error
    return names


def _address(text: str) -> x509.IPAddress:
    import ipaddress

    return x509.IPAddress(ipaddress.ip_address(text))


_NAME_MAKERS: dict[str, Callable[[str], x509.GeneralName]] = {
    "dns": x509.DNSName,
    "uri": x509.UniformResourceIdentifier,
    "email": x509.RFC822Name,
    "ip": _address,
}


def _take_names(building: _Building, asked: x509.Extension[Any]) -> None:
    if building.takes(asked.oid):
        building.names = list(asked.value)
        building.names_critical = asked.critical
    else:
        building.deviations.found(SAN_FIELD, "is not taken from requests")


def _take_key_usage(building: _Building, asked: x509.Extension[Any]) -> None:
    wanted = key_usage_names(asked.value)
    own = building.profile.key_usages(building.algorithm)
    if wanted == own:
        return
    allowed = own
    if building.takes(asked.oid):
        allowed = own | frozenset(building.profile.template.requested_key_usage)
    allowed -= impossible(building.algorithm)
    for name in sorted(wanted - allowed):
        building.deviations.found(f"extensions.keyUsage.{name}", "is not allowed for this key and template")
    if not building.takes(asked.oid):
        if wanted < own:
            building.deviations.found("extensions.keyUsage", "is set by the template")
        return
    building.key_usages = wanted & allowed or None


def _take_extended_key_usage(building: _Building, asked: x509.Extension[Any]) -> None:
    template = building.profile.template
    own = template.extended_key_usage
    wanted = [oid.dotted_string for oid in asked.value]
    if set(wanted) == set(own):
        return
    allowed = set(own)
    if building.takes(asked.oid):
        allowed |= set(template.requested_extended_key_usage)
    for oid in asked.value:
        if oid.dotted_string not in allowed:
            building.deviations.found(f"extensions.extendedKeyUsage.{eku_name(oid)}", "is not allowed")
    given = [oid for oid in wanted if oid in allowed]
    if not building.takes(asked.oid):
        if set(wanted) < set(own):
            building.deviations.found("extensions.extendedKeyUsage", "is set by the template")
        return
    if given:
        building.extended_key_usage = extension(extended_key_usage(given))


def _take_basic_constraints(building: _Building, asked: x509.Extension[Any]) -> None:
    own = building.profile.template.basic_constraints
    field_name = "extensions.basicConstraints"
    if asked.value.ca and (own is None or not own.ca):
        building.deviations.found(f"{field_name}.cA", "this template does not issue CA certificates")
    elif own is None:
        building.others.append(extension(asked.value, critical=True))
    elif (asked.value.ca, asked.value.path_length) != (own.ca, own.path_length):
        building.deviations.found(field_name, "is set by the template")


def _take_key_id(building: _Building, asked: x509.Extension[Any]) -> None:
    if asked.value.digest != building.key_id.digest:
        building.deviations.found("extensions.subjectKeyIdentifier", "is computed from the key")


def _take_as_is(building: _Building, asked: x509.Extension[Any]) -> None:
    name = _FIELD_NAMES.get(asked.oid, asked.oid.dotted_string)
    if any(own.oid == asked.oid for own in building.constant):
        if not any(own.value == asked.value for own in building.constant):
            building.deviations.found(f"extensions.{name}", "is set by the template")
    elif building.takes(asked.oid):
        building.others.append(asked)
    else:
        building.deviations.found(f"extensions.{name}", "is not taken from requests")


_TAKERS: dict[x509.ObjectIdentifier, Callable[[_Building, x509.Extension[Any]], None]] = {
    x509.SubjectAlternativeName.oid: _take_names,
    x509.KeyUsage.oid: _take_key_usage,
    x509.ExtendedKeyUsage.oid: _take_extended_key_usage,
    x509.BasicConstraints.oid: _take_basic_constraints,
    x509.SubjectKeyIdentifier.oid: _take_key_id,
}

_FIELD_NAMES: dict[x509.ObjectIdentifier, str] = {
    x509.AuthorityKeyIdentifier.oid: "authorityKeyIdentifier",
    x509.CertificatePolicies.oid: "certificatePolicies",
    x509.CRLDistributionPoints.oid: "cRLDistributionPoints",
    x509.AuthorityInformationAccess.oid: "authorityInfoAccess",
    x509.NameConstraints.oid: "nameConstraints",
    x509.TLSFeature.oid: "tlsFeature",
    x509.OCSPNoCheck.oid: "ocspNoCheck",
}
