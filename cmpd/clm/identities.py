"""What names an end entity in a certificate that somebody else issued (see `Entity.identities`)."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID


def identities_of(certificate: x509.Certificate) -> list[tuple[str, str]]:
    """(kind, value), the most specific first: fingerprint, subject, each X.520 serialNumber in it."""
    identities = [("fingerprint", certificate.fingerprint(hashes.SHA256()).hex())]
    if list(certificate.subject):
        identities.append(("subject", certificate.subject.rfc4514_string()))
    identities.extend(
        ("serialNumber", str(attribute.value))
        for attribute in certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    )
    return identities
