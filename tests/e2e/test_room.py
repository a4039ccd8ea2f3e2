"""The bound on remembered transactions holds across restarts and workers, and a reload moves it."""

from __future__ import annotations

import signal
import time

from tests.clm import pki
from tests.cmpclient import PBM, Client, Response, http_transport, requests
from tests.e2e.crowd import client_of
from tests.e2e.harness import DEMO_ENTITY, DEMO_PASSWORD, Daemon

BODY = ("ir", [requests.certificate_request(pki.key("P-256", 98), "CN=device")])
MOST = 3


def _begin(client: Client) -> Response:
    return client.begin().send(BODY)


def test_a_full_store_takes_no_transaction_at_any_worker_and_after_a_restart(stopped: Daemon) -> None:
    stopped.environment["CMPD_WORKERS"] = "2"
    stopped.configure("# transactions_max = 1_000_000", f"transactions_max = {MOST}")
    stopped.start()
    post = http_transport(f"http://{stopped.address}/cmp")  # one connection, so one worker
    client = Client(post, PBM(DEMO_ENTITY, DEMO_PASSWORD))
    request = client.begin().compose(BODY)
    first = post(request)
    assert [_begin(client).fail_info for _ in range(3)] == [(), (), ("systemUnavail",)]
    assert stopped.stop() == 0
    stopped.start()
    assert [_begin(client_of(stopped)).fail_info for _ in range(8)] == [("systemUnavail",)] * 8
    assert post(request) == first
    stopped.configure(f"transactions_max = {MOST}", "transactions_max = 100")
    assert stopped.process is not None
    stopped.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 10
    while stopped.log.count("reloaded; changed: cmp.transactions_max") < 2:
        assert time.monotonic() < deadline, stopped.log
        time.sleep(0.05)
    assert _begin(client_of(stopped)).status == "accepted"
    assert stopped.stop() == 0
    assert "3 transactions are remembered, cmp.transactions_max bounds them" in stopped.log
