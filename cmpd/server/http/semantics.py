"""HTTP requests and responses as data (RFC 9110), and how a response is written down (RFC 9112)."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import cache, lru_cache
from http import HTTPStatus

from cmpd.records import quick_dataclass

TEXT = b"text/plain; charset=utf-8"


@quick_dataclass(frozen=True, slots=True)
class HTTPRequest:
    """One complete request."""

    method: str
    target: str
    """As on the request line: path and query."""
    headers: list[tuple[bytes, bytes]]
    """Names in lower case, in the order they came."""
    body: bytes
    peer: str
    """Address of the other side; empty on a Unix socket."""
    secure: bool
    """TLS, a loopback peer, or a Unix socket: nobody reads along."""

    def header(self, name: bytes) -> bytes | None:
        """The first field of that (lower case) name."""
        return next((value for known, value in self.headers if known == name), None)

    def listed(self, name: bytes) -> list[bytes]:
        """The members of a list-valued field of that (lower case) name, over all its lines, in order
        (RFC 9110, section 5.3): some proxies add a line of their own after what the client wrote."""
        lines = b",".join(value for known, value in self.headers if known == name)
        return [member for part in lines.split(b",") if (member := part.strip())]


@quick_dataclass(frozen=True, slots=True)
class HTTPResponse:
    """One response; Content-Length and Connection are the connection's to write."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


def plain(status: int, text: str, *headers: tuple[bytes, bytes]) -> HTTPResponse:
    """A response that says `text`."""
    return HTTPResponse(status, ((b"content-type", TEXT), *headers), text.encode() + b"\n")


@cache
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


def encode(response: HTTPResponse, *, keep: bool) -> bytes:
    """The response's head. HTTP/1.0 clients that keep connections need to be told (RFC 9112, 9.3)."""
    lines = [_status_line(response.status), _date(int(time.time()))]
    lines.extend(b"%s: %s\r\n" % header for header in response.headers)
    if response.status != HTTPStatus.NOT_MODIFIED:
        lines.append(b"content-length: %d\r\n" % len(response.body))
    lines.append(b"connection: keep-alive\r\n\r\n" if keep else b"connection: close\r\n\r\n")
    return b"".join(lines)


@lru_cache(maxsize=1)
def _date(now: int) -> bytes:
    """The Date field (RFC 9110, section 6.6.1); the same for all responses of a second."""
    return f"date: {formatdate(now, usegmt=True)}\r\n".encode()
