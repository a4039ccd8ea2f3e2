"""HTTP on a socket: what is answered, what is refused, and when connections end (RFC 9112)."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmpd.config import HTTPConfig
from cmpd.server.http.limits import Limits
from cmpd.server.http.protocol import Connection, Phase, peer_of
from cmpd.server.http.semantics import HTTPRequest, HTTPResponse
from tests.server.http.outside import CLOSE, KEEP, echo, outside, post, responses

CHUNKED = b"POST /cmp HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


def _statuses(data: bytes, config: HTTPConfig | None = None, *, half_close: bool = False) -> list[int]:
    async def ask() -> bytes:
        async with outside(config=config) as server:
            return await server.exchange(data, half_close=half_close)

    return [status for status, _, _ in responses(asyncio.run(ask()))]


@pytest.mark.parametrize(
    ("data", "statuses"),
    [
        (post(b"x", CLOSE), [200]),
        (post(b"x", version=b"1.0"), [200]),
        (post(b"", CLOSE), [200]),
        (post(b"x", b"CONNECTION: Close"), [200]),
        (post(b"x", b"Connection: keep-alive, close"), [200]),
        (post(b"x", b"Connection: keep-alive, close", version=b"1.0"), [200]),
        (post(b"x", CLOSE, method=b"DELETE"), [200]),
        (post(b"x" * 65536, CLOSE), [200]),
        (post(b"x") + post(b"y") + post(b"z", CLOSE), [200, 200, 200]),
        (post(b"x", KEEP, version=b"1.0") + post(b"y", version=b"1.0"), [200, 200]),
        (CHUNKED + b"1\r\nx\r\n2;ext=1\r\nyz\r\n0\r\nTrailer: t\r\n\r\n", [200]),
        (b"\r\n" + post(b"x", CLOSE), [200]),
    ],
)
def test_a_request_is_answered(data: bytes, statuses: list[int]) -> None:
    assert _statuses(data) == statuses


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 4 + b"\r\n\r\n", 400),
        (b"\x30\x82\x01\x00\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"POST /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nbad field\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\x00b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\nx", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (CHUNKED + b"x\r\n", 400),
        (CHUNKED + b"-1\r\nx\r\n", 400),
        (CHUNKED + b"1\r\nxy\r\n", 400),
        (CHUNKED + b"1\r\nx\r\n" * 2100, 400),
        (CHUNKED.replace(b"chunked", b"gzip, chunked"), 501),
        # What a proxy in front may frame otherwise, so that one connection carries somebody else's request
        # as another's (RFC 9112, sections 6.1 and 11.2)
        (CHUNKED.replace(b"Host", b"Content-Length: 4\r\nHost") + b"1\r\nx\r\n0\r\n\r\n", 400),
        (CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"1\r\nx\r\n0\r\n\r\n", 400),
        (post(b"x", b"Content-Length: 2"), 400),
        (CHUNKED.replace(b"chunked", b"chunked\r\nTransfer-Encoding: chunked"), 501),
        (post(b"x" * 65537), 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        (CHUNKED + b"FFFF\r\n" + b"x" * 65535 + b"\r\n2\r\nxx\r\n", 413),
        (post(b"x", b"A: " + b"b" * 16384), 431),
        (post(b"x", *(b"A%d: b" % number for number in range(4000))), 431),
        (b"POST /" + b"a" * 17000, 431),
        (b"a" * 70000, 431),
    ],
)
def test_what_is_no_request_or_too_long_is_refused_and_the_connection_closed(
    data: bytes, status: int
) -> None:
    assert _statuses(data) == [status]


def test_a_refused_client_that_goes_on_sending_still_reads_why() -> None:
    """Closing a socket with unread octets resets it, and the client would lose the response."""

    def ask(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(post(b"x" * 900_000))
            received = b""
            while data := client.recv(65536):
                received += data
            return received

    async def run() -> bytes:
        async with outside() as server:
            return await asyncio.to_thread(ask, server.port)

    assert [status for status, _, _ in responses(asyncio.run(run()))] == [413]


def test_pipelined_requests_are_answered_one_after_the_other_in_their_order() -> None:
    under_way = 0

    async def handler(request: HTTPRequest) -> HTTPResponse:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        await asyncio.sleep(0.002)
        under_way -= 1
        return await echo(request)

    async def run() -> list[bytes]:
        async with outside(handler) as server:
            requests = [post(b"%d" % number) for number in range(60)]
            received = await server.exchange(b"".join(requests), half_close=True)
            return [body for _, _, body in responses(received)]

    assert asyncio.run(run()) == [b"/cmp %d" % number for number in range(60)]


def test_thousands_of_pipelined_requests_are_no_way_to_exhaust_the_stack() -> None:
    assert _statuses(post(b"x") * 3000, half_close=True) == [200] * 3000
    assert _statuses(post(b"x") * 3000, HTTPConfig(max_requests=0), half_close=True) == [503]


def test_a_client_that_ends_with_an_empty_line_is_not_kept_for_more() -> None:
    """Some put one after the body (RFC 9112, section 2.2). Where the end came before the answer, the
    connection once stayed until it had been idle for too long."""

    async def handler(request: HTTPRequest) -> HTTPResponse:
        await asyncio.sleep(0.05)
        return await echo(request)

    async def run() -> bytes:
        async with outside(handler) as server:
            return await server.exchange(post(b"x", KEEP) + b"\r\n", half_close=True)

    assert [status for status, _, _ in responses(asyncio.run(run()))] == [200]


class Closing(asyncio.Transport):
    """A transport that hands on what comes after `close`, as asyncio's for TLS does until all is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return False


