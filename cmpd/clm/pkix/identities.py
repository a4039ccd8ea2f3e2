"""What in a certificate that somebody else issued names an end entity, as keys that are found by equality."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from cmpd.clm.pkix.names import comparison_key, parse_name, value_key

FINGERPRINT: Final = "fingerprint"
"""SHA-256 of the certificate's DER."""
SUBJECT: Final = "subject"
SERIAL_NUMBER: Final = "serialNumber"
"""X.520 serialNumber, an attribute of the subject."""
KINDS: Final = (SUBJECT, SERIAL_NUMBER, FINGERPRINT)


def fingerprint_of(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER in lower hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def keys_of(certificate: x509.Certificate) -> list[tuple[str, str]]:
    """(kind, key), the most specific first: fingerprint, subject, each serialNumber in the subject."""
    keys = [(FINGERPRINT, fingerprint_of(certificate))]
    if certificate.subject.rdns:
        keys.append((SUBJECT, comparison_key(certificate.subject)))
    keys.extend(
        (SERIAL_NUMBER, value_key(str(attribute.value)))
        for attribute in certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    )
    return keys


def identity_key(kind: str, value: str) -> str:
    """What an identity, of a kind and with a value as it is stored, has in common with the certificates it
    is found in. A subject that cannot be read gets a key that no certificate has."""
    if kind == SUBJECT:
        try:
            return comparison_key(parse_name(value))
        except ValueError:
            return f"?{value}"
    return value_key(value) if kind == SERIAL_NUMBER else value
