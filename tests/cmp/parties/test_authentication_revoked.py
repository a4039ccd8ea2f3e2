"""Certificates that others issued, and their issuers revoked: CRLs that operators handed in decide."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cmpd.clm.imported_crls.importing import import_crl, trusted_issuers
from cmpd.clm.model import CertificateState
from tests import cmpclient
from tests.clm import pki
from tests.clm.crls import CRL, CRLPlan, revoking
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import MACHINE, OPERATOR, RA_ROOT, STRANGER, VENDOR, World, ra_holder, signed_by
from tests.cmpclient import requests

KEY = pki.key("P-256", 91)
RA = ra_holder()
OTHER_RA = ra_holder("Other RA", 16)
BODY = ("ir", [requests.certificate_request(KEY, "CN=device")])


def hand_in(world: World, *crls: CRL) -> None:
    """What `cmpd crl import` does."""

    async def work() -> None:
        issuers = await trusted_issuers(world.store, [], world.now)
        for crl in crls:
            await import_crl(world.store, crl, issuers, replace(OPERATOR, time=world.now))

    world.run(work())


def answer(world: World, holder: pki.Holder) -> tuple[str, ...]:
    """What becomes of a request signed by somebody: ("ip",), or the failInfo."""
    transaction = world.client(signed_by(holder)).begin()
    response = transaction.send_as_is(transaction.compose(BODY))
    return response.fail_info or (response.kind,)


OF_VENDOR = CRLPlan().issue(VENDOR)
OF_RA_ROOT = CRLPlan().issue(RA_ROOT)
ROWS: dict[str, tuple[pki.Holder, list[CRL], str, str]] = {
    "a device, without a CRL": (MACHINE, [], "ip", "signerNotTrusted"),
    "a device, by the CRL of another": (MACHINE, [OF_RA_ROOT], "ip", "signerNotTrusted"),
    "a device that is good": (MACHINE, [OF_VENDOR], "ip", "ip"),
    "a device, where another is revoked": (MACHINE, [revoking(STRANGER).issue(VENDOR)], "ip", "ip"),
    "a device that is revoked": (MACHINE, [revoking(MACHINE).issue(VENDOR)], "certRevoked", "certRevoked"),
    "an RA, without a CRL": (RA, [OF_VENDOR], "ip", "signerNotTrusted"),
    "an RA that is good": (RA, [OF_RA_ROOT], "ip", "ip"),
    "an RA, where another is revoked": (RA, [revoking(OTHER_RA).issue(RA_ROOT)], "ip", "ip"),
    "an RA that is revoked": (RA, [revoking(RA).issue(RA_ROOT)], "certRevoked", "certRevoked"),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_signer_whose_issuer_revoked_it_gets_nothing(make_world: MakeWorld, case: str) -> None:
    holder, crls, given, required = ROWS[case]
    world = make_world()
    hand_in(world, *crls)
    assert answer(world, holder) == (given,)
    world.change_policy(revocation="required")
    assert answer(world, holder) == (required,)


def test_a_crl_that_runs_out_is_asked_for_where_it_is_required(make_world: MakeWorld) -> None:
    world = make_world()
    world.change_policy(revocation="required")
    hand_in(world, CRLPlan(days=(-1, 1)).issue(VENDOR))
    assert answer(world, MACHINE) == ("ip",)
    world.now += 86_401
    assert answer(world, MACHINE) == ("signerNotTrusted",)
    hand_in(world, CRLPlan(number=2, days=(1, 3)).issue(VENDOR))
    assert answer(world, MACHINE) == ("ip",)


def test_who_is_revoked_meanwhile_does_not_go_on(make_world: MakeWorld) -> None:
    world = make_world()
    transaction = world.client(signed_by(MACHINE)).begin()
    response = transaction.send(BODY)
    assert response.kind == "ip"
    hand_in(world, revoking(MACHINE).issue(VENDOR))
    assert world.run(world.clm.revocations.is_revoked(MACHINE.der))
    refused = transaction.send_as_is(transaction.compose(requests.confirmation(response.certificate)))
    assert refused.fail_info == ("certRevoked",)
    (record,) = world.certificates()
    assert record.state is CertificateState.UNCONFIRMED


def test_who_holds_a_certificate_of_ours_goes_by_our_own_record(make_world: MakeWorld) -> None:
    """A device that enrolled before its vendor revoked it goes on, until an operator revokes what it got."""
    world = make_world()
    issued = world.client(signed_by(MACHINE)).enrol_implicitly("ir", KEY, "CN=device").certificate
    hand_in(world, revoking(MACHINE).issue(VENDOR))
    world.change_policy(revocation="required")
    device = world.client(cmpclient.Signature(issued, KEY))
    assert device.update(issued, pki.key("P-256", 92)).certificate.subject == issued.subject
