"""A request as it arrives in pieces: what h11 alone would make of it, and nothing it would not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmpd.config import HTTPConfig
from cmpd.server.http.request_reader import RequestError, RequestReader
from tests.server.http.outside import CLOSE, KEEP, post

SMALL = HTTPConfig(header_size=4096, body_size=200)
STRICTER = {400, 413, 431, 505}
"""Refusals of cmpd's own: a body framed twice or in too many pieces, what is too long, other versions of
HTTP."""


@dataclass
class Read:
    """What became of a stream: the requests in it, and what is left."""

    requests: list[tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...], bytes]]
    """Each with its method, target, fields and body."""
    refused: int | None = None
    incomplete: bool = False


def by_cmpd(pieces: list[bytes], config: HTTPConfig) -> Read:
    """Request after request, each from what the one before left over."""
    read = Read([])
    incoming = RequestReader(config)
    for number, piece in enumerate(pieces):
        try:
            incoming.receive(piece)
            while incoming.complete:
                head, rest = incoming.head, incoming.rest
                assert head is not None
                fields = tuple(incoming.headers)
                read.requests.append((head.method, head.target, fields, incoming.take_body()))
                incoming = RequestReader(config)
                if rest:
                    incoming.receive(rest)
        except RequestError as refused:
            read.refused = refused.response.status
            return read
        if number % 2:
            incoming.waits_for_continue()
    read.incomplete = True
    return read


def by_h11(data: bytes, config: HTTPConfig) -> Read:
    """The same by h11 alone, which is given all of it at once, and a connection anew for each request."""
    read = Read([])
    while data:
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=config.header_size)
        parser.receive_data(data)
        head: h11.Request | None = None
        body = b""
        try:
            while True:
                happened = parser.next_event()
                if isinstance(happened, h11.Request):
                    head = happened
                elif isinstance(happened, h11.Data):
                    body += happened.data
                elif isinstance(happened, h11.EndOfMessage):
                    break
                else:
                    read.incomplete = True
                    return read
        except h11.RemoteProtocolError as error:
            read.refused = error.error_status_hint
            return read
        assert head is not None
        fields = tuple((name.lower(), value) for name, value in head.headers)
        read.requests.append((head.method, head.target, fields, body))
        data = parser.trailing_data[0]
    read.incomplete = True
    return read


def agree(data: bytes, pieces: list[bytes], config: HTTPConfig = SMALL) -> None:
    """cmpd reads the requests that h11 reads, all of them or those up to one that it refuses itself."""
    ours, theirs = by_cmpd(pieces, config), by_h11(data, config)
    assert ours.requests == theirs.requests[: len(ours.requests)]
    if len(ours.requests) < len(theirs.requests):
        assert ours.refused in STRICTER
    else:
        assert ours.refused == theirs.refused or ours.refused in STRICTER


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


CHUNKED = b"POST /cmp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
SEEDS = [
    post(b"some body"),
    post(b""),
    post(b"body", KEEP, version=b"1.0"),
    post(b"body", b"Expect: 100-continue", CLOSE),
    post(b"body", b"Content-Length: 4"),
    post(b"body", b"Content-Length: 5"),
    post(b"body", b"Transfer-Encoding: chunked"),
    post(b"x" * 201),
    b"GET /crl/a.crl HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    CHUNKED + b"4\r\nbody\r\n0\r\n\r\n",
    CHUNKED + b"4;a=b\r\nbody\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: t\r\n\r\n",
    CHUNKED.replace(b"Host", b"Content-Length: 4\r\nHost") + b"4\r\nbody\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 4\r\n\r\nbody",
    b"POST / HTTP/1.1\nHost: a\nContent-Length: 4\n\nbody",
]
FRAGMENTS = [
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b",", b"0", b"4", b":", b";", b"\x00", b"\xff"),
    *(b"Content-Length: 3\r\n", b"content-length: 4, 4\r\n", b"Content-Length: +4\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"Expect: 100-continue\r\n"),
    *(b"Connection: close\r\n", b"HTTP/1.0", b"0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: b\r\n\r\n"),
]


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Requests one after the other, some of their octets changed."""
    data = bytearray(b"".join(draw(st.lists(st.sampled_from(SEEDS), min_size=1, max_size=4))))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["put", "cut", "flip", "copy"])):
            case "put":
                data[at:at] = draw(st.sampled_from(FRAGMENTS) | st.binary(min_size=1, max_size=4))
            case "cut":
                del data[at : at + draw(st.integers(1, 12))]
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "copy":
                data[at:at] = data[at : at + 30]
    return bytes(data)


@settings(max_examples=600)
@given(streams(), st.lists(st.integers(0, 2000), max_size=12))
def test_a_stream_in_pieces_holds_the_requests_that_h11_reads_in_it(data: bytes, cuts: list[int]) -> None:
    agree(data, pieces_of(data, cuts))


@pytest.mark.parametrize("first", SEEDS)
def test_a_stream_octet_by_octet_holds_the_requests_that_h11_reads_in_it(first: bytes) -> None:
    data = first + post(b"the next one")
    agree(data, [data[at : at + 1] for at in range(len(data))])


def test_100_continue_is_for_a_client_that_has_not_begun_with_the_body() -> None:
    """A body counted here went past h11, which went on to take the client for one that waits."""
    request = post(b"body", b"Expect: 100-continue")
    for sent, waits in ((-4, True), (-2, False)):
        incoming = RequestReader(SMALL)
        incoming.receive(request[:sent])
        assert incoming.waits_for_continue() is waits
        assert not incoming.waits_for_continue()
