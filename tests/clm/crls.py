"""CRLs for tests, made by keyword arguments so that each may be broken in one place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.clm.pki import NOW, Holder

if TYPE_CHECKING:
    from collections.abc import Iterable

UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
CRL = x509.CertificateRevocationList


def point(**fields: object) -> x509.IssuingDistributionPoint:
    """An issuingDistributionPoint that says nothing but what is given."""
    flags = ("only_contains_user_certs", "only_contains_ca_certs", "indirect_crl")
    values: dict[str, object] = {
        **dict.fromkeys((*flags, "only_contains_attribute_certs"), False),
        **dict.fromkeys(("full_name", "relative_name", "only_some_reasons"), None),
    }
    return x509.IssuingDistributionPoint(**{**values, **fields})  # type: ignore[arg-type] # as the caller says


def entry(serial: int, *extensions: tuple[x509.ExtensionType, bool]) -> x509.RevokedCertificate:
    """An entry of a CRL."""
    builder = x509.RevokedCertificateBuilder(serial, datetime.fromtimestamp(NOW, UTC))
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.build()


def reason(flag: x509.ReasonFlags) -> tuple[x509.ExtensionType, bool]:
    """The extension of an entry that says why."""
    return x509.CRLReason(flag), False


@dataclass(frozen=True)
class CRLPlan:
    """What a CRL is to look like; times are days from `pki.NOW`."""

    entries: tuple[x509.RevokedCertificate, ...] = ()
    number: int | None = 1
    days: tuple[float, float] = (-1, 7)
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = ()
    key_identifier: bool = True

    def issue(self, issuer: Holder) -> CRL:
        """Signed by `issuer`."""
        moment = datetime.fromtimestamp(NOW, UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.certificate.subject)
            .last_update(moment + timedelta(days=self.days[0]))
            .next_update(moment + timedelta(days=self.days[1]))
        )
        for value, critical in (*self._own_extensions(issuer), *self.extensions):
            builder = builder.add_extension(value, critical)
        for one in self.entries:
            builder = builder.add_revoked_certificate(one)
        hashed = isinstance(issuer.key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        return builder.sign(issuer.key, hashes.SHA256() if hashed else None)

    def _own_extensions(self, issuer: Holder) -> list[tuple[x509.ExtensionType, bool]]:
        found: list[tuple[x509.ExtensionType, bool]] = []
        if self.number is not None:
            found.append((x509.CRLNumber(self.number), False))
        if self.key_identifier:
            key = issuer.key.public_key()
            found.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(key), False))
        return found


def revoking(*holders: Holder, **plan: object) -> CRLPlan:
    """A CRL that lists these certificates."""
    entries: Iterable[x509.RevokedCertificate] = (
        entry(one.certificate.serial_number, reason(x509.ReasonFlags.key_compromise)) for one in holders
    )
    return CRLPlan(entries=tuple(entries), **plan)  # type: ignore[arg-type] # fields of it
