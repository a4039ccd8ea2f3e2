"""Two nodes on one PostgreSQL: whichever a message meets, it meets the same truth."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.request import urlopen

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cmpd.clm.entities.throttle import FREE
from tests.cmpclient import requests
from tests.cmpclient.client import Client
from tests.cmpclient.protection import PBM
from tests.cmpclient.response import Response
from tests.cmpclient.transports import Transport, http_transport
from tests.e2e.harness import DEMO_ENTITY, DEMO_PASSWORD, Daemon
from tests.support.postgres import PostgresServer

DEMO = PBM(DEMO_ENTITY, DEMO_PASSWORD)


@pytest.fixture(scope="module")
def nodes(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Daemon]]:
    made = [Daemon(tmp_path_factory.mktemp(name)) for name in ("east", "west")]
    made[0].init(postgres_server.new_database())
    made[1].join(made[0])
    try:
        for node in made:
            node.start()
        yield made
        assert [node.stop() for node in made] == [0, 0]
    finally:
        for node in made:
            if node.process is not None and node.process.poll() is None:
                node.process.kill()
    assert not any("Traceback" in node.log for node in made)


def _to(node: Daemon, path: str = "cmp") -> Transport:
    return http_transport(f"http://{node.address}/{path}")


def _in_turn(nodes: list[Daemon], path: str = "cmp", protection: PBM = DEMO) -> Client:
    """A client whose messages go to one node and the other in turn."""
    ways = [_to(node, path) for node in nodes]

    def post(request: bytes) -> bytes:
        ways.append(ways.pop(0))
        return ways[-1](request)

    return Client(post, protection)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _becomes(true: Callable[[], bool], within: float) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return False


def test_a_certificate_is_confirmed_at_another_node_than_it_was_asked_from(nodes: list[Daemon]) -> None:
    client = _in_turn(nodes)
    for _ in range(4):
        enrolment = client.enrol("ir", _key())
        assert enrolment.confirmed is not None
        assert [node.standing(enrolment.certificate) for node in nodes] == ["active", "active"]


def test_the_same_request_at_all_nodes_at_once_gets_one_certificate_and_one_answer(
    nodes: list[Daemon],
) -> None:
    before = len(nodes[0].certificates())
    for _ in range(5):
        request = _in_turn(nodes).begin().compose(("ir", [requests.certificate_request(_key(), "CN=device")]))
        answers: list[bytes] = []

        def ask(node: Daemon, request: bytes = request, answers: list[bytes] = answers) -> None:
            answers.append(_to(node)(request))

        threads = [threading.Thread(target=ask, args=(node,)) for node in nodes * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answers += [_to(node)(request) for node in nodes]
        assert len(answers) == 8
        assert len(set(answers)) == 1
        assert Response.parse(answers[0]).status == "accepted"
    certificates = nodes[0].certificates()
    assert len(certificates) == before + 5
    assert max(Counter(one.transaction for one in certificates if one.transaction).values()) == 1


def test_a_request_that_waits_is_polled_for_at_another_node(nodes: list[Daemon]) -> None:
    policy = nodes[0].put_policy("approved", approvals=1)
    entity = nodes[1].json("entity", "add", "waiting", "--policy", "approved")
    client = _in_turn(nodes, f"cmp/{policy}", PBM(entity["id"], entity["new_password"]))
    transaction = client.begin()
    waiting = transaction.send(("ir", [requests.certificate_request(_key(), "CN=waiting")]))
    assert waiting.status == "waiting"
    assert transaction.poll(attempts=1)[-1].kind == "pollRep"
    (pending,) = nodes[1].json("cert", "list", "--pending")
    approved = nodes[1].cmpd("cert", "approve", pending["request"])
    assert approved.status == 0, approved.output
    response = transaction.poll()[-1]
    assert response.status == "accepted"
    assert transaction.confirm(response).kind == "pkiconf"


def test_a_change_of_a_policy_is_seen_by_every_node_within_a_second(nodes: list[Daemon]) -> None:
    policy = nodes[0].put_policy("changing")
    entity = nodes[0].json("entity", "add", "changing", "--policy", "changing")

    def must_confirm() -> list[bool]:
        protection = PBM(entity["id"], entity["new_password"])
        clients = [Client(_to(node, f"cmp/{policy}"), protection) for node in nodes]
        return [client.enrol_implicitly("ir", _key()).confirmed is not None for client in clients]

    assert must_confirm() == [False, False]
    done = nodes[1].cmpd("policy", "set", "changing", "implicit_confirm=false")
    assert done.status == 0, done.output
    assert _becomes(lambda: must_confirm() == [True, True], within=1.5)


def test_all_nodes_serve_the_same_crl_with_what_was_revoked_at_any(nodes: list[Daemon]) -> None:
    revoked = set()
    for _ in range(2):
        client = _in_turn(nodes)
        certificate = client.enrol("ir", _key()).certificate
        assert client.revoke(certificate, 1).status == "accepted"
        revoked.add(certificate.serial_number)
    point = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0]
    path = (point.full_name or [])[0].value.split("/", 3)[3]

    def served() -> list[bytes]:
        crls = []
        for node in nodes:
            with urlopen(f"http://{node.address}/{path}") as response:
                crls.append(response.read())
        return crls

    def alike() -> bool:
        crls = served()
        listed = {entry.serial_number for entry in x509.load_der_x509_crl(crls[0])}
        return crls[0] == crls[1] and revoked <= listed

    assert _becomes(alike, within=5)


def test_each_node_keeps_its_chain_and_all_verify(nodes: list[Daemon]) -> None:
    verified = nodes[0].cmpd("audit", "verify")
    assert verified.status == 0, verified.output


def test_a_guesser_at_one_node_is_slowed_down_by_the_others(nodes: list[Daemon]) -> None:
    """Else the second node would look at FREE + 1 tries, as the first one does."""
    wrong = PBM(DEMO_ENTITY, "wrong")
    body = ("ir", [requests.certificate_request(_key(), "CN=device")])
    guesses = [Client(_to(nodes[0]), wrong).begin().send(body) for _ in range(FREE + 1)]
    assert {one.fail_info for one in guesses} == {("badMessageCheck",)}
    time.sleep(3)
    guesses = [Client(_to(nodes[1]), wrong).begin().send(body) for _ in range(FREE + 1)]
    assert ("systemUnavail",) in [one.fail_info for one in guesses]
