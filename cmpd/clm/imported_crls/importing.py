"""Takes in CRLs of other people's CAs: read, verified, stored where no later one is (RFC 5280, section 5).

A CRL is taken from the issuers that the policies trust, and from CAs that those certified. What would be
misread as complete is refused: delta and indirect CRLs, and those for some kinds of certificates or some
reasons only. One for a distribution point is taken, for the certificates that name it. One that is out of
date is taken, too: what it lists is revoked all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from cmpd.clm.authorities.crl import SET_BACK
from cmpd.clm.documents.policy import Policy
from cmpd.clm.imported_crls.stored import (
    IMPORTED,
    LAST_ACT,
    ImportedCRL,
    extension_of,
    id_of,
    place_of,
    verifies,
)
from cmpd.clm.model import ObjectKind, StoredCRL
from cmpd.clm.pkix.paths import PathError, build_path, describe, extension
from cmpd.clm.pkix.unreadable import UNREADABLE, is_readable
from cmpd.clm.settings import DocumentError
from cmpd.clm.store.changes import PutCRL, audited
from cmpd.times import seconds_of

if TYPE_CHECKING:
    from cmpd.clm.model import Act
    from cmpd.clm.store.base import Store

LARGEST = 16 << 20
"""Octets of a file of CRLs: some 300,000 entries, which take two seconds to look at."""
PEM = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)

UNDERSTOOD = {
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.CRL_NUMBER,
    ExtensionOID.ISSUING_DISTRIBUTION_POINT,
}
"""Extensions of a CRL that may be critical."""
UNDERSTOOD_OF_ENTRIES = {CRLEntryExtensionOID.CRL_REASON}
PARTIAL = {
    "indirect_crl": "is indirect: its entries may be other issuers'",
    "only_contains_user_certs": "is for end entity certificates only (onlyContainsUserCerts)",
    "only_contains_ca_certs": "is for CA certificates only (onlyContainsCACerts)",
    "only_contains_attribute_certs": "is for attribute certificates (onlyContainsAttributeCerts)",
    "only_some_reasons": "is for some reasons of revocation only (onlySomeReasons)",
    "relative_name": "names its distribution point relative to the issuer (nameRelativeToCRLIssuer)",
}
"""What an issuingDistributionPoint may say that is not supported → in words."""


class CRLRefused(Exception):
    """A CRL is not taken; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class Import:
    """What came of a CRL that was handed in."""

    crl: ImportedCRL
    is_new: bool
    """Or it was there already."""


def read_crls(octets: bytes) -> list[x509.CertificateRevocationList]:
    """One CRL in DER, or any number in PEM. Raises CRLRefused."""
    if len(octets) > LARGEST:
        raise CRLRefused(f"longer than {LARGEST >> 20} MiB, the most that is taken")
    try:
        if b"-----BEGIN" not in octets:
            return [x509.load_der_x509_crl(octets)]
        found = [x509.load_pem_x509_crl(block) for block in PEM.findall(octets)]
    except UNREADABLE:
        found = []
    if not found:
        raise CRLRefused("no CRL: one in DER, or some in PEM (X509 CRL), are expected")
    return found


async def trusted_issuers(store: Store, more: Sequence[x509.Certificate], now: int) -> list[x509.Certificate]:
    """Whose CRLs are taken: of the certificates that policies name, and of `more`, each of which has to have
    a path to one of those. Raises CRLRefused, StoreError."""
    anchors = list(dict.fromkeys(await _certificates_of_policies(store)))
    for certificate in more:
        if not is_readable(certificate):
            raise CRLRefused("the issuer's certificate cannot be read to its end")
        try:
            build_path(certificate, more, anchors, now)
        except PathError as error:
            raise CRLRefused(f"the issuer is not trusted by any policy: {error}") from None
    return [*(x509.load_der_x509_certificate(der) for der in anchors), *more]


async def _certificates_of_policies(store: Store) -> list[bytes]:
    found: list[bytes] = []
    for stored in await store.objects(ObjectKind.POLICY):
        try:
            found += Policy.of(stored.id, stored.name, stored.document).certificates()
        except DocumentError:  # which is not served, as `cmpd check` says
            continue
    return found


async def import_crl(
    store: Store, crl: x509.CertificateRevocationList, issuers: Iterable[x509.Certificate], act: Act
) -> Import:
    """Verify a CRL and store it. Raises CRLRefused, StoreError."""
    issuer = _issuer_of(crl, issuers)
    _check_scope(crl)
    this_update, next_update = _times(crl, act.time)
    _check_entries(crl)
    place = place_of(crl, issuer)
    async with store.crl_lock(IMPORTED, 0):
        stored = await store.crl(IMPORTED, place)
        known = ImportedCRL(stored) if stored is not None and stored.der else None
        der = crl.public_bytes(Encoding.DER)
        if known is not None and known.der == der:
            return Import(known, is_new=False)
        number = extension_of(crl, x509.CRLNumber)
        if known is not None:
            _check_later(number.crl_number if number else None, this_update, known)
        act_number = await _next_act(store)
        taken = StoredCRL(IMPORTED, place, act_number, der, this_update, next_update)
        imported = ImportedCRL(taken)
        event = audited(act, "crl.import", f"crl:{imported.id}", **_told(imported))
        await store.commit((PutCRL(taken), _marked(act_number), event))
    return Import(imported, is_new=True)


