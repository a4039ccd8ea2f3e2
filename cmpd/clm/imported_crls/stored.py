"""CRLs of other people's CAs, as the store keeps them once an operator has handed them in.

They stand beside the CRLs made here, in rows of a CA that cannot be, and so reach all workers, nodes and
backups. A row's partition is its place, which issuer name, issuer key and distribution point come to; its
number is that of the act which wrote it, as a foreign CRL's own may be absent or as long as 20 octets. One
more row, without a CRL, bears the number of the last act: whoever has read it knows whether to look again.
A CRL that was taken away leaves its row, empty, so that no number ever comes back.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from cmpd.clm.authorities.crl import SET_BACK
from cmpd.clm.pkix.keypairs import public_der
from cmpd.clm.store.base import StoreCorrupt

if TYPE_CHECKING:
    from cmpd.clm.model import StoredCRL
    from cmpd.clm.store.base import Store

IMPORTED = "imported CRLs"
"""Stands where the id of a CA does; none can be called so."""
LAST_ACT = -1
"""Where the number of the last act is."""
_HALF = 31
"""Bits of a place that the issuer's name comes to, and as many that all else does."""


ExtensionT = TypeVar("ExtensionT", bound=x509.ExtensionType)


class ImportedCRL:
    """A CRL that was verified when it was handed in, complete for what its distribution point names."""

    def __init__(self, stored: StoredCRL) -> None:
        """Reads little; the serial numbers are gathered by `prepare`. Raises StoreCorrupt."""
        self.place = stored.partition
        self.act = stored.number
        self.octets = len(stored.der)
        self.der = stored.der
        self.this_update = stored.this_update
        self.next_update = stored.next_update
        try:
            self.crl = x509.load_der_x509_crl(stored.der)
            self.issuer = self.crl.issuer
            """Its name."""
            point = extension_of(self.crl, x509.IssuingDistributionPoint)
            key = extension_of(self.crl, x509.AuthorityKeyIdentifier)
            number = extension_of(self.crl, x509.CRLNumber)
        except ValueError:
            raise StoreCorrupt(
                f"the imported CRL {id_of(stored.partition)} in the store is not a CRL any more: "
                "take it away with `cmpd crl remove` and import it again"
            ) from None
        self.number = number.crl_number if number else None
        """Its CRLNumber, where it has one."""
        self._locations = frozenset(point.full_name or ()) if point else frozenset()
        self._key_id = key.key_identifier if key else None
        self._serials: frozenset[int] | None = None
        self._found: dict[int, bool] = {}
        self._signers: dict[bytes, bool] = {}

    @property
    def id(self) -> str:
        """How an operator names it."""
        return id_of(self.place)

    def prepare(self) -> ImportedCRL:
        """Gather the serial numbers, where that was not done: some 80 ms for 100,000. Gives itself."""
        if self._serials is None:
            self._serials = frozenset(entry.serial_number for entry in self.crl)
        return self

    def lists(self, serial: int) -> bool:
        """Whether a certificate is revoked or on hold; an entry with removeFromCRL says the contrary."""
        if serial not in (self.prepare()._serials or ()):
            return False
        if serial not in self._found:
            self._found[serial] = not self._is_removed(serial)
        return self._found[serial]

    def _is_removed(self, serial: int) -> bool:
        entry = self.crl.get_revoked_certificate_by_serial_number(serial)
        reason = extension_of(entry, x509.CRLReason) if entry is not None else None
        return reason is not None and reason.reason is x509.ReasonFlags.remove_from_crl

    def needs_verification(self, issuer: x509.Certificate) -> bool:
        """Whether `is_signed_by` will take the time that reading all of it takes."""
        return issuer.subject == self.issuer and public_der(issuer.public_key()) not in self._signers

    def is_signed_by(self, issuer: x509.Certificate) -> bool:
        """Whether it is the issuer's, by name and signature; verified once for each key."""
        if issuer.subject != self.issuer:
            return False
        key = public_der(issuer.public_key())
        if key not in self._signers:
            self._signers[key] = verifies(self.crl, issuer)
        return self._signers[key]

    def may_concern(self, certificate: x509.Certificate) -> bool:
        """Whether a certificate is of the same issuer, as far as names and key identifiers tell."""
        if certificate.issuer != self.issuer:
            return False
        key = extension_of(certificate, x509.AuthorityKeyIdentifier)
        return key is None or None in (key.key_identifier, self._key_id) or key.key_identifier == self._key_id

    def covers(self, certificate: x509.Certificate) -> bool:
        """Whether a certificate of its issuer would stand here if it were revoked (RFC 5280, section 6.3.3,
        b.2.i): it names this distribution point, or this CRL is for all."""
        if not self._locations:
            return True
        points = extension_of(certificate, x509.CRLDistributionPoints) or ()
        return any(self._locations.intersection(point.full_name or ()) for point in points)

    def is_in_date(self, now: int) -> bool:
        """Whether it tells how things stand at a time, in seconds since the epoch."""
        return self.this_update - SET_BACK <= now <= self.next_update


def extension_of(
    holder: x509.Certificate | x509.CertificateRevocationList | x509.RevokedCertificate,
    kind: type[ExtensionT],
) -> ExtensionT | None:
    """An extension's value, None where absent. Raises ValueError where the extensions are malformed."""
    try:
        return holder.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from None


def verifies(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Whether the key of a certificate made a CRL's signature."""
    key: Any = issuer.public_key()  # of a kind that signs, or it is refused just below
    try:
        return crl.is_signature_valid(key)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def family_of(name: x509.Name) -> int:
    """What the places of all CRLs of issuers with this name have in common."""
    return _half(name.rfc4514_string().encode())


def family_at(place: int) -> int:
    """The family a place belongs to."""
    return place >> _HALF


def place_of(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> int:
    """Where a CRL belongs: the next one of the same issuer's key, for the same certificates, replaces it."""
    point = extension_of(crl, x509.IssuingDistributionPoint)
    scope = point.public_bytes() if point is not None else b""
    return family_of(crl.issuer) << _HALF | _half(public_der(issuer.public_key()) + scope)


def _half(octets: bytes) -> int:
    return int.from_bytes(hashlib.sha256(octets).digest()[:4], "big") >> (32 - _HALF)


def id_of(place: int) -> str:
    """A place, as operators name it."""
    return f"{place:016x}"


async def imported_crls(store: Store) -> list[ImportedCRL]:
    """All that are there, read anew, by issuer. Raises StoreError."""
    found = []
    for head in await store.crl_heads(IMPORTED):
        stored = await store.crl(IMPORTED, head.partition) if head.octets else None
        if stored is not None:
            found.append(ImportedCRL(stored))
    return sorted(found, key=lambda one: (one.issuer.rfc4514_string(), one.place))
