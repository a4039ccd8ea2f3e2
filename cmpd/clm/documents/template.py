"""Templates: what an issued certificate looks like, as data."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from cryptography import x509

from cmpd.clm.pkix.attributes import split_rdn
from cmpd.clm.pkix.usages import EXTENDED_KEY_USAGES, KEY_USAGES, extension
from cmpd.clm.settings import (
    BASE64,
    DURATION,
    FLAG,
    OID,
    TEXT,
    DocumentError,
    ValueType,
    check_name,
    choice,
    count,
    dump,
    listing,
    nested,
    optional,
    read,
    setting,
)

TAKEABLE = ("subjectAltName", "keyUsage", "extendedKeyUsage", "certificatePolicies", "tlsFeature")
"""Requested extensions a template may take over, by name; others by OID."""
SAN_PREFIXES = ("dns:", "ip:", "uri:", "email:")


class TemplateError(DocumentError):
    """A template's document is wrong; `key` names where."""


def _extended_key_usage(value: Any, key: str) -> str:
    if value in EXTENDED_KEY_USAGES:
        return EXTENDED_KEY_USAGES[value]
    try:
        return str(OID.parse(value, key))
    except DocumentError as error:
        known = ", ".join(EXTENDED_KEY_USAGES)
        raise DocumentError(
            key, f"{value!r} is not an extended key usage; known are {known} and OIDs"
        ) from error


_EKU_NAMES = {oid: name for name, oid in EXTENDED_KEY_USAGES.items()}
EXTENDED_KEY_USAGE = ValueType(_extended_key_usage, lambda oid: _EKU_NAMES.get(oid, oid))
KEY_USAGE = choice(*KEY_USAGES)


def _takeable(value: Any, key: str) -> str:
    return value if value in TAKEABLE else str(OID.parse(value, key))


def _san_pattern(value: Any, key: str) -> str:
    text = str(TEXT.parse(value, key))
    if not text.startswith(SAN_PREFIXES):
        raise DocumentError(key, f"a name that begins with one of {', '.join(SAN_PREFIXES)} is expected")
    return text


def _rdn_pattern(value: Any, key: str) -> str:
    try:
        name, pattern = split_rdn(str(TEXT.parse(value, key)))
    except ValueError as error:
        raise DocumentError(key, str(error)) from error
    return f"{name}={pattern}"


@dataclass(frozen=True, slots=True)
class BasicConstraints:
    """RFC 5280, section 4.2.1.9."""

    ca: bool = setting(FLAG, False)
    """Whether the subject is a CA."""
    path_length: int | None = setting(optional(count(0, 32)), None)
    """How many CAs may follow below it; only with `ca`."""


@dataclass(frozen=True, slots=True)
class CertificatePolicy:
    """RFC 5280, section 4.2.1.4."""

    oid: str = setting(OID)
    """The policy's identifier."""
    cps: str | None = setting(optional(TEXT), None)
    """URI of the certification practice statement."""


@dataclass(frozen=True, slots=True)
class ExtraExtension:
    """An extension given in full."""

    oid: str = setting(OID)
    """Its identifier."""
    der: bytes = setting(BASE64)
    """The DER of its value, in base64 in documents."""
    critical: bool = setting(FLAG, False)
    """Whether who does not know it must refuse the certificate."""


UrlOf = Callable[[str, str], x509.GeneralName]


