"""Certificates that others issued are refused by the CRLs that were handed in (RFC 5280, section 6.3)."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cmpd.clm.imported_crls import revocations
from cmpd.clm.imported_crls.importing import import_crl, remove_crl
from cmpd.clm.imported_crls.revocations import Revocations, Revoked, StatusUnknown
from cmpd.clm.imported_crls.stored import (
    IMPORTED,
    LAST_ACT,
    family_at,
    family_of,
    imported_crls,
    place_of,
    verifies,
)
from cmpd.clm.model import Act, CRLHead, StoredCRL
from cmpd.clm.store.base import Store, StoreCorrupt
from cmpd.clm.store.changes import PutCRL
from tests.clm.conftest import PKI
from tests.clm.crls import CRL, CRLPlan, entry, point, reason, revoking
from tests.clm.pki import NOW, Holder, Plan, key, name

ACT = Act("operator:test", NOW)
ROOT = Plan(name("Vendor Root"), key("P-256", 40), ca=True).issue(None)
WORKS = Plan(name("Vendor Works"), key("P-256", 41), ca=True).issue(ROOT)
HERE = x509.UniformResourceIdentifier("http://vendor.example/here.crl")
ELSEWHERE = x509.UniformResourceIdentifier("http://vendor.example/elsewhere.crl")
POINTS = x509.CRLDistributionPoints([x509.DistributionPoint([HERE], None, None, None)])
DEVICE = Plan(name("device"), key("P-256", 42), extensions=((POINTS, False),)).issue(WORKS)
OTHER = Plan(name("other"), key("P-256", 48)).issue(WORKS)
NAMESAKE = Plan(name("Vendor Works"), key("P-256", 44), ca=True).issue(ROOT)
PATH = [one.certificate for one in (DEVICE, WORKS, ROOT)]

STALE = (-9, -2)
OF_ROOT = CRLPlan().issue(ROOT)
OF_WORKS = CRLPlan().issue(WORKS)


def of_works(*entries: x509.RevokedCertificate) -> CRL:
    return CRLPlan(entries=entries).issue(WORKS)


def listed(flag: x509.ReasonFlags) -> x509.RevokedCertificate:
    return entry(DEVICE.certificate.serial_number, reason(flag))


def partial(where: x509.GeneralName, *holders: Holder, number: int = 1) -> CRL:
    """The works' CRL of a distribution point."""
    extensions = ((point(full_name=[where]), True),)
    return revoking(*holders, number=number, extensions=extensions).issue(WORKS)


@dataclass(frozen=True)
class Row:
    """What CRLs come to, where one is not required and where it is: None, or whose certificate is refused."""

    given: str | None
    required: str | None
    crls: list[CRL] = field(default_factory=list)


FINE = Row(None, None, [OF_ROOT, OF_WORKS])
ROWS = {
    "nobody is revoked": FINE,
    "no CRL": Row(None, "unknown device"),
    "none of the anchor's": Row(None, "unknown works", [OF_WORKS]),
    "none of the issuer's": Row(None, "unknown device", [OF_ROOT]),
    "the leaf is revoked": Row("revoked device", "revoked device", [OF_ROOT, revoking(DEVICE).issue(WORKS)]),
    "the leaf alone, with nothing of the anchor's": Row(
        "revoked device", "revoked device", [revoking(DEVICE).issue(WORKS)]
    ),
    "the intermediate is revoked": Row(
        "revoked works", "revoked works", [revoking(WORKS).issue(ROOT), OF_WORKS]
    ),
    "the anchor is revoked by itself": Row(
        "revoked root", "revoked root", [revoking(ROOT).issue(ROOT), OF_WORKS]
    ),
    "the leaf is on hold": Row(
        "revoked device", "revoked device", [OF_ROOT, of_works(listed(x509.ReasonFlags.certificate_hold))]
    ),
    "the leaf was released": Row(None, None, [OF_ROOT, of_works(listed(x509.ReasonFlags.remove_from_crl))]),
    "another is revoked": Row(None, None, [OF_ROOT, revoking(OTHER).issue(WORKS)]),
    "out of date": Row(None, "unknown device", [OF_ROOT, CRLPlan(days=STALE).issue(WORKS)]),
    "out of date, and the leaf is on it": Row(
        "revoked device", "revoked device", [OF_ROOT, revoking(DEVICE, days=STALE).issue(WORKS)]
    ),
    "that of another key of the issuer's name": Row(
        None, "unknown device", [OF_ROOT, revoking(DEVICE).issue(NAMESAKE)]
    ),
    "of both keys of the issuer's name": Row(
        None, None, [OF_ROOT, OF_WORKS, revoking(DEVICE).issue(NAMESAKE)]
    ),
    "the serial number of another issuer's": Row(None, None, [revoking(DEVICE).issue(ROOT), OF_WORKS]),
    "for the leaf's distribution point": Row(None, None, [OF_ROOT, partial(HERE)]),
    "for another distribution point": Row(None, "unknown device", [OF_ROOT, partial(ELSEWHERE)]),
    "for both": Row(None, None, [OF_ROOT, partial(HERE), partial(ELSEWHERE)]),
    "for both, and the leaf is on one": Row(
        "revoked device", "revoked device", [OF_ROOT, partial(ELSEWHERE), partial(HERE, DEVICE)]
    ),
}


