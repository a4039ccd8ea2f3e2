"""HTTP/1.0 and 1.1 over one connection: h11 parses, this file answers (RFC 9112).

A connection serves one request after the other. h11 gets a fresh object per request, because it closes
after HTTP/1.0 and clients of CMP keep such connections; the response's head is written by
`cmpd.server.messages`. Pipelined requests wait in the buffer until their turn, and the socket is not
read meanwhile, so that nobody can pile them up. What is too long, too slow or no HTTP is refused here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, cast

import h11

from cmpd.server.messages import HTTPRequest, HTTPResponse, encode, plain

if TYPE_CHECKING:
    from cmpd.config import HTTPConfig
    from cmpd.server.limits import Limits

log = logging.getLogger(__name__)

Handler = Callable[[HTTPRequest], Awaitable[HTTPResponse]]

RETRY = (b"retry-after", b"1")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
QUICKACK = getattr(socket, "TCP_QUICKACK", None)
"""Linux only: acknowledge at once. Clients that write head and body apart would wait 40 ms otherwise."""


class Phase(Enum):
    """What a connection is at; each has its own bound in time."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    ANSWERING = auto()
    WRITING = auto()


class Connection(asyncio.Protocol):
    """One accepted connection."""

    __slots__ = (
        "_body",
        "_closing",
        "_config",
        "_handler",
        "_head",
        "_length",
        "_limits",
        "_loop",
        "_parser",
        "_secure",
        "_socket",
        "_transport",
        "deadline",
        "peer",
        "phase",
    )

    def __init__(self, handler: Handler, config: HTTPConfig, limits: Limits) -> None:
        self._handler = handler
        self._config = config
        self._limits = limits
        self._parser: h11.Connection | None = None
        self._head: h11.Request | None = None
        self._body: list[bytes] | None = None
        self._length = 0
        self._closing = False
        self.peer = ""
        self.phase = Phase.IDLE
        self.deadline = 0.0

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        self.peer = name[0] if isinstance(name, tuple) else ""
        self._secure = transport.get_extra_info("ssl_object") is not None or _is_near(self.peer)
        self._socket = transport.get_extra_info("socket") if self.peer else None
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._enter(Phase.HEAD, self._config.header_timeout)
        refusal = self._limits.admit(self)
        if refusal is not None:
            self._refuse(plain(503, refusal, RETRY))

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._socket is not None and QUICKACK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
        if self._parser is None:
            self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=self._config.header_size)
            self._enter(Phase.HEAD, self._config.header_timeout)
        try:
            self._parser.receive_data(data)
        except h11.RemoteProtocolError as error:
            self._refuse_protocol(error)
            return
        if self.phase in (Phase.HEAD, Phase.BODY):
            self._parse()
        else:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The other side sends no more; what it asked before is still answered."""
        if self.phase in (Phase.ANSWERING, Phase.WRITING):
            self._closing = True
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._limits.release(self)

    def pause_writing(self) -> None:
        self._enter(Phase.WRITING, self._config.write_timeout)

    def resume_writing(self) -> None:
        if self.phase is Phase.WRITING:
            self._wait_for_next()

    # Time

    def overdue(self) -> None:
        """The phase's time is over: a request half sent gets 408, everything else a closed connection."""
        if self.phase is Phase.BODY or (self.phase is Phase.HEAD and self._parser is not None):
            self._refuse(plain(408, "the request did not arrive in time"))
        elif self.phase is Phase.WRITING:
            self._transport.abort()
        else:
            self._transport.close()

    def drain(self) -> None:
        """Close as soon as nothing is under way."""
        if self.phase in (Phase.IDLE, Phase.HEAD) and self._parser is None:
            self._transport.close()
        else:
            self._closing = self._closing or self.phase is Phase.ANSWERING

    def _enter(self, phase: Phase, seconds: float) -> None:
        self.phase = phase
        self.deadline = self._loop.time() + seconds

    # Requests

    def _parse(self) -> None:
        parser = self._parser
        if parser is None:
            return
        try:
            while True:
                event = parser.next_event()
                if event is h11.NEED_DATA:
                    if parser.they_are_waiting_for_100_continue and self._head is not None:
                        parser.send(h11.InformationalResponse(status_code=100, headers=[]))
                        self._transport.write(CONTINUE)
                    return
                if isinstance(event, h11.Request):
                    if not self._begin(event):
                        return
                elif isinstance(event, h11.Data):
                    if not self._more(bytes(event.data)):
                        return
                elif isinstance(event, h11.EndOfMessage):
                    self._complete()
                    return
                else:
                    self._transport.close()
                    return
        except h11.RemoteProtocolError as error:
            self._refuse_protocol(error)

    def _begin(self, head: h11.Request) -> bool:
        self._head = head
        self._body = []
        self._length = 0
        self._enter(Phase.BODY, self._config.body_timeout)
        for name, value in head.headers:
            if name == b"content-length" and int(value) > self._config.body_size:
                self._too_large()
                return False
        return True

    def _more(self, data: bytes) -> bool:
        self._length += len(data)
        if self._length > self._config.body_size or self._body is None:
            self._too_large()
            return False
        self._body.append(data)
        return True

    def _complete(self) -> None:
        head = self._head
        if head is None:
            return
        if not self._limits.begin():
            self._send(plain(503, "too many requests at once, try again", RETRY), keep=self._keeps(head))
            return
        request = HTTPRequest(
            method=head.method.decode("ascii"),
            target=head.target.decode("ascii", "replace"),
            headers=list(head.headers),
            body=b"".join(self._body or ()),
            peer=self.peer,
            secure=self._secure,
        )
        self._body = None
        self.phase = Phase.ANSWERING
        self.deadline = float("inf")
        task = self._loop.create_task(self._answer(request, head))
        self._limits.hold(task)

    async def _answer(self, request: HTTPRequest, head: h11.Request) -> None:
        try:
            response = await self._handler(request)
        except Exception:
            log.exception("unexpected failure")
            response = plain(500, "internal error")
        finally:
            self._limits.end()
        if not self._transport.is_closing():
            self._send(response, keep=self._keeps(head), head_only=request.method == "HEAD")

    def _keeps(self, head: h11.Request) -> bool:
        """Whether the connection outlives this response (RFC 9112, section 9.3)."""
        if self._closing or self._limits.draining:
            return False
        options = {
            option.strip().lower()
            for name, value in head.headers
            if name == b"connection"
            for option in value.split(b",")
        }
        if head.http_version == b"1.1":
            return b"close" not in options
        return b"keep-alive" in options

    def _send(self, response: HTTPResponse, *, keep: bool, head_only: bool = False) -> None:
        self.phase = Phase.IDLE
        self._transport.write(encode(response, keep=keep, head_only=head_only))
        if not keep:
            self._finish()
        elif self.phase is not Phase.WRITING:
            self._wait_for_next()

    def _wait_for_next(self) -> None:
        """Ready for another request; one that waits already in the buffer begins now."""
        if self._closing:
            self._finish()
            return
        rest, _ = self._parser.trailing_data if self._parser is not None else (b"", False)
        self._parser = None
        self._head = None
        self._enter(Phase.IDLE, self._config.idle_timeout)
        self._transport.resume_reading()
        if rest:
            self.data_received(rest)

    # Refusals

    def _too_large(self) -> None:
        self._refuse(plain(413, f"a body of at most {self._config.body_size} bytes is taken"))

    def _refuse_protocol(self, error: h11.RemoteProtocolError) -> None:
        if error.error_status_hint == 431:
            self._refuse(plain(431, f"a head of at most {self._config.header_size} bytes is taken"))
        else:
            self._refuse(plain(400, f"no HTTP request: {error}"))

    def _refuse(self, response: HTTPResponse) -> None:
        self._transport.write(encode(response, keep=False))
        self._finish()

    def _finish(self) -> None:
        """Close once what was written is gone; a client that does not take it has the write timeout."""
        self._closing = True
        self._enter(Phase.WRITING, self._config.write_timeout)
        self._transport.close()


def _is_near(peer: str) -> bool:
    """Whether what comes from there never left the machine."""
    return not peer or ipaddress.ip_address(peer.partition("%")[0]).is_loopback
