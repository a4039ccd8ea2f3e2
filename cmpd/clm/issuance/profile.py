"""A template made ready for one CA: what is the same in every certificate is built once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from cmpd.clm.authorities.authority import Authority
from cmpd.clm.documents.crl_points import point
from cmpd.clm.documents.template import Template, TemplateError
from cmpd.clm.model import Entity
from cmpd.clm.pkix.algorithms import KEYS
from cmpd.clm.pkix.attributes import attribute_oid, fill
from cmpd.clm.pkix.usages import extended_key_usage, extension

NOTHING: Mapping[str, str] = {}


def impossible(algorithm: str) -> frozenset[str]:
    """Key usages that keys of this algorithm cannot do."""
    return KEYS[algorithm].impossible_usages


def values_of(
    authority: Authority, entity: Entity | None = None, subject: x509.Name | None = None
) -> Callable[[str], str | None]:
    """What placeholders stand for: ``url``, ``ca``, ``ca.name``, ``entity.id``, ``entity.name``,
    ``entity.<attribute>``, ``request.<subject attribute>``."""

    def value_of(placeholder: str) -> str | None:
        kind, _, name = placeholder.partition(".")
        if kind == "entity" and entity is not None:
            own = {"id": entity.id, "name": entity.name}.get(name, entity.attributes.get(name))
            return None if own is None else str(own)
        if kind == "request" and subject is not None:
            found = subject.get_attributes_for_oid(attribute_oid(name))
            return str(found[0].value) if found else None
        return {"url": authority.url, "ca": authority.id, "ca.name": authority.name}.get(placeholder)

    return value_of


@dataclass(frozen=True)
class Profile:
    """A template and a CA, ready to issue."""

    template: Template
    authority: Authority
    constants: tuple[tuple[x509.Extension[Any], ...], ...]
    """AKI and all that does not depend on the request: for each of the CA's CRLs, as certificates name
    theirs."""
    extended_key_usage: x509.Extension[Any] | None
    taken: frozenset[str]
    """OIDs of requested extensions that are taken over."""

    @classmethod
    def of(cls, template: Template, authority: Authority) -> Profile:
        """Raises TemplateError where the template cannot be filled for this CA."""
        usages = template.extended_key_usage
        return cls(
            template,
            authority,
            _constants(template, authority),
            extension(extended_key_usage(usages)) if usages else None,
            frozenset(TAKEABLE_OIDS.get(name, name) for name in template.take),
        )

    def constant(self, serial: int) -> tuple[x509.Extension[Any], ...]:
        """What a certificate of that serial number has, whatever was asked for."""
        return self.constants[self.authority.points.partition_of(serial)]

    def key_usages(self, algorithm: str) -> frozenset[str]:
        """The template's own key usages, as far as the key's algorithm can do them."""
        return frozenset(self.template.key_usage) - impossible(algorithm)


TAKEABLE_OIDS = {
    "subjectAltName": x509.SubjectAlternativeName.oid.dotted_string,
    "keyUsage": x509.KeyUsage.oid.dotted_string,
    "extendedKeyUsage": x509.ExtendedKeyUsage.oid.dotted_string,
    "certificatePolicies": x509.CertificatePolicies.oid.dotted_string,
    "tlsFeature": x509.TLSFeature.oid.dotted_string,
}


def _constants(template: Template, authority: Authority) -> tuple[tuple[x509.Extension[Any], ...], ...]:
    key_id = extension(x509.AuthorityKeyIdentifier(authority.key_id, None, None))
    shared = (key_id, *template.constants(lambda key, url: _url(template, authority, key, url)))
    points = authority.points
    if not template.crl_distribution_points:
        return (shared,) * points.partitions
    return tuple((*shared, _point(template, authority, partition)) for partition in range(points.partitions))


def _point(
    template: Template, authority: Authority, partition: int
) -> x509.Extension[x509.CRLDistributionPoints]:
    points = authority.points
    own = x509.UniformResourceIdentifier(points.location(partition))
    key, others = "crl_distribution_points", {"crl": points.name(partition)}
    names = [_url(template, authority, key, url, others) for url in template.crl_distribution_points]
    if points.partitions > 1 and own not in names:
        raise TemplateError(
            f"{template.name}: {key}",
            f"CA {authority.name} has {points.partitions} CRLs, and each certificate has to name its own: "
            "put {url}/crl/{crl}.crl among them",
        )
    return point(names)


def _url(
    template: Template, authority: Authority, key: str, pattern: str, others: Mapping[str, str] = NOTHING
) -> x509.GeneralName:
    values = values_of(authority)
    url = fill(pattern, lambda placeholder: others.get(placeholder) or values(placeholder))
    try:
        if url is None:
            known = ", ".join(f"{{{name}}}" for name in ("url", "ca", "ca.name", *others))
            raise ValueError(f"only {known} can be filled in")
        return x509.UniformResourceIdentifier(url)
    except ValueError as error:
        raise TemplateError(f"{template.name}: {key}", f"{pattern!r} makes no URL: {error}") from error
