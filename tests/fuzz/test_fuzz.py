"""The kept inputs, and mutations of them, do nothing they must not; and the judge can tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmpd.cmp.wire import schema
from tests.clm import pki
from tests.cmp.world import PBM
from tests.cmpclient import requests
from tests.cmpclient.message import build
from tests.fuzz.oracle import Finding, Oracle, deserves_one, oracle, under_a_right_mac

HERE = Path(__file__).parent
KEPT = sorted([*(HERE / "corpus").glob("*"), *(HERE.parent / "cmp" / "messages").glob("*.der")])


@pytest.fixture(scope="module")
def judge() -> Iterator[Oracle]:
    with oracle() as judging:
        yield judging


def _ir(**changes: Any) -> bytes:
    request = requests.certificate_request(pki.key("P-256", 40), "CN=fuzz", **changes)
    return build(("ir", [request]), protection=PBM)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name[:24])
def test_kept_inputs(judge: Oracle, path: Path) -> None:
    judge.judge(path.read_bytes())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutations_of_kept_inputs(judge: Oracle, data: st.DataObject) -> None:
    octets = bytearray(data.draw(st.sampled_from(KEPT)).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, max(0, len(octets) - 1)))
        match data.draw(st.sampled_from(["change", "cut", "put in", "double"])):
            case "change":
                octets[where : where + 1] = bytes([data.draw(st.integers(0, 255))])
            case "cut":
                del octets[where : where + data.draw(st.integers(1, 40))]
            case "put in":
                octets[where:where] = data.draw(st.binary(min_size=1, max_size=20))
            case "double":
                octets[where:where] = octets[where : where + data.draw(st.integers(1, 200))]
    judge.judge(bytes(octets))


def test_the_judge_knows_a_message_that_deserves_a_certificate() -> None:
    assert deserves_one(_ir())


def test_the_judge_sees_a_wrong_mac_and_a_wrong_proof() -> None:
    right = _ir()
    assert not deserves_one(right[:-1] + bytes([right[-1] ^ 1]))
    outer = schema.decode("RawMessage", right)
    assert outer["body"][-1] != 0xFF
    outer["body"] = bytes(outer["body"][:-1]) + bytes([outer["body"][-1] ^ 1])
    spoilt = under_a_right_mac(schema.encode("RawMessage", outer))
    assert spoilt is not None
    assert not deserves_one(spoilt)


def test_the_judge_knows_the_promises(judge: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server gives a device the name of a CA, it finds that."""
    request = requests.certificate_request(pki.key("P-256", 40), "CN=cmpd Issuing CA CMP signer")
    octets = build(("ir", [request]), protection=PBM)
    judge.judge(octets)
    monkeypatch.setattr("cmpd.clm.issuance.prepare.check_names", lambda *arguments: None)
    again = build(("ir", [request]), protection=PBM)
    with pytest.raises(Finding, match="against the promises"):
        judge.judge(again)
