"""Addresses that name an operation admit its messages only (RFC 9483, section 6.1; RFC 9811)."""

from __future__ import annotations

from typing import Any

import pytest

from cmpd.clm.model import CertificateState
from cmpd.cmp.operations import OPERATIONS
from tests.clm import pki
from tests.cmp.world import World, ra_holder, signed_by
from tests.cmpclient import requests

KEY = pki.key("P-256", 160)
FIRST = ("ir", "cr", "kur", "p10cr", "rr", "genm", "nested")


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
            return world.client(call=call).begin(), requests.general_message("1.3.6.1.5.5.7.4.17")
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
