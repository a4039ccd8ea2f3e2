"""ir, cr, kur and p10cr from begin to end (RFC 9483, section 4.1)."""

from __future__ import annotations

import pytest

from cmpd.clm.model import CertificateState
from tests.clm import pki
from tests.cmp.world import World


@pytest.mark.parametrize("kind", ["ir", "cr"])
def test_a_certificate_is_active_once_it_is_confirmed(world: World, kind: str) -> None:
    enrolment = world.client().enrol(kind, pki.key("P-256", 30), "CN=device")
    assert enrolment.response.kind == {"ir": "ip", "cr": "cp"}[kind]
    assert enrolment.response.status == "accepted"
    assert world.state(enrolment.certificate) is CertificateState.ACTIVE
