"""A daemon that is looked at and changed while it serves: admin listener, reload, kept messages."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cmpclient import Response
from tests.e2e.crowd import client_of
from tests.e2e.harness import Daemon
from tests.support.ports import free_port


def _get(url: str, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(url, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _enrol(daemon: Daemon, times: int = 1) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    for _ in range(times):
        client_of(daemon).enrol("ir", key)


@pytest.fixture(scope="module", params=["1", "2"])
def watched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Daemon, str]]:
    """A daemon with one or two workers that has answered a little, and the URL of its admin listener."""
    admin = f"127.0.0.1:{free_port()}"
    environment = {"CMPD_WORKERS": request.param, "CMPD_ADMIN_LISTEN": admin}
    daemon = Daemon(tmp_path_factory.mktemp("watched"), environment=environment)
    daemon.init()
    daemon.start()
    daemon.logs("serving CMP")
    _enrol(daemon, 4)
    client_of(daemon).transport(b"rubbish")
    yield daemon, f"http://{admin}"
    assert daemon.stop() == 0


def test_health_and_readiness_are_told(watched: tuple[Daemon, str]) -> None:
    _, url = watched
    assert _get(f"{url}/healthz") == (200, "alive\n")
    assert _get(f"{url}/readyz") == (200, "ready\n")


def test_metrics_add_up_over_all_workers(watched: tuple[Daemon, str]) -> None:
    _, url = watched
    status, text = _get(f"{url}/metrics")
    assert status == 200
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['cmpd_requests_total{outcome="accepted",request="ir"}'] == "4.0"
    assert values['cmpd_failures_total{fail_info="badDataFormat"}'] == "1.0"
    assert values['cmpd_request_seconds_count{phase="total"}'] == "9.0"
    assert float(values['cmpd_certificates{state="active"}']) >= 4
    assert float(values['cmpd_expiry_days{ca="issuing",of="ca"}']) > 3000
    assert values["cmpd_ready"] == "1.0"
    assert values["cmpd_pending_approvals"] == "0.0"


def test_status_shows_workers_and_the_last_hour(watched: tuple[Daemon, str]) -> None:
    daemon, url = watched
    value = json.loads(_get(f"{url}/status")[1])
    assert value["listeners"] == [{"address": daemon.address, "tls": False}]
    assert len(value["workers"]) == int(daemon.environment["CMPD_WORKERS"])
    assert sum(minute["answered"] for minute in value["minutes"]) == 9
    assert sum(minute["refused"] for minute in value["minutes"]) == 1


@pytest.mark.parametrize(("path", "method", "status"), [("/", "GET", 404), ("/healthz", "POST", 405)])
def test_the_admin_listener_serves_nothing_else(
    watched: tuple[Daemon, str], path: str, method: str, status: int
) -> None:
    assert _get(watched[1] + path, method)[0] == status


def test_devices_see_no_admin_page(watched: tuple[Daemon, str]) -> None:
    daemon, _ = watched
    for path in ("/healthz", "/readyz", "/metrics", "/status"):
        assert _get(f"http://{daemon.address}{path}")[0] == 404


def test_a_reload_takes_what_needs_no_restart_and_names_what_does(own_daemon: Daemon) -> None:
    assert _get(f"http://{own_daemon.address}/cmp", "POST")[0] == 415
    own_daemon.configure("# body_size = 65_536", "body_size = 1024")
    own_daemon.configure('# format = "journal"', 'format = "json"')
    own_daemon.configure("# workers = 1", "workers = 2")
    own_daemon.hang_up('"reloaded; changed: http.body_size, log.format"')
    own_daemon.logs("these require a restart, and stay as they were: workers")
    request = urllib.request.Request(f"http://{own_daemon.address}/cmp", data=b"x" * 1025, method="POST")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=10)
    assert refusal.value.code == 413
    _enrol(own_daemon)


def test_a_reload_with_a_broken_file_keeps_the_configuration_and_says_why(own_daemon: Daemon) -> None:
    own_daemon.configure("# body_size = 65_536", 'body_size = "big"')
    own_daemon.hang_up("the configuration stays as it was")
    assert "http.body_size: a whole number of bytes is expected, not 'big'" in own_daemon.log
    _enrol(own_daemon)


def test_messages_are_kept_where_asked_for_and_hold_no_secret(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("keeping")
    daemon = Daemon(folder, arguments=("--dump", str(folder / "kept")))
    daemon.init()
    daemon.start()
    _enrol(daemon)
    assert daemon.stop() == 0
    kept = sorted((folder / "kept").iterdir())
    assert [path.name.rpartition("-")[2] for path in kept] == ["request.der", "response.der"] * 2
    assert [Response.parse(path.read_bytes()).kind for path in kept] == ["ir", "ip", "certConf", "pkiconf"]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert not any(b"GTTgcdagW" in path.read_bytes() for path in kept)


def test_messages_are_shown_where_asked_for_and_hold_no_secret(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    environment = {"CMPD_LOG_LEVEL": "error"}  # what is asked for is shown all the same
    daemon = Daemon(tmp_path_factory.mktemp("showing"), arguments=("-v",), environment=environment)
    daemon.init()
    daemon.start()
    _enrol(daemon)
    client_of(daemon).transport(b"rubbish")
    assert daemon.stop() == 0
    for words in ("transactionID", "CN=device", "certTemplate", "certConf", "pkiconf", "not a PKIMessage"):
        assert words in daemon.log, words
    assert "GTTgcdagW" not in daemon.log


def test_a_taken_port_is_named_with_the_remedy(own_daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    for workers in ("1", "2"):
        monkeypatch.setenv("CMPD_WORKERS", workers)
        done = own_daemon.cmpd("serve")
        assert done.status == 69, done.output
        assert done.output.startswith(
            f"cmpd: cannot listen at {own_daemon.address}: the port is taken; `ss -ltnp"
        )
        assert done.output.count("\n") == 1