async def imported(store: Store, *crls: CRL) -> None:
    issuers = [one.certificate for one in (ROOT, WORKS, NAMESAKE)]
    for crl in crls:
        await import_crl(store, crl, issuers, ACT)


async def verdict(revocations: Revocations, path: list[x509.Certificate], *, required: bool) -> str | None:
    try:
        await revocations.check(path, NOW, required=required)
    except (Revoked, StatusUnknown) as error:
        (refused,) = (who for who in ("device", "Works", "Root") if who in str(error).split(" has ")[0])
        return f"{'revoked' if isinstance(error, Revoked) else 'unknown'} {refused.lower()}"
    return None


@pytest.mark.parametrize("case", ROWS)
def test_a_path_is_as_good_as_its_issuers_crls_say(pki: PKI, case: str) -> None:
    row = ROWS[case]

    async def work(store: Store) -> tuple[str | None, str | None]:
        await imported(store, *row.crls)
        revocations = Revocations(store)
        given = await verdict(revocations, PATH, required=False)
        return given, await verdict(revocations, PATH, required=True)

    assert pki.run(work) == (row.given, row.required)


def test_a_leaf_that_is_the_anchor_itself_is_refused_where_its_issuers_crl_lists_it(pki: PKI) -> None:
    async def work(store: Store) -> list[str | None]:
        revocations = Revocations(store)
        before = await verdict(revocations, PATH[:1], required=True)
        await imported(store, revoking(DEVICE).issue(NAMESAKE))
        namesake = await verdict(revocations, PATH[:1], required=True)
        await imported(store, revoking(DEVICE).issue(WORKS))
        return [before, namesake, await verdict(revocations, PATH[:1], required=True)]

    assert pki.run(work) == [None, None, "revoked device"]


def test_what_is_handed_in_or_taken_away_counts_from_the_next_check(pki: PKI) -> None:
    async def work(store: Store) -> list[str | None]:
        revocations = Revocations(store)
        seen = [await verdict(revocations, PATH, required=False)]
        await imported(store, OF_WORKS)
        seen.append(await verdict(revocations, PATH, required=False))
        await imported(store, revoking(DEVICE, number=2).issue(WORKS))
        seen.append(await verdict(revocations, PATH, required=False))
        (crl,) = await imported_crls(store)
        await remove_crl(store, crl.id, ACT)
        seen.append(await verdict(revocations, PATH, required=False))
        await imported(store, revoking(DEVICE).issue(WORKS))
        return [*seen, await verdict(revocations, PATH, required=False)]

    assert pki.run(work) == [None, None, "revoked device", None, "revoked device"]


@pytest.mark.parametrize(
    ("crls", "expected"),
    [
        ([], False),
        ([OF_WORKS], False),
        ([revoking(DEVICE).issue(WORKS)], True),
        ([revoking(DEVICE, days=STALE).issue(WORKS)], True),
        ([revoking(DEVICE).issue(NAMESAKE)], False),
        ([revoking(DEVICE).issue(ROOT)], False),
        ([revoking(DEVICE, key_identifier=False).issue(WORKS)], True),
    ],
)
def test_a_certificate_is_looked_up_without_a_path_by_issuer_and_serial_number(
    pki: PKI, crls: list[CRL], expected: bool
) -> None:
    async def work(store: Store) -> bool:
        await imported(store, *crls)
        return await Revocations(store).is_revoked(DEVICE.der)

    assert pki.run(work) is expected


