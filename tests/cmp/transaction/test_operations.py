"""Addresses that name an operation admit its messages only (RFC 9483, section 6.1; RFC 9811)."""

from __future__ import annotations

from typing import Any

import pytest

from cmpd.clm.model import CertificateState
from cmpd.cmp import handlers
from cmpd.cmp.transaction.bodies import addresses
from cmpd.cmp.wire import schema
from tests.clm import pki
from tests.cmp.world import World, ra_holder, signed_by
from tests.cmpclient import requests

assert handlers.__path__  # whose import registers the body types
OPERATIONS = {name: row.tag for name, row in addresses().items()}
KEY = pki.key("P-256", 160)
ID_IT = "1.3.6.1.5.5.7.4."
STATUS_LIST = schema.encode(
    "RawCRLStatusList", [{"source": ("issuer", [("directoryName", pki.name("nobody").public_bytes())])}]
)
FIRST = ("ir", "cr", "kur", "p10cr", "rr", "genm", "nested")


QUESTIONS: dict[str, Any] = {
    "getcacerts": [ID_IT + "17"],
    "getrootupdate": [ID_IT + "20"],
    "getcertreqtemplate": [ID_IT + "19"],
    "getcrls": [(ID_IT + "22", STATUS_LIST)],
}


def question(operation: str | None) -> Any:
    """A genm, what the operation is for where it is for one."""
    return requests.general_message(*QUESTIONS.get(operation or "", [ID_IT + "17"]))


def prepared(world: World, kind: str, operation: str | None) -> Any:
    """A transaction at that address, and the body to begin it with."""
    call = {"operation": operation}
    crmf = (kind, [requests.certificate_request(KEY, "CN=device")])
    match kind:
        case "p10cr":
            return world.client(call=call).begin(), requests.pkcs10(KEY, "CN=device")
        case "rr":
            device = world.device(number=161).certificate
            return world.client(call=call).begin(), requests.revocation(device.issuer, device.serial_number)
        case "genm":
            return world.client(call=call).begin(), question(operation)
        case "kur":
            return world.client(world.device(number=162), call=call).begin(), crmf
        case "nested":
            inner = world.client().begin().compose(requests.general_message("1.3.6.1.5.5.7.4.17"))
            return world.client(signed_by(ra_holder()), call=call).begin(), requests.nested(inner)
    return world.client(call=call).begin(), crmf


@pytest.mark.parametrize("kind", FIRST)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_admits_its_body_and_no_other(world: World, operation: str, kind: str) -> None:
    transaction, body = prepared(world, kind, operation)
    issued = len(world.certificates())
    response = transaction.send_as_is(transaction.compose(body))
    if OPERATIONS[operation].field == kind:
        assert response.kind != "error"
    else:
        assert (response.kind, response.fail_info) == ("error", ("badRequest",))
        assert operation in response.text
        assert kind in response.text
        assert len(world.certificates()) == issued


@pytest.mark.parametrize("kind", FIRST)
def test_an_address_without_operation_admits_all(world: World, kind: str) -> None:
    transaction, body = prepared(world, kind, None)
    assert transaction.send_as_is(transaction.compose(body)).kind != "error"


@pytest.mark.parametrize("operation", ["", "enroll", "Initialization", "initialization/", "p"])
def test_an_operation_nobody_knows_is_refused(world: World, operation: str) -> None:
    transaction, body = prepared(world, "ir", operation)
    response = transaction.send(body)
    assert response.fail_info == ("badRequest",)
    assert "is not known" in response.text


@pytest.mark.parametrize("operation", ["initialization", "certification", "pkcs10"])
def test_later_messages_go_to_the_same_address(world: World, operation: str) -> None:
    transaction, body = prepared(world, OPERATIONS[operation].field, operation)
    response = transaction.send(body)
    assert transaction.confirm(response).kind == "pkiconf"
    assert world.state(response.certificate) is CertificateState.ACTIVE


@pytest.mark.parametrize("operation", QUESTIONS)
@pytest.mark.parametrize("other", QUESTIONS)
def test_an_operation_for_a_general_message_admits_its_question(
    world: World, operation: str, other: str
) -> None:
    response = world.client(call={"operation": operation}).begin().send(question(other))
    if operation == other:
        assert response.kind == "genp"
    else:
        assert response.fail_info == ("badRequest",)
        assert f"the address is for {operation}" in response.text


@pytest.mark.parametrize("asked", [[], [ID_IT + "17", ID_IT + "19"], ["1.2.3.4"]])
def test_such_an_operation_admits_nothing_else_with_or_without_its_question(
    world: World, asked: list[str]
) -> None:
    client = world.client(call={"operation": "getcacerts"})
    assert client.ask(*asked).fail_info == ("badRequest",)
