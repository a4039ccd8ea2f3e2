"""HTTP Basic authentication (RFC 7617) around messages that `openssl cmp` made."""

from __future__ import annotations

import base64
import http.client

from tests.e2e.harness import DEMO_ENTITY, DEMO_PASSWORD, DEMO_SUBJECT, Device, run
from tests.support.ports import free_port

CHALLENGE = 'Basic realm="cmpd", charset="UTF-8"'


def _request(device: Device) -> bytes:
    """An ir under the demo entity's password, made by `openssl cmp` and caught before it is sent."""
    device.key()
    words = ["openssl", "cmp", "-cmd", "ir", "-server", f"127.0.0.1:{free_port()}", "-path", "cmp"]
    words += ["-ref", DEMO_ENTITY, "-secret", f"pass:{DEMO_PASSWORD}", "-newkey", "key.pem"]
    words += ["-subject", DEMO_SUBJECT, "-certout", "cert.pem", "-reqout", "request.der", "-implicit_confirm"]
    run(words, device.folder)
    return (device.folder / "request.der").read_bytes()


def _post(device: Device, body: bytes, user: str | None, password: str = "") -> http.client.HTTPResponse:
    headers = {"Content-Type": "application/pkixcmp"}
    if user is not None:
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {credentials}"
    connection = http.client.HTTPConnection(device.daemon.address, timeout=10)
    connection.request("POST", "/cmp", body, headers)
    return connection.getresponse()


def _tag(message: bytes) -> int:
    """The tag of the body of a PKIMessage: what follows the header."""
    at = 2 + (message[1] & 0x7F if message[1] & 0x80 else 0)
    size = message[at + 1]
    after = at + 2
    if size & 0x80:
        count = size & 0x7F
        size = int.from_bytes(message[after : after + count], "big")
        after += count
    return message[after + size] & 0x1F


def test_the_right_password_lets_the_message_through(device: Device) -> None:
    answer = _post(device, _request(device), DEMO_ENTITY, DEMO_PASSWORD)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/pkixcmp"
    assert _tag(answer.read()) == 1


def test_wrong_credentials_get_one_and_the_same_401(device: Device) -> None:
    body = _request(device)
    wrong = [
        (DEMO_ENTITY, "wrong"),
        ("00000000-0000-4000-8000-000000000000", DEMO_PASSWORD),
        ("nobody", "nothing"),
        ("", ""),
    ]
    answers = set()
    for user, password in wrong:
        answer = _post(device, body, user, password)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == CHALLENGE
        answers.add(answer.read())
    assert len(answers) == 1


def test_a_login_speaks_for_its_entity_alone(device: Device) -> None:
    other = device.daemon.json("entity", "add", "another")
    answer = _post(device, _request(device), other["id"], other["new_password"])
    assert answer.status == 200
    assert _tag(answer.read()) == 23
