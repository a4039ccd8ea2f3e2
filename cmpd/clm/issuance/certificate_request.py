"""A certificate request, as the protocol hands it over."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from cmpd.records import quick_dataclass

NO_EXTENSIONS = x509.Extensions([])


@quick_dataclass(frozen=True, slots=True)
class CertificateRequest:
    """What is asked for, in whichever syntax it came; its proof of possession has been checked."""

    subject: x509.Name
    public_key: CertificatePublicKeyTypes
    extensions: x509.Extensions = NO_EXTENSIONS
    not_before: int | None = None
    not_after: int | None = None
