"""Certificates in documents: PEM outside, DER inside."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.settings import DocumentError, Kind, listing


def _certificates(value: Any, key: str) -> tuple[bytes, ...]:
    """DER of each certificate in a list of PEM texts, each of which may hold several."""
    ders: list[bytes] = []
    for index, text in enumerate(listing(Kind(lambda item, _: item)).parse(value, key)):
        where = f"{key}[{index}]"
        if not isinstance(text, str):
            raise DocumentError(where, "certificates in PEM are expected")
        try:
            found = x509.load_pem_x509_certificates(text.encode())
        except ValueError as error:
            raise DocumentError(where, f"certificates in PEM are expected: {error}") from error
        ders += [certificate.public_bytes(Encoding.DER) for certificate in found]
    return tuple(ders)


def pem_text(der: bytes) -> str:
    """A certificate's PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


CERTIFICATES = Kind(_certificates, lambda ders: [pem_text(der) for der in ders])
