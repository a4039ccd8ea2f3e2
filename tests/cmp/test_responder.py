"""What a refusal leaves behind, by whom it was earned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cmpd.clm.authorities.authority import AuthorityDocument
from cmpd.clm.entities.audit_rate_limit import BURST
from cmpd.clm.model import AuditRecord, ObjectKind
from cmpd.clm.store.changes import PutObject
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import ISSUING, MASTER_KEY, PBM, World
from tests.cmpclient import requests

KEY = pki.key("P-256", 91)
UNPROVED = requests.certificate_request(KEY, "CN=device", proof=None)
FLOOD = BURST + 40


def _refusals(world: World) -> list[AuditRecord]:
    async def listed() -> list[AuditRecord]:
        return [one async for one in world.store.audit() if one.event.action == "request.refuse"]

    return world.run(listed())


def test_a_flood_of_strangers_does_not_fill_the_store(make_world: MakeWorld) -> None:
    """Each has a self-made certificate, an address of its own, and is refused; they are sampled."""
    world = make_world()
    forged = cmpclient.Signature(pki.Plan(pki.name("forged"), KEY).issue(None).certificate, KEY)
    for number in range(FLOOD):
        client = world.client(forged, call={"peer": f"10.0.0.{number}"})
        answer = client.begin().send(("ir", [requests.certificate_request(KEY, "CN=device")]))
        assert answer.fail_info == ("signerNotTrusted",)
    written = _refusals(world)
    assert BURST <= len(written) <= BURST + 10
    assert {one.event.actor for one in written[:3]} == {"peer:10.0.0.0", "peer:10.0.0.1", "peer:10.0.0.2"}


def test_of_somebody_known_every_refusal_is_written_down(make_world: MakeWorld) -> None:
    world = make_world()
    for _ in range(FLOOD):
        assert world.client(PBM).begin().send(("ir", [UNPROVED])).fail_info == ("badPOP",)
    assert len(_refusals(world)) == FLOOD


def test_what_is_refused_before_anybody_spoke_is_not_written_down(tmp_path: Path) -> None:
    world = World(tmp_path)
    for body in (b"", b"no PKIMessage", bytes(100)):
        assert world.respond(body).log_entry.fail_info == "badDataFormat"
    assert _refusals(world) == []
    world.close()


def test_a_ca_key_that_cannot_be_unsealed_is_a_failure_with_one_line_of_why(
    make_world: MakeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """Moved to another row, or damaged: the client is told that the store failed, and no more."""
    world = make_world()
    request = world.client(PBM).begin().compose(("ir", [UNPROVED]))
    stored = world.run(world.store.object(ObjectKind.CA, ISSUING))
    assert stored is not None
    moved = MASTER_KEY.seal(b"another's key", "ca:another:key")
    document = AuthorityDocument.of(stored)
    spoilt = replace(stored, document=replace(document, key=moved).document())
    world.run(world.store.commit([PutObject(spoilt)]))
    record = world.respond(request).log_entry
    assert (record.fail_info, record.text) == ("systemFailure", "the server's store failed")
    assert "the secret of ca:issuing-1:key is damaged, or was moved" in record.detail
    assert [one for one in caplog.records if one.exc_info] == []