async def remove_crl(store: Store, id: str, act: Act) -> None:
    """Take an imported CRL away. Raises CRLRefused where there is none of that id, StoreError."""
    async with store.crl_lock(IMPORTED, 0):
        known = {id_of(head.partition): head for head in await store.crl_heads(IMPORTED) if head.octets}
        if id not in known:
            raise CRLRefused(f"no imported CRL has the id {id!r}; there are: {', '.join(known) or 'none'}")
        number = await _next_act(store)
        empty = StoredCRL(IMPORTED, known[id].partition, number, b"", 0, 0)
        event = audited(act, "crl.remove", f"crl:{id}")
        await store.commit((PutCRL(empty), _marked(number), event))


def _told(crl: ImportedCRL) -> dict[str, str | int]:
    number = {} if crl.number is None else {"number": str(crl.number)}  # up to 20 octets
    times = {"this_update": crl.this_update, "next_update": crl.next_update}
    return {"issuer": crl.issuer.rfc4514_string(), **number, **times, "entries": len(crl.crl)}


async def _next_act(store: Store) -> int:
    last = await store.crl(IMPORTED, LAST_ACT)
    return last.number + 1 if last is not None else 1


def _marked(number: int) -> PutCRL:
    return PutCRL(StoredCRL(IMPORTED, LAST_ACT, number, b"", 0, 0))


def _issuer_of(crl: x509.CertificateRevocationList, issuers: Iterable[x509.Certificate]) -> x509.Certificate:
    """The certificate whose key signed it, which may sign CRLs (RFC 5280, section 6.3.3, f)."""
    try:
        name, algorithm = crl.issuer, crl.signature_hash_algorithm
    except UNREADABLE:
        raise CRLRefused("the CRL's algorithm or issuer is not understood") from None
    who = _who(name)
    if algorithm is not None and algorithm.name in ("md5", "sha1"):
        raise CRLRefused(f"{who} is signed with {algorithm.name.upper()}, which is not believed")
    named = [one for one in issuers if one.subject == name]
    if not named:
        raise CRLRefused(f"{who}: no policy names its issuer's certificate; hand it in with --issuer FILE")
    signers = [one for one in named if verifies(crl, one)]
    if not signers:
        raise CRLRefused(
            f"{who} has a signature that the issuer's certificate did not make; where the "
            "issuer has another key, hand its certificate in with --issuer FILE"
        )
    fit = next((one for one in signers if _may_sign_crls(one)), None)
    if fit is None:
        raise CRLRefused(f"{who}: its issuer may not sign CRLs (keyUsage does not have cRLSign)")
    return fit


def _who(issuer: x509.Name) -> str:
    return f"the CRL of {describe(issuer)}"


def _may_sign_crls(issuer: x509.Certificate) -> bool:
    try:
        usage = extension(issuer, x509.KeyUsage)
    except PathError:
        return False
    return usage is None or usage.crl_sign


def _check_scope(crl: x509.CertificateRevocationList) -> None:
    who = _who(crl.issuer)
    try:
        extensions = list(crl.extensions)
    except UNREADABLE:
        raise CRLRefused(f"{who} has malformed extensions") from None
    for one in extensions:
        if isinstance(one.value, x509.DeltaCRLIndicator):
            raise CRLRefused(f"{who} is a delta CRL; hand in the complete one")
        if one.critical and one.oid not in UNDERSTOOD:
            raise CRLRefused(f"{who} has an unknown critical extension, {one.oid.dotted_string}")
        if isinstance(one.value, x509.IssuingDistributionPoint):
            for field, words in PARTIAL.items():
                if getattr(one.value, field):
                    raise CRLRefused(f"{who} {words}, which is not supported; hand in one for all")


def _times(crl: x509.CertificateRevocationList, now: int) -> tuple[int, int]:
    """(thisUpdate, nextUpdate), in seconds since the epoch."""
    who = _who(crl.issuer)
    if crl.next_update_utc is None:
        raise CRLRefused(f"{who} has no nextUpdate, and so never tells when it is out of date")
    this_update = seconds_of(crl.last_update_utc)
    if this_update - now > SET_BACK:
        raise CRLRefused(f"{who} is of {crl.last_update_utc:%Y-%m-%d %H:%M:%S} UTC, which is yet to come")
    return this_update, seconds_of(crl.next_update_utc)


def _check_entries(crl: x509.CertificateRevocationList) -> None:
    who = _who(crl.issuer)
    try:
        for one in _critical_in_entries(crl):
            if one == CRLEntryExtensionOID.CERTIFICATE_ISSUER:
                raise CRLRefused(f"{who} is indirect: it has entries of another issuer's (certificateIssuer)")
            if one not in UNDERSTOOD_OF_ENTRIES:
                raise CRLRefused(
                    f"{who} has an entry with an unknown critical extension, {one.dotted_string}"
                )
    except UNREADABLE:
        raise CRLRefused(f"{who} has a malformed entry") from None


def _critical_in_entries(crl: x509.CertificateRevocationList) -> Iterator[x509.ObjectIdentifier]:
    for entry in crl:
        for one in entry.extensions:
            if one.critical or one.oid == CRLEntryExtensionOID.CERTIFICATE_ISSUER:
                yield one.oid


def _check_later(number: int | None, this_update: int, known: ImportedCRL) -> None:
    """Raises CRLRefused where a CRL is not later than the one that is there."""
    who = _who(known.issuer)
    remedy = f"; `cmpd crl remove {known.id}` lets it in all the same"
    if number is not None and known.number is not None and number < known.number:
        raise CRLRefused(f"{who} has the number {number}, but number {known.number} is there{remedy}")
    if this_update < known.this_update:
        raise CRLRefused(f"{who} is older than the one that is there{remedy}")
    if number == known.number and (number is not None or this_update == known.this_update):
        raise CRLRefused(f"{who} differs from the one that is there, and is no later{remedy}")
