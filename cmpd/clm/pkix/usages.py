"""What keys and certificates are for: key usages and extended key usages by name, and as extensions
(RFC 5280, sections 4.2.1.3 and 4.2.1.12)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

KEY_USAGES: dict[str, str] = {
    "digitalSignature": "digital_signature",
    "nonRepudiation": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "cRLSign": "crl_sign",
    "encipherOnly": "encipher_only",
    "decipherOnly": "decipher_only",
}
"""RFC 5280's name (section 4.2.1.3) → the name of `cryptography`."""

EXTENDED_KEY_USAGES: dict[str, str] = {
    "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH.dotted_string,
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string,
    "codeSigning": ExtendedKeyUsageOID.CODE_SIGNING.dotted_string,
    "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string,
    "timeStamping": ExtendedKeyUsageOID.TIME_STAMPING.dotted_string,
    "OCSPSigning": ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string,
    "ipsecIKE": "1.3.6.1.5.5.7.3.17",
    "cmcCA": "1.3.6.1.5.5.7.3.27",
    "cmcRA": "1.3.6.1.5.5.7.3.28",
    "cmKGA": "1.3.6.1.5.5.7.3.32",
}
"""RFC 5280's and RFC 9810's names → OID."""

_EKU_NAMES = {oid: name for name, oid in EXTENDED_KEY_USAGES.items()}


@cache
def key_usage(names: frozenset[str] | tuple[str, ...]) -> x509.KeyUsage:
    """The extension with these usages, by RFC 5280's names."""
    chosen = {KEY_USAGES[name] for name in names}
    return x509.KeyUsage(**{argument: argument in chosen for argument in KEY_USAGES.values()})


def key_usage_names(usage: x509.KeyUsage) -> frozenset[str]:
    """RFC 5280's names of the bits that are set."""
    agreement = ("encipherOnly", "decipherOnly")
    return frozenset(
        name
        for name, attribute in KEY_USAGES.items()
        if (name not in agreement or usage.key_agreement) and getattr(usage, attribute)
    )


def extended_key_usage(oids: Iterable[str]) -> x509.ExtendedKeyUsage:
    """The extension with these usages."""
    return x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in oids])


def eku_name(oid: x509.ObjectIdentifier) -> str:
    """The usage's name, or its dotted form."""
    return _EKU_NAMES.get(oid.dotted_string, oid.dotted_string)


def extension(value: x509.ExtensionType, *, critical: bool = False) -> x509.Extension[Any]:
    """A value as an extension."""
    return x509.Extension(value.oid, critical, value)