def test_what_comes_while_the_connection_closes_is_not_looked_at() -> None:
    """It was once parsed, and refused on the closed transport."""

    async def run() -> None:
        config, transport = HTTPConfig(), Closing()
        connection = Connection(echo, config, Limits(config))
        connection.connection_made(transport)
        for data in (post(b"x", CLOSE), b"no request\r\n\r\n"):
            connection.get_buffer(-1)[: len(data)] = data
            connection.buffer_updated(len(data))
            await asyncio.sleep(0.01)
        assert transport.closing
        assert connection.phase is Phase.WRITING
        assert len(responses(transport.written)) == 1

    asyncio.run(run())


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_kept_connection_serves_request_after_request(version: bytes) -> None:
    """openssl cmp speaks HTTP/1.0 with keep-alive, and its second message comes on the same connection."""

    async def run() -> None:
        async with outside() as server:
            reader, writer = await server.connect()
            for number in range(5):
                request = post(b"%d" % number, KEEP, version=version)
                writer.write(request[:-1])  # as clients do that write head and body apart
                await writer.drain()
                await asyncio.sleep(0.01)
                writer.write(request[-1:])
                head = await reader.readuntil(b"\r\n\r\n")
                assert b"connection: keep-alive\r\n" in head
                assert await reader.readexactly(6) == b"/cmp %d" % number

    asyncio.run(run())


def test_a_client_that_expects_100_continue_gets_it_before_its_body() -> None:
    async def run() -> None:
        async with outside() as server:
            reader, writer = await server.connect()
            request = post(b"body", CLOSE, b"Expect: 100-continue")
            writer.write(request[:-4])
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"body")
            assert (await reader.read()).endswith(b"/cmp body")

    asyncio.run(run())


def test_a_body_too_long_is_refused_before_it_is_sent() -> None:
    data = post(b"x" * 70000, b"Expect: 100-continue").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert _statuses(data) == [413]


def test_head_gets_the_length_and_no_body() -> None:
    async def run() -> bytes:
        async with outside() as server:
            return await server.exchange(post(b"", CLOSE, method=b"HEAD"))

    data = asyncio.run(run())
    assert b"content-length: 5\r\n" in data
    assert data.endswith(b"\r\n\r\n")


def test_a_handler_that_fails_is_a_500_without_a_word_of_why() -> None:
    async def handler(request: HTTPRequest) -> HTTPResponse:
        raise RuntimeError("the secret is hunter2")

    async def run() -> bytes:
        async with outside(handler) as server:
            return await server.exchange(post(b"x", CLOSE))

    data = asyncio.run(run())
    assert responses(data)[0][0] == 500
    assert b"hunter2" not in data


def test_a_long_response_reaches_a_slow_reader_whole_and_waits_outside_of_memory() -> None:
    body = bytes(range(256)) * 40_000  # 10 MB, as a long CRL

    async def handler(request: HTTPRequest) -> HTTPResponse:
        return HTTPResponse(200, (), body)

    async def run() -> bytes:
        async with outside(handler) as server:
            reader, writer = await server.connect()
            writer.write(post(b"x", CLOSE))
            received = b""
            while data := await reader.read(300_000):
                received += data
                await asyncio.sleep(0.002)
            return received

    assert responses(asyncio.run(run()))[0][2] == body


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        (("192.0.2.1", 5), "192.0.2.1"),
        (("::ffff:192.0.2.1", 5, 0, 0), "192.0.2.1"),
        (("2001:db8::1", 5, 0, 0), "2001:db8::1"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_peer_is_known_by_its_own_kind_of_address(name: object, peer: str) -> None:
    assert peer_of(asyncio.BaseTransport({"peername": name})) == peer


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["flip", "cut", "insert", "double"]), st.integers(0, 400), st.binary(max_size=9)
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(
        [
            post(b"some body", KEEP),
            CHUNKED + b"4\r\nbody\r\n0\r\n\r\n",
            post(b"x", version=b"1.0"),
            post() * 3,
        ]
    ),
)
def test_whatever_octets_arrive_the_answer_is_http_or_a_closed_connection(
    changes: list[tuple[str, int, bytes]], seed: bytes
) -> None:
    data = bytearray(seed)
    for kind, place, octets in changes:
        at = place % (len(data) + 1)
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << (place % 8)
        elif kind == "cut":
            del data[at : at + len(octets)]
        elif kind == "insert":
            data[at:at] = octets
        else:
            data[at:at] = data[at : at + 40]

    async def run() -> bytes:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        async with outside() as server:
            received = await server.exchange(bytes(data), half_close=True, within=3)
        assert failures == []
        return received

    received = asyncio.run(run()).replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    assert all(
        status < 500 or status in (501, 505) for status, _, _ in responses(received) if data[:4] != b"HEAD"
    )
