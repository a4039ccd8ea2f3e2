"""What keeps the daemon from starting is said in one line that names the thing and the remedy."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import pytest

from cmpd.clm.secrets import MasterKey
from tests.e2e.harness import Daemon


def _another_master_key(daemon: Daemon) -> None:
    (daemon.folder / "master.key").unlink()
    MasterKey.create(daemon.folder / "master.key")


def _rubbish_store(daemon: Daemon) -> None:
    for path in daemon.folder.glob("cmpd.db*"):
        path.unlink()
    (daemon.folder / "cmpd.db").write_bytes(b"this is no database" * 1000)


def _remove(name: str) -> Callable[[Daemon], None]:
    def remove(daemon: Daemon) -> None:
        for path in daemon.folder.glob(f"{name}*"):
            path.unlink()

    return remove


def _write(name: str, text: str) -> Callable[[Daemon], None]:
    def write(daemon: Daemon) -> None:
        (daemon.folder / name).write_text(text, "utf-8")

    return write


def _open_to_all(name: str) -> Callable[[Daemon], None]:
    def open_up(daemon: Daemon) -> None:
        (daemon.folder / name).chmod(0o644)

    return open_up


def _configure(old: str, new: str) -> Callable[[Daemon], None]:
    def configure(daemon: Daemon) -> None:
        daemon.configure(old, new)

    return configure


CASES: dict[str, tuple[Callable[[Daemon], None], int, str]] = {
    "no configuration": (_remove("cmpd.conf"), os.EX_CONFIG, "cmpd.conf"),
    "an unknown key": (_configure("[http]", "[http]\nbody_sise = 1"), os.EX_CONFIG, "body_size"),
    "no store": (_remove("cmpd.db"), os.EX_CONFIG, "cmpd.db"),
    "rubbish for a store": (_rubbish_store, os.EX_CONFIG, "cmpd.db"),
    "no master key": (_remove("master.key"), os.EX_CONFIG, "master.key"),
    "an open master key": (_open_to_all("master.key"), os.EX_CONFIG, "chmod 600"),
    "rubbish for a master key": (_write("master.key", "rubbish\n"), os.EX_CONFIG, "master.key"),
    "another master key": (_another_master_key, os.EX_CONFIG, "wrong master key"),
    "no client secret": (_remove("client.secret"), os.EX_CONFIG, "client.secret"),
    "a wrong client secret": (_write("client.secret", "wrong\n"), os.EX_CONFIG, "'cmpd'"),
    "another client": (_configure('id = "cmpd"', 'id = "nobody"'), os.EX_CONFIG, "'nobody'"),
    "an address of another machine": (_configure("127.0.0.1:", "192.0.2.1:"), os.EX_UNAVAILABLE, "192.0.2.1"),
    "an address twice": (
        lambda daemon: daemon.configure("[http]", f'[[listen]]\naddress = "{daemon.address}"\n[http]'),
        os.EX_CONFIG,
        "is there twice",
    ),
    "a proxy by name": (
        _configure("[http]", '[http]\ntrusted_proxies = ["proxy.example"]'),
        os.EX_CONFIG,
        "proxy.example",
    ),
    "no TLS key": (
        _configure("[[listen]]\n", '[[listen]]\ntls_certificate = "x.pem"\ntls_key = "x.key"\n'),
        os.EX_CONFIG,
        "x.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_serve_says_what_keeps_it_from_starting(stopped: Daemon, case: str) -> None:
    spoil, status, word = CASES[case]
    spoil(stopped)
    done = stopped.cmpd("serve")
    (line,) = done.output.splitlines()
    assert word in line
    assert done.status == status


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][1] == os.EX_CONFIG])
def test_check_says_so_before(stopped: Daemon, case: str) -> None:
    spoil, _, word = CASES[case]
    spoil(stopped)
    done = stopped.cmpd("check")
    assert done.status == os.EX_CONFIG
    assert word in done


def test_a_port_that_is_taken_is_named(stopped: Daemon) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", stopped.port))
        other.listen()
        done = stopped.cmpd("serve")
    (line,) = done.output.splitlines()
    assert str(stopped.port) in line
    assert "the port is taken" in line
    assert done.status == os.EX_UNAVAILABLE


def test_the_harness_takes_nobody_else_for_the_daemon(stopped: Daemon) -> None:
    with socket.create_server(("127.0.0.1", stopped.port)):
        with pytest.raises(AssertionError, match=r"ended with 69:\n.*the port is taken"):
            stopped.start()
        assert stopped.process is not None
        assert stopped.process.poll() == os.EX_UNAVAILABLE


def test_a_backup_is_taken_while_it_serves_and_restored_when_it_does_not(own_daemon: Daemon) -> None:
    id = own_daemon.json("entity", "add", "before")["id"]
    assert own_daemon.cmpd("backup", "copy.db").status == 0
    own_daemon.json("entity", "add", "after")
    assert own_daemon.cmpd("restore", "copy.db").status != 0
    own_daemon.stop()
    for path in own_daemon.folder.glob("cmpd.db*"):
        path.rename(path.with_name(f"old-{path.name}"))
    done = own_daemon.cmpd("restore", "copy.db")
    assert done.status == 0, done.output
    assert own_daemon.cmpd("check").status == 0
    own_daemon.start()
    assert own_daemon.cmpd("selftest").status == 0
    silent = own_daemon.cmpd("selftest", "http://127.0.0.1:1/cmp")
    assert silent.status == 1
    assert "nobody listens there: start cmpd" in silent
    names = {one["name"]: one["id"] for one in own_daemon.json("entity", "list")}
    assert names["before"] == id
    assert "after" not in names
