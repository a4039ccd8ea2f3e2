"""X.509 from unauthenticated peers: `cryptography` parses it as it is asked for its parts, and raises all
sorts then."""

from __future__ import annotations

from functools import lru_cache

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

_REMEMBERED = 256
"""Certificates kept parsed: those of a transaction come with each of its messages, those of CAs with all."""
_LONGEST_REMEMBERED = 4096
"""Octets of one; longer ones are parsed each time, so that unauthenticated peers cannot fill the memory."""


def read_certificate(der: bytes) -> x509.Certificate | None:
    """The certificate, or None where it cannot be read to its end, but for its key.

    Raises one of UNREADABLE where it is no certificate at all.
    """
    return _remembered(der) if len(der) <= _LONGEST_REMEMBERED else _read(der)


def _read(der: bytes) -> x509.Certificate | None:
    certificate = x509.load_der_x509_certificate(der)
    return certificate if is_readable(certificate) else None


_remembered = lru_cache(_REMEMBERED)(_read)


def is_readable(certificate: x509.Certificate) -> bool:
    """Whether a certificate can be read to its end, but for its key."""
    try:
        for name in (certificate.subject, certificate.issuer):
            name.public_bytes()
        _ = certificate.extensions, certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except UNREADABLE:
        return False
    return True
