"""Bounds: slow, silent and too many clients, and what honest ones notice of them."""

from __future__ import annotations

import asyncio
import socket
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from cmpd.config import HTTPConfig
from cmpd.server.http import limits
from cmpd.server.http.semantics import HTTPRequest, HTTPResponse
from tests.server.http.outside import CLOSE, KEEP, Outside, echo, outside, post, responses

CONFIG = HTTPConfig(header_timeout=1, body_timeout=1, idle_timeout=1, write_timeout=1)


@pytest.fixture(autouse=True)
def _sweep_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SWEEP", 0.05)


async def _drip(server: Outside, data: bytes) -> bytes:
    """A client that sends an octet now and then, so that the connection is never silent."""
    reader, writer = await server.connect()

    async def send() -> None:
        for octet in data:
            writer.write(bytes([octet]))
            await asyncio.sleep(0.2)

    sending = asyncio.create_task(send())
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        sending.cancel()


@pytest.mark.parametrize(
    ("send", "statuses"),
    [
        pytest.param(lambda server: server.exchange(b""), [], id="nothing at all"),
        pytest.param(lambda server: server.exchange(b"POST /cmp HT"), [408], id="half a head"),
        pytest.param(lambda server: server.exchange(post(b"xyz")[:-1]), [408], id="half a body"),
        pytest.param(lambda server: _drip(server, post(b"xyz")), [408], id="a head in drops"),
        pytest.param(lambda server: server.exchange(post(b"x")), [200], id="silence after a response"),
    ],
)
def test_who_is_too_slow_is_told_so_and_closed(
    send: Callable[[Outside], Awaitable[bytes]], statuses: list[int]
) -> None:
    async def run() -> tuple[bytes, float]:
        async with outside(config=CONFIG) as server:
            started = time.monotonic()
            return await send(server), time.monotonic() - started

    received, seconds = asyncio.run(run())
    assert [status for status, _, _ in responses(received)] == statuses
    assert 0.8 < seconds < 4


def test_a_client_that_does_not_take_its_response_is_dropped_and_its_memory_freed() -> None:
    async def handler(request: HTTPRequest) -> HTTPResponse:
        return HTTPResponse(200, (), bytes(30_000_000))

    async def run() -> None:
        async with outside(handler, CONFIG) as server:
            _, writer = await server.connect()
            writer.write(post(b"x", CLOSE))
            await asyncio.sleep(0.3)
            assert server.limits.connections == 1
            await asyncio.wait_for(server.idle(), 4)

    asyncio.run(run())


def test_clients_that_send_ahead_of_their_turn_wait_in_their_own_memory() -> None:
    """A flood of pipelined requests stays in the kernel, where it is bounded, until its turn comes."""
    flood = post(b"x" * 500) * 2000

    async def run() -> float:
        release = asyncio.Event()

        async def handler(request: HTTPRequest) -> HTTPResponse:
            await release.wait()
            return await echo(request)

        async with outside(handler, HTTPConfig(max_requests=1000)) as server:
            clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
            tracemalloc.start()
            try:
                for client in clients:
                    client.setblocking(False)
                    client.send(flood)
                await asyncio.sleep(0.5)
                traced, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
                release.set()
            for client in clients:
                client.close()
            return traced / len(clients)

    assert asyncio.run(run()) < 64 * 1024


def test_slow_clients_do_not_keep_honest_ones_out() -> None:
    """Slowloris: a thousand connections with half a request each, and one honest client beside them."""

    async def run() -> list[float]:
        async with outside(config=HTTPConfig(max_connections_per_peer=0)) as server:
            for _ in range(1000):
                _, writer = await server.connect()
                writer.write(b"POST /cmp HTTP/1.1\r\nHost: a\r\nA: ")
            times = []
            for _ in range(20):
                started = time.perf_counter()
                assert responses(await server.exchange(post(b"x", CLOSE)))[0][0] == 200
                times.append(time.perf_counter() - started)
            return times

    assert sorted(asyncio.run(run()))[10] < 0.05


