"""TLS on a listener: versions, client certificates, and a certificate renewed while it serves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding

from cmpd.config import ConfigError, HTTPConfig, ListenConfig
from cmpd.server.http.handshake import Handshake
from cmpd.server.http.limits import Limits
from cmpd.server.http.protocol import Connection
from cmpd.server.http.tls import ListenerTLS, tls_of
from tests.server.http.outside import CLOSE, echo, post, responses
from tests.support.certificates import self_signed

T = TypeVar("T")


def _config(folder: Path, name: str = "server", **changes: object) -> ListenConfig:
    files = {"tls_certificate": folder / f"{name}.pem", "tls_key": folder / f"{name}-key.pem"}
    return ListenConfig(**{**files, **changes})  # type: ignore[arg-type] # the cases' own values


def _client(folder: Path, identity: str | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if identity is not None:
        context.load_cert_chain(folder / f"{identity}.pem", folder / f"{identity}-key.pem")
    return context


def _served(tls: ListenerTLS, *contexts: ssl.SSLContext, between: Callable[[], object] = bool) -> list[bytes]:
    """The certificate that each client in turn sees, and gets its request answered under; `between` is done
    between them."""

    def ask(port: int, context: ssl.SSLContext) -> bytes:
        with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain) as client:
            seen = client.getpeercert(binary_form=True) or b""
            client.sendall(post(b"x", CLOSE))
            received = b""
            while data := client.recv(65536):
                received += data
            assert responses(received)[0][0] == 200
            return seen

    def ask_all(port: int) -> list[bytes]:
        found = []
        for context in contexts:
            found.append(ask(port, context))
            between()
        return found

    return _with_server(tls, HTTPConfig(), ask_all)


def _with_server(tls: ListenerTLS, config: HTTPConfig, ask: Callable[[int], T]) -> T:
    """What `ask` gives for the port of a listener with that certificate; it runs in a thread."""

    async def run() -> T:
        limits = Limits(config)
        server = await asyncio.get_running_loop().create_server(
            lambda: Handshake(Connection(echo, config, limits), tls.context, config, limits), "127.0.0.1", 0
        )
        found = await asyncio.to_thread(ask, server.sockets[0].getsockname()[1])
        server.close()
        for _ in range(100):
            if not limits.connections:
                break
            await asyncio.sleep(0.02)
        assert limits.connections == 0
        return found

    return asyncio.run(run())


def _tls(config: ListenConfig) -> ListenerTLS:
    tls = tls_of(config)
    assert tls is not None
    return tls


def test_without_a_certificate_there_is_no_tls() -> None:
    assert tls_of(ListenConfig()) is None


def test_requests_are_served_over_tls(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "server")
    assert _served(_tls(_config(tmp_path)), _client(tmp_path)) == [certificate.public_bytes(Encoding.DER)]


@pytest.mark.parametrize(("minimum", "spoken"), [("1.2", "TLSv1.2"), ("1.3", None)])
def test_versions_below_the_minimum_are_refused(tmp_path: Path, minimum: str, spoken: str | None) -> None:
    self_signed(tmp_path, "server")
    context = _client(tmp_path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    tls = _tls(_config(tmp_path, tls_minimum=minimum))
    if spoken is None:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            _served(tls, context)
    else:
        assert _served(tls, context)


@pytest.mark.parametrize(
    ("required", "identity", "served"),
    [
        (False, None, True),
        (False, "known", True),
        (False, "unknown", False),
        (True, None, False),
        (True, "known", True),
        (True, "unknown", False),
    ],
)
def test_client_certificates_are_asked_for_and_required_as_configured(
    tmp_path: Path, required: bool, identity: str | None, served: bool
) -> None:
    for name in ("server", "known", "unknown"):
        self_signed(tmp_path, name)
    config = _config(tmp_path, tls_client_ca=tmp_path / "known.pem", tls_client_required=required)
    if served:
        assert _served(_tls(config), _client(tmp_path, identity))
    else:
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError, IndexError)):
            _served(_tls(config), _client(tmp_path, identity))


def test_a_renewed_certificate_is_used_from_the_next_connection_on(tmp_path: Path) -> None:
    before = self_signed(tmp_path, "server")
    tls = _tls(_config(tmp_path))
    assert not tls.refresh()
    after: list[x509.Certificate] = []

    def renew() -> None:
        after.append(self_signed(tmp_path, "server"))
        assert tls.refresh()

    seen = _served(tls, _client(tmp_path), _client(tmp_path), between=renew)
    assert seen == [one.public_bytes(Encoding.DER) for one in (before, after[0])]


def test_client_cas_are_exchanged_from_the_next_connection_on(tmp_path: Path) -> None:
    for name in ("server", "before", "after"):
        self_signed(tmp_path, name)
    shutil.copy(tmp_path / "before.pem", tmp_path / "cas.pem")
    tls = _tls(_config(tmp_path, tls_client_ca=tmp_path / "cas.pem", tls_client_required=True))
    assert _served(tls, _client(tmp_path, "before"))
    (tmp_path / "after.pem").replace(tmp_path / "cas.pem")
    assert tls.refresh()
    shutil.copy(tmp_path / "cas.pem", tmp_path / "after.pem")
    assert _served(tls, _client(tmp_path, "after"))
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError, IndexError)):
        _served(tls, _client(tmp_path, "before"))


def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(tmp_path: Path) -> None:
    """TLS 1.3 lets a client send right behind its last handshake message, in one packet."""
    self_signed(tmp_path, "server")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = _client(tmp_path).wrap_bio(incoming, outgoing)

    def ask(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    incoming.write(plain.recv(65536))
            client.write(post(b"x", CLOSE))
            plain.sendall(outgoing.read())
            received = b""
            while not received:
                incoming.write(plain.recv(65536))
                with contextlib.suppress(ssl.SSLWantReadError):
                    received = client.read(65536)
            return received

    assert responses(_with_server(_tls(_config(tmp_path)), HTTPConfig(), ask))[0][0] == 200


def test_connections_without_a_handshake_are_counted_bounded_and_closed(tmp_path: Path) -> None:
    self_signed(tmp_path, "server")
    config = HTTPConfig(max_connections=2, header_timeout=1)

    def ask(port: int) -> list[bytes]:
        silent = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(4)]
        try:
            return [one.recv(1) for one in silent]  # the last two at once, the first two after a second
        finally:
            for one in silent:
                one.close()

    started = time.monotonic()
    assert _with_server(_tls(_config(tmp_path)), config, ask) == [b""] * 4
    assert 0.9 < time.monotonic() - started < 4


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda folder: (folder / "server.pem").unlink(), id="missing"),
        pytest.param(lambda folder: (folder / "server.pem").write_text("no PEM"), id="rubbish"),
        pytest.param(
            lambda folder: (folder / "other.pem").replace(folder / "server.pem"), id="another key's"
        ),
        pytest.param(lambda folder: (folder / "server-key.pem").chmod(0o644), id="open to others"),
    ],
)
def test_a_renewal_that_cannot_be_used_leaves_the_certificate_as_it_was(
    tmp_path: Path, spoil: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    before = self_signed(tmp_path, "server")
    self_signed(tmp_path, "other")
    tls = _tls(_config(tmp_path))
    spoil(tmp_path)
    if "open" not in str(spoil):
        os.utime(tmp_path / "server-key.pem", (1, 1))  # seen as changed, whatever was spoilt
    assert not tls.refresh()
    assert "the TLS certificate and the client CAs stay as they were" in caplog.text
    assert _served(tls, _client(tmp_path)) == [before.public_bytes(Encoding.DER)]
    caplog.clear()
    assert not tls.refresh()
    assert caplog.text == "", "the same trouble is told once"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "server.pem").unlink(), "server.pem: No such file or directory"),
        (
            lambda folder: (folder / "server-key.pem").chmod(0o640),
            "can be read by others (mode 0640); chmod 600",
        ),
        (lambda folder: (folder / "server-key.pem").write_text("x"), "that belong together"),
        (
            lambda folder: self_signed(folder, "server", BestAvailableEncryption(b"x")),
            "the key not encrypted",
        ),
        (lambda folder: (folder / "known.pem").write_text("x"), "tls_client_ca"),
        (lambda folder: (folder / "known.pem").unlink(), "known.pem: No such file or directory"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    for name in ("server", "known"):
        self_signed(tmp_path, name)
    spoil(tmp_path)
    with pytest.raises(ConfigError) as refusal:
        tls_of(_config(tmp_path, tls_client_ca=tmp_path / "known.pem"))
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
