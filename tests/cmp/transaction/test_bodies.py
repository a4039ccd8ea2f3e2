"""A body type is one row in one file, and everything that depends on the body goes by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cmpd.cmp.transaction import bodies
from cmpd.cmp.transaction.bodies import ASKS_NOTHING, BODY_TYPES, BodyType, register
from cmpd.cmp.transaction.exchange import Exchange, HandlerResult
from cmpd.cmp.transaction.states import Event
from cmpd.cmp.wire import schema
from cmpd.cmp.wire.message import Body
from tests.clm import pki
from tests.cmp.world import FOREIGN_POLICY, World
from tests.cmpclient import requests
from tests.cmpclient.message import OMIT

CERT_PROFILE = "1.3.6.1.5.5.7.4.21"
CCR: tuple[str, Any] = ("ccr", [])


async def toy(exchange: Exchange) -> HandlerResult:
    """ccr → pkiconf: a toy."""
    return HandlerResult(Body.PKICONF, None)


@pytest.fixture
def ccr() -> Iterator[None]:
    """A body type that is not served, served for the length of a test: this row is all there is of it."""
    register(BodyType(Body.CCR, Event.REQUEST, toy, addresses={"crosscertification": ASKS_NOTHING}))
    yield
    del BODY_TYPES[Body.CCR]


def test_a_body_type_without_a_row_is_refused(world: World) -> None:
    refused = world.client().begin().send(CCR)
    assert (refused.fail_info, refused.text) == (("badRequest",), "body type ccr is not supported")


@pytest.mark.usefixtures("ccr")
def test_a_row_is_all_that_a_body_type_takes(world: World) -> None:
    """Its header, its certProfile, its addresses and its place in the state machine come with it. Forgetting
    one of five lists had an unknown certProfile granted under the default policy."""
    assert world.client().begin().send(CCR).kind == "pkiconf"
    later = world.client().begin()
    assert later.send(CCR, recip_nonce=bytes(16)).fail_info == ("badRecipientNonce",)
    for name in ("nothing", "foreign", FOREIGN_POLICY):
        info = {CERT_PROFILE: schema.encode("CertProfileValue", [name])}
        refused = world.client().begin().send(CCR, general_info=info)
        assert (refused.fail_info, refused.text) == (
            ("badRequest",),
            f"certProfile {name!r} is not known",
        )
    there = world.client(call={"operation": "crosscertification"})
    assert there.begin().send(CCR).kind == "pkiconf"
    other = world.client(call={"operation": "initialization"}).begin()
    assert "the address is for initialization, a ir, and the message is a ccr" in other.send(CCR).text
    transaction = world.client().begin()
    transaction.send(("ir", [requests.certificate_request(pki.key("P-256", 165), "CN=device")]))
    assert transaction.send(CCR, recip_nonce=OMIT).fail_info == ("transactionIdInUse",)
    assert "ccr" in bodies.table()


def test_the_documentation_shows_the_rows_as_they_are() -> None:
    page = (Path(__file__).parents[3] / "docs" / "conformance.md").read_text("utf-8")
    assert bodies.table() in page
