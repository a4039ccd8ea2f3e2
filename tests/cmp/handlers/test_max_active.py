"""How many certificates an entity may hold (`max_active`), however long they live."""

from __future__ import annotations

from datetime import datetime, timedelta

from cmpd.clm.model import CertificateState
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import World
from tests.cmpclient import requests

KEY = pki.key("P-256", 30)


def _outcome(world: World, end: datetime) -> tuple[str, ...]:
    """failInfo for a request of a certificate that ends then; empty: it is granted."""
    request = requests.certificate_request(KEY, "CN=device", not_after=end)
    return world.client().begin().send(("ir", [request])).fail_info


def test_the_limit_holds_for_certificates_that_live_no_longer_than_the_renewal_window(
    make_world: MakeWorld,
) -> None:
    """They are within it from the first, and would never have counted."""
    world = make_world({"max_active": 1, "renewal_window": "30d"})
    end = (world.time + timedelta(days=20)).replace(microsecond=0)
    assert _outcome(world, end) == ()
    for days in (0, 10):
        assert _outcome(world, end - timedelta(days=days)) == ("notAuthorized",)
    world.now += 11 * 86400
    for days, outcome in ((0, ("notAuthorized",)), (11, ())):  # the rest of the first is less than half of 20
        assert _outcome(world, end + timedelta(days=days)) == outcome


def test_a_certificate_on_hold_counts_for_it_may_be_released(make_world: MakeWorld) -> None:
    """An entity held each of its certificates, had another one, and released them all."""
    world = make_world({"max_active": 1})
    device = world.device(number=154)
    assert world.client(device).revoke(device.certificate, 6).status == "accepted"
    refused = world.client().begin().send(("ir", [requests.certificate_request(pki.key("P-256", 155))]))
    assert refused.fail_info == ("notAuthorized",)
    assert world.client(device).revoke(device.certificate, 8).fail_info != ()
    assert world.client().revoke(device.certificate, 8).status == "accepted"
    assert world.state(device.certificate) is CertificateState.ACTIVE
