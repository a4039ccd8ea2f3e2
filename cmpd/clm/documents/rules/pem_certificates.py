"""Certificates in documents: PEM outside, DER inside."""

from __future__ import annotations

from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.pkix.unreadable import UNREADABLE
from cmpd.clm.settings import DocumentError, ValueType, listing

PEM: Final = "-----BEGIN "
"""What the text of a certificate has in it, and no name of a file (RFC 7468, section 2)."""


def _certificates(value: Any, key: str) -> tuple[bytes, ...]:
    """DER of each certificate in a list of PEM texts, each of which may hold several."""
    ders: list[bytes] = []
    for index, text in enumerate(listing(ValueType(lambda item, _: item)).parse(value, key)):
        try:
            found = x509.load_pem_x509_certificates(text.encode() if isinstance(text, str) else b"")
        except UNREADABLE:
            raise DocumentError(f"{key}[{index}]", _no_certificates(text)) from None
        ders += [certificate.public_bytes(Encoding.DER) for certificate in found]
    return tuple(ders)


def _no_certificates(text: Any) -> str:
    if isinstance(text, str) and PEM in text:
        return "certificates in PEM are expected; what is there is damaged, or something else in PEM"
    return (
        "certificates in PEM are expected, as text; the name of a file with them will do in `cmpd apply`, "
        "`cmpd policy add` and `cmpd policy set`"
    )


def pem_text(der: bytes) -> str:
    """A certificate's PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


CERTIFICATES = ValueType(_certificates, lambda ders: [pem_text(der) for der in ders])