def test_a_row_changed_in_the_store_is_not_believed(pki: PKI) -> None:
    """Whoever can write to the store, and has no CA's key, revokes nobody's certificate in a path."""
    forged = revoking(DEVICE).issue(NAMESAKE)
    at = place_of(OF_WORKS, WORKS.certificate)

    async def put(store: Store, number: int, der: bytes) -> None:
        rows = (
            StoredCRL(IMPORTED, at, number, der, NOW, NOW + 9),
            StoredCRL(IMPORTED, LAST_ACT, number, b"", 0, 0),
        )
        await store.commit([PutCRL(one) for one in rows])

    async def work(store: Store) -> str | None:
        await imported(store, OF_WORKS)
        await put(store, 5, forged.public_bytes(Encoding.DER))
        revocations = Revocations(store)
        seen = await verdict(revocations, PATH, required=False)
        await put(store, 6, b"no CRL")
        with pytest.raises(StoreCorrupt, match="cmpd crl remove"):
            await revocations.check(PATH, NOW, required=False)
        await remove_crl(store, f"{at:016x}", ACT)
        await revocations.check(PATH, NOW, required=False)
        return seen

    assert pki.run(work) is None


class Counting:
    """A store that counts how often its CRLs are read, by what for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads: list[str] = []

    async def crl(self, ca: str, partition: int) -> StoredCRL | None:
        self.reads.append("last act" if partition == LAST_ACT else "crl")
        return await self._store.crl(ca, partition)

    async def crl_heads(self, ca: str) -> list[CRLHead]:
        self.reads.append("heads")
        return await self._store.crl_heads(ca)


def test_crls_are_read_and_verified_once_until_there_are_others(
    pki: PKI, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[x509.Name] = []

    def counted(crl: CRL, issuer: x509.Certificate) -> bool:
        verified.append(crl.issuer)
        return verifies(crl, issuer)

    async def work(store: Store) -> list[str]:
        await imported(store, OF_ROOT, OF_WORKS)
        monkeypatch.setattr("cmpd.clm.imported_crls.stored.verifies", counted)
        counting = Counting(store)
        revocations = Revocations(counting)  # type: ignore[arg-type] # as much of a store as it asks
        for _ in range(3):
            await revocations.check(PATH, NOW, required=True)
        return counting.reads

    assert pki.run(work) == ["last act", "heads", "crl", "crl", "last act", "last act"]
    assert len(verified) == 2


def test_what_is_kept_parsed_is_bounded(pki: PKI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "MOST_OCTETS", 1)

    async def work(store: Store) -> list[str]:
        await imported(store, OF_ROOT, OF_WORKS)
        counting = Counting(store)
        revocations = Revocations(counting)  # type: ignore[arg-type] # as much of a store as it asks
        for _ in range(2):
            await revocations.check(PATH, NOW, required=True)
        return counting.reads

    assert pki.run(work).count("crl") > 2


def test_of_100_000_entries_one_is_found(pki: PKI) -> None:
    entries = tuple(entry(number) for number in range(1, 100_001))
    crl = CRLPlan(entries=(*entries, listed(x509.ReasonFlags.key_compromise))).issue(WORKS)

    async def work(store: Store) -> str | None:
        await imported(store, crl)
        return await verdict(Revocations(store), PATH, required=False)

    assert pki.run(work) == "revoked device"


def test_each_issuers_next_update_is_the_first_of_its_crls(pki: PKI) -> None:
    async def work(store: Store) -> dict[str, int]:
        early = partial(HERE)
        await imported(store, OF_ROOT, CRLPlan(days=(-1, 2)).issue(WORKS), early)
        revocations = Revocations(store)
        await revocations.next_updates()
        return await revocations.next_updates()

    root, works = (one.certificate.subject.rfc4514_string() for one in (ROOT, WORKS))
    assert pki.run(work) == {root: NOW + 7 * 86400, works: NOW + 2 * 86400}


def test_crls_of_one_name_are_found_by_it_whatever_their_keys() -> None:
    places = [place_of(OF_WORKS, one.certificate) for one in (WORKS, NAMESAKE)]
    assert len(set(places)) == 2
    assert {family_at(one) for one in places} == {family_of(OF_WORKS.issuer)}
    assert family_of(OF_ROOT.issuer) != family_of(OF_WORKS.issuer)