@dataclass(frozen=True, slots=True)
class Template:
    """What an issued certificate looks like. SKI and AKI are always there."""

    name: str = field(init=False, default="")
    """Unique; what policies and operators call it."""
    validity: int = setting(DURATION, 365 * 86400)
    """Seconds from issue to notAfter, where the request does not say; never beyond the CA's end."""
    backdate: int = setting(DURATION, 300)
    """Seconds notBefore lies before issue, for devices whose clock is slow."""
    key_usage: tuple[str, ...] = setting(listing(KEY_USAGE), ("digitalSignature",))
    """Key usages; those that the key's algorithm cannot do are left out (RFC 8813, RFC 9295)."""
    requested_key_usage: tuple[str, ...] = setting(listing(KEY_USAGE), ())
    """Key usages that a request may have instead, if `take` names keyUsage."""
    extended_key_usage: tuple[str, ...] = setting(listing(EXTENDED_KEY_USAGE), ())
    """Extended key usages, by name or OID."""
    requested_extended_key_usage: tuple[str, ...] = setting(listing(EXTENDED_KEY_USAGE), ())
    """Extended key usages that a request may have instead, if `take` names extendedKeyUsage."""
    basic_constraints: BasicConstraints | None = setting(optional(nested(BasicConstraints)), None)
    """Basic constraints; absent: none in the certificate, so no CA."""
    certificate_policies: tuple[CertificatePolicy, ...] = setting(listing(nested(CertificatePolicy)), ())
    """Certificate policies."""
    crl_distribution_points: tuple[str, ...] = setting(listing(TEXT), ("{url}/crl/{crl}.crl",))
    """URLs; ``{url}`` is the CA's base URL, ``{crl}`` names the certificate's CRL (`points.CrlPoints`)."""
    ca_issuers: tuple[str, ...] = setting(listing(TEXT), ())
    """URLs of the CA's certificate for authorityInfoAccess, as ``{url}/ca/{ca}.cer``."""
    ocsp: tuple[str, ...] = setting(listing(TEXT), ())
    """URLs of OCSP responders for authorityInfoAccess."""
    ocsp_no_check: bool = setting(FLAG, False)
    """Whether id-pkix-ocsp-nocheck is there (RFC 6960, section 4.2.2.2.1)."""
    subject: tuple[str, ...] | None = setting(optional(listing(ValueType(_rdn_pattern))), None)
    """The subject's RDNs, as ``CN={entity.name}``, ``O=Example``, ``serialNumber={request.serialNumber}``;
    absent: the subject asked for."""
    san: tuple[str, ...] = setting(listing(ValueType(_san_pattern)), ())
    """Names always added to the subjectAltName, as ``dns:{entity.name}.example.com``."""
    extensions: tuple[ExtraExtension, ...] = setting(listing(nested(ExtraExtension)), ())
    """Further extensions, in full."""
    take: tuple[str, ...] = setting(
        listing(ValueType(_takeable)), ("subjectAltName", "keyUsage", "extendedKeyUsage")
    )
    """Requested extensions that are taken over; by OID those that cmpd knows nothing of, as they are."""

    @classmethod
    def of(cls, name: str, document: dict[str, Any]) -> Template:
        """A template from its document. Raises TemplateError, which names the key."""
        try:
            check_name(name)
            template = read(cls, document)
            template._contradictions()
        except DocumentError as error:
            raise TemplateError(error.key, error.text) from error
        object.__setattr__(template, "name", name)
        return template

    def document(self) -> dict[str, Any]:
        """What `of` reads; keys that have their default are left out."""
        return dump(self)

    @property
    def is_ca(self) -> bool:
        """Whether it makes CA certificates."""
        return self.basic_constraints is not None and self.basic_constraints.ca

    def constants(self, url_of: UrlOf) -> Iterator[x509.Extension[Any]]:
        """The extensions that are the same in every certificate under one CA, but those that name the CA and
        its CRLs. `url_of(key, pattern)` fills a URL for the CA."""
        constraints = self.basic_constraints
        if constraints is not None:
            yield extension(x509.BasicConstraints(constraints.ca, constraints.path_length), critical=True)
        access = [
            x509.AccessDescription(method, url_of(key, url))
            for key, method, urls in (
                ("ocsp", x509.OID_OCSP, self.ocsp),
                ("ca_issuers", x509.OID_CA_ISSUERS, self.ca_issuers),
            )
            for url in urls
        ]
        if access:
            yield extension(x509.AuthorityInformationAccess(access))
        if self.certificate_policies:
            yield extension(
                x509.CertificatePolicies(
                    [
                        x509.PolicyInformation(x509.ObjectIdentifier(one.oid), [one.cps] if one.cps else None)
                        for one in self.certificate_policies
                    ]
                )
            )
        if self.ocsp_no_check:
            yield extension(x509.OCSPNoCheck())
        for extra in self.extensions:
            oid = x509.ObjectIdentifier(extra.oid)
            yield x509.Extension(oid, extra.critical, x509.UnrecognizedExtension(oid, extra.der))

    def _contradictions(self) -> None:
        if not self.validity:
            raise DocumentError("validity", "must not be zero")
        constraints = self.basic_constraints
        if constraints is not None and constraints.path_length is not None and not constraints.ca:
            raise DocumentError("basic_constraints.path_length", "is only for CAs; set ca = true")
        if "keyCertSign" in (*self.key_usage, *self.requested_key_usage) and not self.is_ca:
            raise DocumentError("key_usage", "keyCertSign is only for CAs; set basic_constraints.ca = true")
        if self.is_ca and "keyCertSign" not in self.key_usage:
            raise DocumentError("key_usage", "a CA's certificate needs keyCertSign")
        for usage in ("encipherOnly", "decipherOnly"):
            if usage in self.key_usage and "keyAgreement" not in self.key_usage:
                raise DocumentError("key_usage", f"{usage} means nothing without keyAgreement")
        own = {extension.oid for extension in self.extensions}
        built = {oid.dotted_string for oid in BUILT}
        for oid in sorted(own & built):
            raise DocumentError("extensions", f"{oid} has a key of its own in the template")
        for name in self.take:
            if name in own or name in built:
                raise DocumentError("take", f"{name} is set by the template or by cmpd itself")


BUILT = (
    x509.SubjectKeyIdentifier.oid,
    x509.AuthorityKeyIdentifier.oid,
    x509.KeyUsage.oid,
    x509.ExtendedKeyUsage.oid,
    x509.BasicConstraints.oid,
    x509.SubjectAlternativeName.oid,
    x509.CertificatePolicies.oid,
    x509.CRLDistributionPoints.oid,
    x509.AuthorityInformationAccess.oid,
    x509.OCSPNoCheck.oid,
)
"""Extensions that are built from a template's other keys."""


@cache
def ready_made() -> dict[str, Template]:
    """The templates that come with cmpd, by name."""
    text = resources.files("cmpd.clm.documents").joinpath("templates.toml").read_text("utf-8")
    return {name: Template.of(name, document) for name, document in tomllib.loads(text).items()}
