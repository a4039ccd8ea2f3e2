"""Listening sockets: taken, shared, handed over, and what is said where they cannot be had."""

from __future__ import annotations

import errno
import socket
import stat
from pathlib import Path

import pytest

from cmpd.config import AdminConfig, Config, ConfigError, ListenConfig
from cmpd.server.process.listeners import ListenError, listen, open_sockets
from cmpd.server.process.systemd import InheritedSockets

NOTHING = InheritedSockets([], None)


def _close(*sockets: socket.socket | None) -> None:
    for one in sockets:
        if one is not None:
            one.close()


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", "[::1]:0"])
def test_tcp_addresses(address: str) -> None:
    try:
        listener = listen(address)
    except ListenError as error:
        assert "[::1]" in str(error), error  # noqa: PT017 - machines without IPv6 say so
        return
    host, port = listener.getsockname()[:2]
    socket.create_connection((host, port), 5).close()
    listener.close()


def test_a_unix_socket_is_replaced_where_nobody_listens_and_refused_where_somebody_does(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s"
    first = listen(f"unix:{path}")
    assert stat.S_ISSOCK(path.stat().st_mode)
    with pytest.raises(ListenError, match="another process listens there"):
        listen(f"unix:{path}")
    first.close()
    listen(f"unix:{path}").close()


def test_a_file_in_the_place_of_a_unix_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data", "utf-8")
    with pytest.raises(ListenError):
        listen(f"unix:{path}")
    assert path.read_text("utf-8") == "data"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_taken_port_is_named_with_who_to_ask(workers: int) -> None:
    """Also where workers share ports, which would let them share it with any other program, too."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ListenError, match=rf"cannot listen at {address}: the port is taken; `ss "):
            open_sockets(Config(workers=workers, listen=(ListenConfig(address),)), NOTHING)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("192.0.2.1:0", "no such address"),
        ("no-such-host.invalid:0", "cannot listen at no-such-host.invalid:0"),
    ],
)
def test_an_address_that_is_not_here_is_named(address: str, words: str) -> None:
    with pytest.raises(ListenError, match=words):
        listen(address)


def test_workers_have_sockets_of_their_own_at_the_same_ports_and_share_what_cannot_be_had_twice(
    tmp_path: Path,
) -> None:
    config = Config(
        workers=3,
        listen=(ListenConfig("127.0.0.1:0"), ListenConfig(f"unix:{tmp_path / 's'}")),
        admin=AdminConfig("127.0.0.1:0"),
    )
    workers = open_sockets(config, NOTHING)
    assert len(workers) == 3
    assert len({worker.own[0].getsockname() for worker in workers}) == 1
    assert len({worker.own[0].fileno() for worker in workers}) == 3
    assert len({worker.own[1].fileno() for worker in workers}) == 1
    assert len({worker.admin.fileno() for worker in workers if worker.admin}) == 1
    workers[0].close_own()
    assert workers[0].own[0].fileno() == -1
    assert workers[0].own[1].fileno() != -1
    _close(*(one for worker in workers for one in worker.own), workers[0].admin)


def test_sockets_from_systemd_are_taken_for_all_workers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given, socket.create_server(("127.0.0.1", 0)) as admin:
        workers = open_sockets(Config(workers=2), InheritedSockets([given], admin))
        assert [(worker.own, worker.admin) for worker in workers] == [((given,), admin)] * 2
        workers[0].close_own()
        assert given.fileno() != -1


def test_another_number_of_sockets_than_listeners_is_refused() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as given,
        pytest.raises(ConfigError, match="1 listeners are configured, and the socket unit has 2"),
    ):
        open_sockets(Config(), InheritedSockets([given, given], None))


def test_a_port_under_1024_points_at_socket_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(errno.EACCES, "as the kernel refuses whoever is not root")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(ListenError, match=r"socket activation \(cmpd\.socket\)"):
        listen("127.0.0.1:99")
