"""CA keys and certificates as they come in files: PEM, DER and PKCS #12."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key, pkcs12

from cmpd.clm.authorities.chains import CAProblem
from cmpd.clm.pkix.keypairs import KeyProblem, SigningKey, checked_signing_key
from cmpd.clm.pkix.unreadable import UNREADABLE


def read_certificates(data: bytes, where: str) -> list[x509.Certificate]:
    """Certificates in PEM (any number) or DER (one). Raises CAProblem."""
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except UNREADABLE:
        raise CAProblem(where, "certificates in PEM, or one in DER, are expected") from None


def read_key(data: bytes, password: str | None, where: str) -> SigningKey:
    """A private key in PEM or DER. Raises CAProblem."""
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        return checked_signing_key(load(data, None if password is None else password.encode()))
    except TypeError:
        hint = "is encrypted, and no passphrase was given" if password is None else "is not encrypted"
        raise CAProblem(where, f"the private key {hint}") from None
    except (ValueError, UnsupportedAlgorithm):
        hint = "; is the passphrase right?" if password is not None else ""
        raise CAProblem(where, f"a private key in PEM or DER is expected{hint}") from None
    except KeyProblem as problem:
        raise CAProblem(where, str(problem)) from None


def read_pkcs12(data: bytes, password: str | None, where: str) -> tuple[SigningKey, list[x509.Certificate]]:
    """The private key and all certificates of a PKCS #12 file. Raises CAProblem."""
    try:
        loaded = pkcs12.load_pkcs12(data, None if password is None else password.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise CAProblem(where, "a PKCS #12 file and its password are expected") from None
    certificates = [one.certificate for one in (loaded.cert, *loaded.additional_certs) if one is not None]
    if loaded.key is None or not certificates:
        raise CAProblem(where, "the PKCS #12 file contains no private key, or no certificate")
    try:
        return checked_signing_key(loaded.key), certificates
    except KeyProblem as problem:
        raise CAProblem(where, str(problem)) from None
