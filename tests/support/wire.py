"""A TCP relay that cuts the wire where a test wants it cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Wire:
    """Relays connections to a port of 127.0.0.1; all attributes may be set while it runs."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.cut_before: bytes | None = None
        """A connection whose client sends this is cut instead of passing it on; then forgotten."""
        self.cut_after: bytes | None = None
        """A connection whose client sends this is cut for the client once it is passed on; then forgotten.
        The server may finish what it was told, and nobody hears of it."""
        self.closed = False
        """Whether new connections are turned away."""
        self.cuts = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, target: int) -> AsyncIterator[Wire]:
        """Relay while the context lasts."""
        wire = cls(target)
        server = await asyncio.start_server(wire._relay, "127.0.0.1", 0)
        wire.port = server.sockets[0].getsockname()[1]
        try:
            yield wire
        finally:
            server.close()
            wire.cut()

    def cut(self) -> None:
        """Cut all connections now."""
        for writer in self._writers:
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed:
            writer.transport.abort()
            return
        there, server = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, server}
        try:
            answers = asyncio.create_task(_pump(there, writer))
            await self._requests(reader, writer, server)
            server.close()
            await answers
        finally:
            writer.close()
            self._writers -= {writer, server}

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self.cut_before is not None and self.cut_before in data:
                    self.cut_before = None
                    self.cuts += 1
                    writer.transport.abort()
                    return
                if self.cut_after is not None and self.cut_after in data:
                    self.cut_after = None
                    self.cuts += 1
                    writer.transport.abort()
                    server.write(data)
                    await server.drain()
                    await asyncio.sleep(0.2)
                    return
                server.write(data)
                await server.drain()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
