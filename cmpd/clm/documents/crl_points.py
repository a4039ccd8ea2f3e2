"""Where a CA's CRLs are: one for all its certificates, or one for each range of its serial numbers.

Serial numbers are random, so equal ranges hold equally many certificates. The store keeps what is revoked
in order of serial number, so the CRL of one range is made without reading the others. The number of ranges
belongs to the CA's key: certificates name their CRL, and that never changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cryptography import x509

from cmpd.clm.model import EVERY_SERIAL
from cmpd.clm.settings import count

MOST_PARTITIONS = 1024
"""With one certificate in a hundred revoked, 100 million make CRLs of some 36 KB."""
PARTITIONS = count(1, MOST_PARTITIONS)
_BITS = 159
"""Serial numbers made here are below 2 to this power; others below twice that are in the last range."""


@dataclass(frozen=True, slots=True)
class CrlPoints:
    """The distribution points of one CA."""

    url: str
    """The CA's base URL."""
    ca: str
    """Its id."""
    partitions: int = 1
    former_urls: tuple[str, ...] = ()
    """Base URLs that certificates issued earlier name."""

    def partition_of(self, serial: int) -> int:
        """On which of the CRLs, counted from 0, the certificate would stand."""
        return min(serial * self.partitions >> _BITS, self.partitions - 1)

    def serials(self, partition: int) -> range:
        """The serial numbers a CRL is for."""
        if partition == self.partitions - 1:
            return EVERY_SERIAL[self._first(partition) :]
        return range(self._first(partition), self._first(partition + 1))

    def _first(self, partition: int) -> int:
        return -(-(partition << _BITS) // self.partitions)

    def name(self, partition: int) -> str:
        """``<ca>`` where the CA has one CRL, else ``<ca>/<partition>``."""
        return self.ca if self.partitions == 1 else f"{self.ca}/{partition}"

    def location(self, partition: int) -> str:
        """The URL that certificates name from now on."""
        return f"{self.url}/crl/{self.name(partition)}.crl"

    def locations(self, partition: int) -> list[x509.GeneralName]:
        """All URLs that certificates name, for the CRL's issuingDistributionPoint: only where one is alike
        does a verifier take the CRL for the certificate's (RFC 5280, section 6.3.3 (b) (2))."""
        places = (self, *(replace(self, url=url) for url in self.former_urls))
        return [x509.UniformResourceIdentifier(place.location(partition)) for place in places]

    def published(self, partition: int | None) -> int | None:
        """Which CRL is meant by a URL with, or without, a partition in it; None: there is none there."""
        if self.partitions == 1:
            return 0 if partition is None else None
        return partition if partition is not None and partition < self.partitions else None

    def extension(self, serial: int) -> x509.Extension[x509.CRLDistributionPoints]:
        """The certificate's cRLDistributionPoints."""
        return point([x509.UniformResourceIdentifier(self.location(self.partition_of(serial)))])


def point(names: list[x509.GeneralName]) -> x509.Extension[x509.CRLDistributionPoints]:
    """The cRLDistributionPoints with one point of these names."""
    points = x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])
    return x509.Extension(points.oid, False, points)
