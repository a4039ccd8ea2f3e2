"""What makes a certificate a CA's, and the chain from one up to its root, for CAs made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.pkix import keypairs
from cmpd.clm.pkix.attributes import name_text
from cmpd.clm.settings import DocumentError
from cmpd.times import seconds_of

SKEW = 300
"""Seconds by which clocks may differ."""


class CAProblem(DocumentError):
    """A CA cannot be made as asked; `key` names which part, the text what would be right."""


def ordered_chain(
    certificates: Sequence[x509.Certificate], key: Any, now: int
) -> tuple[x509.Certificate, tuple[bytes, ...]]:
    """(the certificate of the key, DER of those above it up to the root). Raises CAProblem."""
    own_der = keypairs.public_der(key)
    own = [one for one in certificates if keypairs.public_der(one.public_key()) == own_der]
    if not own:
        raise CAProblem("certificate", "none of the certificates is that of the private key")
    certificate = own[0]
    _check_ca(certificate, now)
    path = [certificate]
    while path[-1].issuer != path[-1].subject:
        above = [one for one in certificates if one.subject == path[-1].issuer and _issued(one, path[-1])]
        if not above or len(path) > len(certificates):
            raise CAProblem(
                "chain",
                f"the certificate of {name_text(path[-1].issuer)} is missing, which issued "
                f"{name_text(path[-1].subject)}; give all certificates up to the root",
            )
        _check_ca(above[0], now)
        path.append(above[0])
    return certificate, tuple(one.public_bytes(Encoding.DER) for one in path[1:])


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not the issuer
        return False
    return True


def _check_ca(certificate: x509.Certificate, now: int) -> None:
    who = name_text(certificate.subject) or "the certificate"
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise CAProblem("certificate", f"{who} is not a CA (basicConstraints)")
    except x509.ExtensionNotFound:
        raise CAProblem("certificate", f"{who} is not a CA: it has no basicConstraints") from None
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        pass
    else:
        if not usage.key_cert_sign:
            raise CAProblem("certificate", f"{who} may not sign certificates (keyUsage)")
    if seconds_of(certificate.not_valid_after_utc) <= now:
        raise CAProblem("certificate", f"{who} is expired")
    if seconds_of(certificate.not_valid_before_utc) > now + SKEW:
        raise CAProblem("certificate", f"{who} is not valid yet")
