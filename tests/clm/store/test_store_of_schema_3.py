"""A store of schema 3 (`version_3`) is served on: what was open goes on, and only renamed keys differ."""

from __future__ import annotations

import gzip
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from cmpd.clm.client import Client
from cmpd.clm.declare.export import export
from cmpd.clm.lifecycle.approval import waiting
from cmpd.clm.lifecycle.bootstrap import DEMO_POLICY
from cmpd.clm.model import Approval, Challenge, ObjectKind, Transaction, TransactionState
from cmpd.clm.store import open_store
from cmpd.clm.store.base import Store
from cmpd.cmp.responder import Responder, TransportRequest
from cmpd.config import CMPConfig
from tests import cmpclient
from tests.clm import pki
from tests.cmp.world import MASTER_KEY, PBM
from tests.cmpclient import requests
from tests.cmpclient.message import Body
from tests.support.postgres import PostgresServer

FOLDER = Path(__file__).parent / "version_3"
SECRET = "JSmgogh5As2W1Tt05JcEKW6-oPhEpeVAmcnMcsjQzqc"
CONFIRMING, SIGNED, CHALLENGED, WAITING, REFUSED, REVOKING = map(
    bytes.fromhex,
    (
        "602caa753b50aba61e41cca066138805", "d31e64b0dbc1e86572718939c11009d9",
        "5b5bb904bf4754a7a34c90f16f7a2cb1", "6bc02a076d826f65f0779b291171f7d0",
        "660cb4ac099a064036231bbeed72488c", "8e3abc9f89f7a17b86c446eb87a28b22",
    ),
)  # fmt: skip
ANNE = "operator:anne"


@pytest.fixture(params=["sqlite", "postgresql"])
def older(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store of schema 3 is."""
    dump = gzip.decompress((FOLDER / f"{request.param}.sql.gz").read_bytes()).decode("utf-8")
    assert '"wish"' in dump
    if request.param == "sqlite":
        connection = sqlite3.connect(tmp_path / "cmpd.db")
        connection.executescript(dump)
        connection.close()
        return str(tmp_path / "cmpd.db")
    import psycopg

    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.new_database()
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(dump.encode())
    return url


async def opened(older: str) -> Store:
    store = open_store(older, node="n1")
    await store.open()
    return store


async def test_an_export_differs_in_the_renamed_key_alone(older: str) -> None:
    store = await opened(older)
    exported = "\n".join([table async for table in export(store)])
    before = (FOLDER / "export.toml").read_text("utf-8")
    assert before.count("wish = ") == 3
    assert exported == before.replace("wish = ", "requested_validity = ")
    stored = await store.objects(ObjectKind.POLICY)
    assert [one.document["validity"]["requested_validity"] for one in stored] == ["shorten"] * 3
    await store.close()


async def test_what_transactions_remembered_is_read_as_what_it_is(older: str) -> None:
    store = await opened(older)
    stored: dict[bytes, Transaction] = {}
    for state in TransactionState:
        stored |= {one.id: one async for one in store.transactions(state)}
    (confirming,) = stored[CONFIRMING].requests
    assert (confirming.cert_req_id, confirming.waits_for) == (0, None)
    assert confirming.certificate is not None
    device = stored[SIGNED].signer
    assert device is not None
    (challenged,) = stored[CHALLENGED].requests
    assert isinstance(challenged.waits_for, Challenge)
    approvals = {one: stored[one].requests[0].waits_for for one in (WAITING, REFUSED, REVOKING)}
    assert approvals == {
        WAITING: Approval("certificate", "CN=waiting", 2, (ANNE,)),
        REFUSED: Approval("certificate", "CN=p10", 2, (), ANNE, "not this one"),
        REVOKING: Approval("revocation", "CN=device", 1),
    }
    assert [stored[one].requests[0].cert_req_id for one in approvals] == [0, -1, -1]
    assert stored[REVOKING].requests[0].certificate == stored[REVOKING].signer == device
    assert {one.id async for one in waiting(store)} == {WAITING.hex(), REVOKING.hex()}
    await store.close()


async def test_open_transactions_go_on(older: str) -> None:
    """certConf, a popdecr that is wrong, and polling for what was refused and for what still waits."""
    store = await opened(older)
    clm = await Client.login(store, MASTER_KEY, "cmpd", SECRET, clock=lambda: pki.NOW, random=os.urandom)
    responder = Responder(clm, CMPConfig(message_time_required=False))

    now = datetime.fromtimestamp(pki.NOW, UTC)

    async def send(id: bytes, content: Body, pvno: int = 2) -> cmpclient.Response:
        found = await store.transaction(id)
        assert found is not None
        sent: list[bytes] = []
        answers: list[bytes] = []

        def exchange(body: bytes) -> bytes:
            sent.append(body)
            return answers.pop() if answers else b""

        client = cmpclient.Client(
            exchange, PBM, trusted=(authority,), defaults={"pvno": pvno, "message_time": now}
        )
        request = client.begin(transaction_id=id).compose(content, recip_nonce=found.server_nonce)
        reply = await responder.respond(TransportRequest(request))
        answers.append(reply.body)
        return client.begin(transaction_id=id).send_as_is(request)

    issuing = await clm.catalog.authority("issuing-1")
    assert issuing is not None
    authority = issuing.certificate
    confirming = await store.transaction(CONFIRMING)
    assert confirming is not None
    assert confirming.certificate is not None
    record = await store.certificate(*confirming.certificate)
    assert record is not None
    confirmed = await send(CONFIRMING, requests.confirmation(x509.load_der_x509_certificate(record.der)))
    assert confirmed.kind == "pkiconf"
    guess = await send(CHALLENGED, requests.challenge_response(1), pvno=3)
    assert (guess.kind, guess.fail_info) == ("ip", ("badPOP",))
    refused = await send(REFUSED, requests.poll_request(-1))
    assert (refused.kind, refused.status, refused.text) == ("cp", "rejection", "not this one")
    assert (await send(WAITING, requests.poll_request(0))).kind == "pollRep"
    compiled = clm.policy(await clm.catalog.current(), DEMO_POLICY)
    assert compiled.policy.validity.requested_validity == "shorten"
    await store.close()
