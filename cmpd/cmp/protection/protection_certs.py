"""What the certificate says of whoever signed a message: who it is, with which key, for what (RFC 9483,
sections 3.1, 3.2 and 5)."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cmpd.clm.pkix.unreadable import UNREADABLE
from cmpd.cmp import protection
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.general_names import directory_name


def name_of(der: bytes) -> str:
    """The party that is known by this certificate."""
    return f"cert:{hashlib.sha256(der).hexdigest()}"


def key_of(certificate: x509.Certificate) -> protection.PublicKey:
    """Its public key. Raises CMPFailure badAlg."""
    try:
        return certificate.public_key()
    except UNREADABLE as error:
        raise CMPFailure(
            FailInfo.badAlg, "the protection certificate's key is of no supported kind", detail=str(error)
        ) from None


def key_name(key_hash: bytes, entity: str) -> str:
    """The party that is an end entity by the key that signs; `key_hash`: SHA-256 of its SPKI."""
    return f"key:{key_hash.hex()}:{entity}"


def key_hash(certificate: x509.Certificate) -> bytes:
    """SHA-256 of its SubjectPublicKeyInfo. Raises CMPFailure badAlg."""
    spki = key_of(certificate).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def names(certificate: x509.Certificate) -> bytes:
    """Its subject, as the DER of the GeneralName that sender has to be."""
    return directory_name(certificate.subject.public_bytes())


def _key_id(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def fits(certificate: x509.Certificate, kid: bytes | None, sender: bytes) -> bool:
    """Whether a certificate may be the one that senderKID and sender mean (RFC 9483, section 3.1)."""
    own = _key_id(certificate)
    if kid is not None and own is not None:
        return kid == own
    return names(certificate) == sender


def may_sign(certificate: x509.Certificate) -> bool:
    """Whether keyUsage, where there is one, has digitalSignature (RFC 9483, section 3.2)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except x509.ExtensionNotFound:
        return True