def test_connections_above_the_bound_get_503_and_those_within_go_on() -> None:
    async def run() -> None:
        async with outside(config=HTTPConfig(max_connections=3)) as server:
            kept = [await server.connect() for _ in range(3)]
            (status, fields, _), *_ = responses(await server.exchange(post(b"x")))
            assert (status, fields["retry-after"]) == (503, "1")
            for reader, writer in kept:
                writer.write(post(b"x", CLOSE))
                assert responses(await reader.read())[0][0] == 200
            await asyncio.wait_for(server.idle(), 4)
            assert responses(await server.exchange(post(b"x", CLOSE)))[0][0] == 200

    asyncio.run(run())


def test_a_flood_above_the_bound_is_cut_off_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SPARE", 2)

    async def run() -> int:
        async with outside(config=HTTPConfig(max_connections=1)) as server:
            for _ in range(40):
                await server.connect()
            await asyncio.sleep(0.1)
            return server.limits.connections

    assert asyncio.run(run()) <= 3


def test_one_address_cannot_take_all_connections_unless_it_is_a_trusted_proxy() -> None:
    async def run() -> list[int]:
        found = []
        async with outside(config=HTTPConfig(max_connections_per_peer=2)) as server:
            for trusted in (False, True):
                server.limits._trusted = {"127.0.0.1"}.__contains__ if trusted else set[str]().__contains__
                kept = [await server.connect() for _ in range(2)]
                found.append(responses(await server.exchange(post(b"x", CLOSE)))[0][0])
                for _, writer in kept:
                    writer.close()
                await server.idle()
        return found

    assert asyncio.run(run()) == [503, 200]


def test_requests_above_the_bound_get_503_at_once_while_others_are_answered() -> None:
    async def run() -> tuple[list[int], float]:
        release = asyncio.Event()

        async def handler(request: HTTPRequest) -> HTTPResponse:
            await release.wait()
            return await echo(request)

        async with outside(handler, HTTPConfig(max_requests=2)) as server:
            waiting = [asyncio.create_task(server.exchange(post(b"x", CLOSE))) for _ in range(2)]
            await asyncio.sleep(0.1)
            started = time.perf_counter()
            refused = responses(await server.exchange(post(b"x", CLOSE)))
            seconds = time.perf_counter() - started
            release.set()
            answered = [responses(await one) for one in waiting]
            return [received[0][0] for received in (refused, *answered)], seconds

    statuses, seconds = asyncio.run(run())
    assert statuses == [503, 200, 200]
    assert seconds < 0.2


def test_a_stop_finishes_what_is_under_way_and_closes_the_rest_within_its_bound() -> None:
    async def run() -> tuple[bytes, bytes, bytes]:
        release = asyncio.Event()

        async def handler(request: HTTPRequest) -> HTTPResponse:
            if request.body == b"slow":
                await release.wait()
            return await echo(request)

        async with outside(handler, replace(HTTPConfig(), drain_timeout=5)) as server:
            under_way = asyncio.create_task(server.exchange(post(b"slow", KEEP)))
            fresh, fresh_writer = await server.connect()
            silent, _ = await server.connect()
            await asyncio.sleep(0.1)
            draining = asyncio.create_task(server.limits.drain())
            await asyncio.sleep(0.1)
            fresh_writer.write(post(b"just in time"))  # was on its way when the stop came
            release.set()
            received = await under_way, await fresh.read(), await silent.read()
            await asyncio.wait_for(draining, 5)
            return received

    under_way, fresh, silent = asyncio.run(run())
    assert [(status, body) for status, _, body in responses(under_way)] == [(200, b"/cmp slow")]
    assert responses(fresh)[0][1]["connection"] == "close"
    assert silent == b""


def test_a_stop_does_not_wait_longer_than_its_bound() -> None:
    async def handler(request: HTTPRequest) -> HTTPResponse:
        await asyncio.sleep(30)
        return await echo(request)

    async def run() -> float:
        async with outside(handler, HTTPConfig(drain_timeout=1)) as server:
            _, writer = await server.connect()
            writer.write(post(b"x"))
            await asyncio.sleep(0.05)
            started = time.monotonic()
            await server.limits.drain()
            return time.monotonic() - started

    assert asyncio.run(run()) < 2
