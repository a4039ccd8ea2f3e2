"""Distinguished names: attribute types by short name, and names composed from patterns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from cmpd.clm.settings import DocumentError, ValueType

ATTRIBUTES: dict[str, x509.ObjectIdentifier] = {
    "CN": NameOID.COMMON_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "SN": NameOID.SURNAME,
    "GN": NameOID.GIVEN_NAME,
    "title": NameOID.TITLE,
    "dnQualifier": NameOID.DN_QUALIFIER,
    "pseudonym": NameOID.PSEUDONYM,
    "street": NameOID.STREET_ADDRESS,
    "postalCode": NameOID.POSTAL_CODE,
    "businessCategory": NameOID.BUSINESS_CATEGORY,
    "organizationIdentifier": NameOID.ORGANIZATION_IDENTIFIER,
}
_SHORT = {oid: name for name, oid in ATTRIBUTES.items()}
LONGEST_VALUE = 256
"""Characters; longer attribute values are refused, whatever the patterns say."""


def short_name(oid: x509.ObjectIdentifier) -> str:
    """``CN`` and so on; the dotted form of a type without a short name."""
    return _SHORT.get(oid) or oid.dotted_string


def attribute_oid(name: str) -> x509.ObjectIdentifier:
    """The attribute type of a short name or dotted OID. Raises ValueError."""
    return ATTRIBUTES.get(name) or x509.ObjectIdentifier(name)


def _attribute(value: Any, key: str) -> str:
    try:
        return short_name(attribute_oid(value))
    except (ValueError, TypeError) as error:
        known = ", ".join(ATTRIBUTES)
        raise DocumentError(key, f"unknown attribute type {value!r}; known are {known} and OIDs") from error


ATTRIBUTE = ValueType(_attribute)
"""A setting that names an attribute type."""


def name_text(name: x509.Name) -> str:
    """RFC 4514 text that `cmpd.clm.pkix.names.parse_name` reads."""
    return name.rfc4514_string(_SHORT)


def split_rdn(pattern: str) -> tuple[str, str]:
    """(short name, value pattern) of ``CN=...``. Raises ValueError."""
    name, equals, value = pattern.partition("=")
    if not equals or not value:
        raise ValueError(f"{pattern!r} is not of the form CN=value")
    return short_name(attribute_oid(name)), value


def without(name: x509.Name, unwanted: Callable[[x509.NameAttribute[Any]], bool]) -> x509.Name:
    """The name without the attributes `unwanted` picks; the order of the others stays."""
    rdns: Iterable[list[x509.NameAttribute[Any]]] = (
        [attribute for attribute in rdn if not unwanted(attribute)] for rdn in name.rdns
    )
    return x509.Name([x509.RelativeDistinguishedName(rdn) for rdn in rdns if rdn])


PLACEHOLDER = re.compile(r"\{([a-zA-Z_]+(?:\.[^{}]+)?)\}")


def fill(pattern: str, values: Callable[[str], str | None]) -> str | None:
    """The pattern with each ``{placeholder}`` replaced; None where a value is not to be had."""
    missing = False

    def value_of(match: re.Match[str]) -> str:
        nonlocal missing
        value = values(match[1])
        missing = missing or not value
        return value or ""

    text = PLACEHOLDER.sub(value_of, pattern)
    return None if missing else text
