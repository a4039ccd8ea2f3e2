"""X.509 from strangers: `cryptography` parses it as it is asked for its parts, and raises all sorts then."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises for certificates and requests that it cannot read."""


def read_certificate(der: bytes) -> x509.Certificate | None:
    """A certificate that can be read to its end, but for its key; None for any other."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        for name in (certificate.subject, certificate.issuer):
            name.public_bytes()
        _ = certificate.extensions, certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except UNREADABLE:
        return None
    return certificate
