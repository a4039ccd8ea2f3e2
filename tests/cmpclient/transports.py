"""Ways for octets to get to a responder and back."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

Transport = Callable[[bytes], bytes]


def in_process(respond: Callable[[bytes], Awaitable[bytes]]) -> Transport:
    """To a coroutine function in this process, from code that runs in no event loop."""

    async def answer(request: bytes) -> bytes:
        return await respond(request)

    runner = asyncio.Runner()
    return lambda request: runner.run(answer(request))


def http_transport(url: str, *, headers: dict[str, str] | None = None, timeout: float = 10) -> Transport:
    """By POST to an http URL (RFC 9811), on one connection for as long as the server keeps it."""
    parts = urlsplit(url)
    sent = {"Content-Type": "application/pkixcmp", "Connection": "keep-alive", **(headers or {})}
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)

    def exchange(request: bytes) -> http.client.HTTPResponse:
        connection.request("POST", parts.path, body=request, headers=sent)
        return connection.getresponse()

    def post(request: bytes) -> bytes:
        kept = connection.sock is not None
        try:
            response = exchange(request)
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
            connection.close()
            if not kept:  # a server may close a kept connection at any time, but not a new one
                raise
            response = exchange(request)
        content = response.read()
        if response.status != 200:
            raise ConnectionError(f"HTTP {response.status} {response.reason}: {content[:200]!r}")
        return content

    return post
