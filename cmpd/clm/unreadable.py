"""X.509 from strangers: `cryptography` parses it as it is asked for its parts, and raises all sorts then."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

UNREADABLE = (
    TypeError,  # a BIT STRING among a name's attributes
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises for certificates and requests that it cannot read."""


def is_readable(certificate: x509.Certificate) -> bool:
    """Whether a certificate can be read to its end, but for its key."""
    try:
        for name in (certificate.subject, certificate.issuer):
            name.public_bytes()
        _ = certificate.extensions, certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except UNREADABLE:
        return False
    return True
