"""A policy that the sender may not use reads, and costs, the same as one that does not exist."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from cmpd.clm.model import ObjectKind
from cmpd.clm.pkix import paths
from cmpd.clm.secrets import MasterKey
from cmpd.cmp.protection import signature
from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import MACHINE, PBM, STRANGER, VENDOR, World, ra_holder, signed_by
from tests.cmpclient import requests

HIDDEN = "dddddddd-0000-4000-8000-000000000001"
UNKNOWN = "99999999-1111-4111-8111-111111111111"
CERT_PROFILE = "1.3.6.1.5.5.7.4.21"
KEY = pki.key("P-256", 205)
BODY = ("ir", [requests.certificate_request(KEY, "CN=device")])
SELF_MADE = pki.Plan(pki.name("forged"), KEY, extensions=(), issuer_name=VENDOR.certificate.subject).issue(
    None
)


def unregistered(world: World) -> cmpclient.Signature:
    enrolled = world.client(signed_by(ra_holder("line RA", 206))).enrol("ir", KEY, "CN=nobody's")
    return cmpclient.Signature(enrolled.certificate, KEY)


SENDERS: dict[str, Callable[[World], cmpclient.Protection]] = {
    "by password": lambda world: PBM,
    "by a certificate": lambda world: world.device(number=207),
    "by an unregistered certificate": unregistered,
    "by a vendor certificate": lambda world: signed_by(MACHINE),
    "by a vendor certificate of nobody": lambda world: signed_by(STRANGER),
    "by a registration authority": lambda world: signed_by(ra_holder("line RA", 208)),
    "by a certificate that a vendor did not make": lambda world: signed_by(SELF_MADE),
}


def work(world: World, monkeypatch: pytest.MonkeyPatch, ask: Callable[[], Any]) -> tuple[Any, Counter[str]]:
    """What comes of it, and what was done for it: reads of the store, verifications, unsealings."""
    done: Counter[str] = Counter()

    def counted(owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            done[name] += 1
            return function(*arguments, **named)

        monkeypatch.setattr(owner, name, call)

    with monkeypatch.context():
        store = type(world.store)
        for name in (
            "request_state",
            "entity",
            "holder",
            "certificate",
            "entity_by_reference",
            "certificates_by_key_id",
        ):
            counted(store, name)
        counted(paths, "_verify_signature")
        counted(signature, "parse")
        counted(MasterKey, "open")
        answer = ask()
    monkeypatch.undo()
    return answer, done


@pytest.mark.parametrize("who", SENDERS)
@pytest.mark.parametrize("how", ["path", "name", "certProfile"])
def test_a_policy_of_others_reads_and_costs_what_an_unknown_one_does(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, who: str, how: str
) -> None:
    world = make_world({"auto_register": False})
    hidden = {"ca": "issuing", "template": "device"}
    world.put(ObjectKind.POLICY, HIDDEN, "hidden", hidden)
    protection = SENDERS[who](world)

    def ask(identifier: str, name: str) -> tuple[Any, ...]:
        call = {"path": {"policy": identifier}, "name": {"policy_name": name}, "certProfile": {}}[how]
        info = {CERT_PROFILE: schema.encode("CertProfileValue", [name])} if how == "certProfile" else {}
        transaction = world.client(protection, call=call).begin(general_info=info)
        response = transaction.send_as_is(transaction.compose(BODY))
        text = response.text.replace(name, "NAME")
        return response.kind, response.fail_info, text, response.header["sender"]

    ask(HIDDEN, "hidden")  # what is compiled once is
    there, cost_there = work(world, monkeypatch, lambda: ask(HIDDEN, "hidden"))
    nowhere, cost_nowhere = work(world, monkeypatch, lambda: ask(UNKNOWN, "nothing"))
    assert there == nowhere
    assert there[0] == "error"
    assert cost_there == cost_nowhere
