"""One HTTP/1.0 or 1.1 request as it arrives: h11 reads the head and bodies in chunks (RFC 9112).

Where Content-Length frames the body, its octets are counted here: h11 would make three more events of
them, 0.04 ms each request. What is too long, framed twice or no HTTP is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11

from cmpd.server.http.semantics import HTTPResponse, plain

if TYPE_CHECKING:
    from cmpd.config import HTTPConfig

PIECES = 2048
"""Most chunks of one body: a chunk of one octet costs as much work as one of thousands."""
STATUSES = {
    400: "this is not an HTTP/1.0 or HTTP/1.1 request",
    431: "the head of the request is too long",
    501: "no transfer coding but chunked is taken",
}
"""What h11 tells apart, by HTTP status. Its own words would repeat what was sent."""


class RequestError(Exception):
    """The request is not taken; `response` says why."""

    def __init__(self, response: HTTPResponse) -> None:
        super().__init__(response.status)
        self.response = response


class RequestReader:
    """A request from its first octet to its last."""

    __slots__ = (
        "_body",
        "_config",
        "_expects",
        "_left",
        "_parser",
        "_pieces",
        "complete",
        "head",
        "headers",
        "keep",
        "rest",
    )

    def __init__(self, config: HTTPConfig) -> None:
        self._config = config
        self._parser: h11.Connection | None = h11.Connection(
            h11.SERVER, max_incomplete_event_size=config.header_size
        )
        """None from where the body is counted here: it would keep a copy of what came with the head."""
        self._left = 0
        """Octets of the body still to come, where Content-Length tells."""
        self._expects = False
        self._pieces = 0
        self.head: h11.Request | None = None
        """None until it is complete."""
        self.headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self.keep = False
        """Whether the client wants the connection to outlive the response."""
        self.complete = False
        self.rest = b""
        """What came after the request's last octet."""

    def receive(self, data: bytes) -> None:
        """Take in what came. Raises Refused."""
        if self.complete:
            self.rest += data
        elif self._parser is None:
            self._count(data)
        else:
            self._parser.receive_data(data)
            try:
                self._parse(self._parser)
            except h11.RemoteProtocolError as error:
                status = error.error_status_hint if error.error_status_hint in STATUSES else 400
                raise RequestError(plain(status, STATUSES[status])) from None

    def take_body(self) -> bytes:
        """The complete body, which is kept here no longer."""
        body = bytes(self._body)
        self._body = bytearray()
        return body

    def waits_for_continue(self) -> bool:
        """Whether the client sends the body only once it is told to go on; asked once, it is told."""
        waits = self._expects and not self.complete and not self._body
        self._expects = False
        return waits

    def _count(self, data: bytes) -> None:
        left = self._left
        self._body += data[:left]
        self._left = max(left - len(data), 0)
        if not self._left:
            self.complete = True
            self.rest = data[left:]

    def _parse(self, parser: h11.Connection) -> None:
        while not self.complete:
            event = parser.next_event()
            if isinstance(event, h11.Request):
                self._expects = parser.they_are_waiting_for_100_continue
                length = self._begin(event)
                if length is not None:
                    self._parser, self._left = None, length
                    self._count(parser.trailing_data[0])
                    return
            elif isinstance(event, h11.Data):
                self._add(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self.complete = True
                self.rest = parser.trailing_data[0]
            else:  # NEED_DATA; or the client had no more to say
                return

    def _begin(self, head: h11.Request) -> int | None:
        """Look the head over. Gives the octets of the body; None where it comes in chunks."""
        size = len(head.method) + len(head.target)
        length: int | None = 0
        framings = 0
        connection = b""
        self.headers = [(name.lower(), value) for name, value in head.headers.raw_items()]
        for name, value in self.headers:
            size += len(name) + len(value)
            if name == b"content-length":
                length = int(value)
                framings += 1
            elif name == b"transfer-encoding":
                framings += 2 if head.http_version == b"1.0" else 1
                length = None
            elif name == b"connection":
                connection += b"," + value.lower()
        if not head.http_version.startswith(b"1."):
            raise RequestError(plain(505, "only HTTP/1.0 and HTTP/1.1 are supported"))
        if framings > 1:
            # A proxy that reads the other one sees another body here, and a request that is none.
            raise RequestError(plain(400, "Content-Length and Transfer-Encoding do not go together"))
        if size > self._config.header_size:
            raise RequestError(plain(431, STATUSES[431]))
        if length is not None and length > self._config.body_size:
            raise self._too_large()
        self.head = head
        self.keep = _keeps(head.http_version, connection)
        return length

    def _add(self, piece: bytes) -> None:
        """A piece of a body in chunks."""
        self._body += piece
        self._pieces += 1
        if len(self._body) > self._config.body_size:
            raise self._too_large()
        if self._pieces > PIECES:
            raise RequestError(plain(400, f"a body of at most {PIECES} pieces is taken"))

    def _too_large(self) -> RequestError:
        return RequestError(plain(413, f"a body of at most {self._config.body_size} bytes is taken"))


def _keeps(version: bytes, connection: bytes) -> bool:
    """Whether the client wants the connection to outlive the response (RFC 9112, section 9.3)."""
    options = {option.strip() for option in connection.split(b",")}
    return b"close" not in options and (version != b"1.0" or b"keep-alive" in options)
