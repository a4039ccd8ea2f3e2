"""HTTP/1.0 and 1.1 over one connection: when it is read, answered and closed (RFC 9112).

A connection serves one request after the other, each read by an `RequestReader` of its own: h11 would close
after HTTP/1.0, and clients of CMP keep such connections. The response's head is written by
`cmpd.server.messages`. Pipelined requests wait in the buffer until their turn, and the socket is not
read meanwhile, so that nobody can pile them up. What is too slow is ended here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import select
import socket
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from cmpd.server.http.request_reader import RequestError, RequestReader
from cmpd.server.http.semantics import HTTPRequest, HTTPResponse, encode, plain

if TYPE_CHECKING:
    from cmpd.config import HTTPConfig
    from cmpd.server.http.limits import Limits

log = logging.getLogger(__name__)

Handler = Callable[[HTTPRequest], Awaitable[HTTPResponse]]

RETRY = (b"retry-after", b"1")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
QUICKACK = getattr(socket, "TCP_QUICKACK", None)
"""Linux only: acknowledge at once. Clients that write head and body apart would wait 40 ms otherwise."""

FIRST, NEXT = 3.0, 1.0
"""Seconds that a stop waits for the first request of a connection, and for the next one."""
LINGER = 2.0
"""Seconds that a refused client has to take in why. Closing at once would make TCP throw the response
away while the client still sends."""
LINGER_OCTETS = 1 << 20
"""What a refused client may still send."""
READ = memoryview(bytearray(1 << 14))
"""Where every connection reads into, one after the other: as much as one may read ahead of its turn."""
WRITE = 1 << 16
"""Octets handed to the transport at a time, so that slow readers of long CRLs hold little memory."""


class Phase(Enum):
    """What a connection is at; each has its own bound in time."""

    OPENING = auto()
    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    ANSWERING = auto()
    WRITING = auto()
    LINGERING = auto()


class Connection(asyncio.BufferedProtocol):
    """One accepted connection."""

    __slots__ = (
        "_config",
        "_early",
        "_handler",
        "_incoming",
        "_keep",
        "_left",
        "_limits",
        "_loop",
        "_secure",
        "_sent_all",
        "_socket",
        "_tls",
        "_transport",
        "_unsent",
        "deadline",
        "peer",
        "phase",
        "since",
    )

    def __init__(self, handler: Handler, config: HTTPConfig, limits: Limits) -> None:
        self._handler = handler
        self._config = config
        self._limits = limits
        self._incoming: RequestReader | None = None
        """The request under way, from its first octet to its response."""
        self._keep = False
        self._left = LINGER_OCTETS
        self._sent_all = False
        self._unsent: memoryview | None = None
        self._early = b""
        self.peer = ""
        self.phase = Phase.OPENING
        self.since = 0.0
        """When the phase began, on the loop's clock."""
        self.deadline = 0.0

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", transport)
        self.peer = peer_of(transport)
        self._tls = transport.get_extra_info("ssl_object") is not None
        self._secure = self._tls or _is_near(self.peer)
        self._socket = transport.get_extra_info("socket") if self.peer else None
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._enter(Phase.HEAD, self._config.header_timeout)
        refusal = self._limits.admit(self)
        if refusal is not None:
            self._refuse(plain(503, refusal, RETRY))
            if self._limits.flooded:
                self._transport.abort()
        if self._early:
            early, self._early = self._early, b""
            self._receive(early)

    def get_buffer(self, sizehint: int) -> memoryview:
        return READ

    def buffer_updated(self, nbytes: int) -> None:
        self._receive(bytes(READ[:nbytes]))

    def _receive(self, data: bytes) -> None:
        if self.phase is Phase.OPENING:
            self._early += data  # what comes with the last message of a TLS handshake
            return
        if self.phase is Phase.LINGERING:
            self._left -= len(data)
            if self._left < 0:
                self._transport.abort()
            return
        incoming = self._incoming
        if incoming is None:
            if self._transport.is_closing():
                return  # what TLS hands on while it writes the last of a response
            if data[:1] in b"\r\n":
                data = data.lstrip(b"\r\n")  # empty lines before a request (RFC 9112, section 2.2)
                if not data:
                    return
            incoming = self._incoming = RequestReader(self._config)
            if self.phase is Phase.IDLE:
                self._enter(Phase.HEAD, self._config.header_timeout)
        try:
            incoming.receive(data)
        except RequestError as refused:
            self._refuse(refused.response)
            return
        if self.phase not in (Phase.HEAD, Phase.BODY):
            self._transport.pause_reading()
        elif incoming.complete:
            self._begin(incoming)
            return  # the response acknowledges what came
        elif incoming.head is not None:
            if self.phase is Phase.HEAD:
                self._enter(Phase.BODY, self._config.body_timeout)
            if incoming.waits_for_continue():
                self._transport.write(CONTINUE)
        if self._socket is not None and QUICKACK is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)

    def eof_received(self) -> bool:
        """The other side sends no more; what it asked before is still answered."""
        self._sent_all = True
        if self.phase is Phase.OPENING:
            return False
        return self.phase in (Phase.ANSWERING, Phase.WRITING) and not self._tls

    def connection_lost(self, exc: Exception | None) -> None:
        self._limits.release(self)

    def pause_writing(self) -> None:
        if self.phase is Phase.ANSWERING:
            self._enter(Phase.WRITING, self._config.write_timeout)

    def resume_writing(self) -> None:
        if self.phase is Phase.WRITING and not self._transport.is_closing():
            self.phase = Phase.ANSWERING
            self._write_on()

    # Time

    def overdue(self) -> None:
        """The phase's time is over: a request half sent gets 408, everything else a closed connection."""
        if self.phase is Phase.BODY or (self.phase is Phase.HEAD and self._incoming is not None):
            self._refuse(plain(408, "the request did not arrive in time"))
        elif self.phase in (Phase.WRITING, Phase.LINGERING):
            self._transport.abort()
        else:
            self._finish()

    def close_if_idle(self, now: float) -> None:
        """Close where no request is under way, and the next one is not on its way; `now` is by the loop's
        clock."""
        if self._incoming is not None or self.phase not in (Phase.IDLE, Phase.HEAD):
            return
        grace = NEXT if self.phase is Phase.IDLE else FIRST
        if now - self.since > grace and not self._has_unread():
            self._finish()

    def _has_unread(self) -> bool:
        """Whether something came that the event loop has not got round to."""
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._transport.abort()

    def _enter(self, phase: Phase, seconds: float) -> None:
        self.phase = phase
        self.since = self._loop.time()
        self.deadline = self.since + seconds

    # Requests

    def _begin(self, incoming: RequestReader) -> None:
        """Have the complete request answered."""
        head = incoming.head
        if head is None:
            return
        if not self._limits.begin():
            self._refuse(plain(503, "too many requests at once, try again", RETRY))
            return
        request = HTTPRequest(
            method=head.method.decode("ascii"),
            target=head.target.decode("ascii", "replace"),
            headers=incoming.headers,
            body=incoming.take_body(),
            peer=self.peer,
            secure=self._secure,
        )
        self._keep = incoming.keep
        self.phase, self.deadline = Phase.ANSWERING, float("inf")
        self._limits.hold(self._loop.create_task(self._answer(request)))

    async def _answer(self, request: HTTPRequest) -> None:
        try:
            response = await self._handler(request)
        except Exception:
            log.exception("unexpected failure")
            response = plain(500, "internal error")
        finally:
            self._limits.end()
        if self._transport.is_closing():
            return
        self._keep = self._keep and not self._limits.draining
        body = b"" if request.method == "HEAD" else response.body
        written = encode(response, keep=self._keep)
        if len(body) <= WRITE:
            self._transport.write(written + body)
        else:
            self._transport.write(written)
            self._unsent = memoryview(body)
        self._write_on()

    def _write_on(self) -> None:
        """Write what is left of the response, as far as the client takes it; then what comes next."""
        while self._unsent is not None and self.phase is Phase.ANSWERING:
            piece, rest = self._unsent[:WRITE], self._unsent[WRITE:]
            self._unsent = rest if len(rest) else None
            self._transport.write(piece)
        if self.phase is not Phase.ANSWERING:
            return  # the client is slow: resume_writing goes on
        if self._keep:
            self._next()
        else:
            self._finish()

    def _next(self) -> None:
        """Ready for another request; one that waits already in the buffer begins now."""
        rest = self._incoming.rest if self._incoming is not None else b""
        self._incoming = None
        if self._sent_all and not rest:
            self._finish()
            return
        self._enter(Phase.IDLE, self._config.idle_timeout)
        self._transport.resume_reading()
        if rest:
            self._receive(rest)
        if self._sent_all and self.phase in (Phase.IDLE, Phase.HEAD, Phase.BODY):
            self._finish()  # what is left is half a request or an empty line, and nothing more comes

    # Endings

    def _refuse(self, response: HTTPResponse) -> None:
        """Say why, and close when the client has had the time to read it."""
        self._incoming = None
        self._enter(Phase.LINGERING, LINGER)
        self._transport.write(encode(response, keep=False) + response.body)
        if self._sent_all:
            self._transport.close()
        elif self._transport.can_write_eof():
            self._transport.write_eof()

    def _finish(self) -> None:
        """Close once what was written is gone; a client that does not take it has the write timeout."""
        self._incoming = None
        self._enter(Phase.WRITING, self._config.write_timeout)
        self._transport.close()


def peer_of(transport: asyncio.BaseTransport) -> str:
    """The other side's address, IPv4 as such where it came to an IPv6 listener; empty on a Unix socket."""
    name = transport.get_extra_info("peername")
    host: str = name[0] if isinstance(name, tuple) else ""
    return host.removeprefix("::ffff:") if "." in host else host


@lru_cache(maxsize=64)
def _is_near(peer: str) -> bool:
    """Whether what comes from there never left the machine."""
    return not peer or ipaddress.ip_address(peer.partition("%")[0]).is_loopback
