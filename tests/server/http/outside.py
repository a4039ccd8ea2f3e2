"""What tests of the server share: a listener on loopback with a handler of theirs, and raw sockets to it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cmpd.config import HTTPConfig
from cmpd.server.http.limits import Limits
from cmpd.server.http.protocol import Connection
from cmpd.server.http.semantics import HTTPRequest, HTTPResponse

Handler = Callable[[HTTPRequest], Awaitable[HTTPResponse]]
HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]+\r\n((?:[^\r\n]+\r\n)*)\r\n")


async def echo(request: HTTPRequest) -> HTTPResponse:
    """The handler that shows what it got."""
    return HTTPResponse(
        200, ((b"content-type", b"text/plain"),), request.target.encode() + b" " + request.body
    )


@dataclass
class Outside:
    """A listener under test, seen from its clients."""

    port: int
    limits: Limits
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def exchange(self, data: bytes, *, half_close: bool = False, within: float = 8.0) -> bytes:
        """Send `data`, read until the server closes."""
        reader, writer = await self.connect()
        writer.write(data)
        if half_close:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), within)

    async def idle(self) -> None:
        """Return when the server has no connection left."""
        while self.limits.connections:  # noqa: ASYNC110 - nobody but the test waits for it
            await asyncio.sleep(0.01)


@asynccontextmanager
async def outside(handler: Handler = echo, config: HTTPConfig | None = None) -> AsyncIterator[Outside]:
    """A plain listener with that handler."""
    config = config or HTTPConfig()
    limits = Limits(config)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(handler, config, limits), "127.0.0.1", 0, backlog=2048
    )
    seen = Outside(server.sockets[0].getsockname()[1], limits)
    try:
        yield seen
    finally:
        server.close()
        for writer in seen.writers:
            writer.close()
        await asyncio.wait_for(seen.idle(), 5)


def responses(data: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """All responses in `data`: (status, fields, body). Fails where it is not whole responses."""
    found = []
    while data:
        match = HEAD.match(data)
        assert match, data[:200]
        lines = match[2].decode().splitlines()
        fields = dict(line.split(": ", 1) for line in lines)
        length = int(fields.get("content-length", "0"))
        body = data[match.end() : match.end() + length]
        assert len(body) == length
        found.append((int(match[1]), fields, body))
        data = data[match.end() + length :]
    return found


def post(
    body: bytes = b"x",
    *fields: bytes,
    target: bytes = b"/cmp",
    version: bytes = b"1.1",
    method: bytes = b"POST",
) -> bytes:
    """A request as a client would write it."""
    lines = [
        b"%s %s HTTP/%s" % (method, target, version),
        b"Host: localhost",
        b"Content-Length: %d" % len(body),
        *fields,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


CLOSE = b"Connection: close"
KEEP = b"Connection: keep-alive"
