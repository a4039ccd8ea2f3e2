"""CRLs and CA certificates over HTTP, for the URLs in certificates (RFC 5280, sections 4.2.1.13, 4.2.2.1)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from email.utils import formatdate, parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING

from cmpd.server.http.semantics import HTTPRequest, HTTPResponse, plain

if TYPE_CHECKING:
    from cmpd.clm.client import Client

Place = tuple[str, str, int | None]
"""(kind, CA, partition of its CRL): what a path names."""
PATHS = re.compile(
    r"/(?P<kind>crl|ca)/(?P<name>[A-Za-z0-9._-]{1,128})(/(?P<partition>0|[1-9][0-9]{0,3}))?\.(?P<ending>crl|cer)"
)
KINDS = {"crl": "crl", "ca": "cer"}
MEDIA_TYPES = {"crl": b"application/pkix-crl", "ca": b"application/pkix-cert"}
FRESH = 60
"""Seconds a cache may keep a CRL without asking: a revocation is to be seen soon."""


class Publications:
    """What anybody may fetch."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tags: dict[Place, tuple[bytes, bytes]] = {}
        """What was published last, and its ETag: a long CRL is not to be hashed for everybody who asks."""

    def find(self, path: str) -> Callable[[HTTPRequest], Awaitable[HTTPResponse]] | None:
        """What serves the path, if anything is published there."""
        match = PATHS.fullmatch(path)
        if match is None or KINDS[match["kind"]] != match["ending"]:
            return None
        partition = match["partition"]
        place = match["kind"], match["name"], None if partition is None else int(partition)
        return partial(self._serve, place)

    async def _serve(self, place: Place, request: HTTPRequest) -> HTTPResponse:
        found = await self._client.publication(*place)
        if found is None:
            return plain(404, "nothing is published at this address; certificates name where their CRL is")
        der, modified = found
        tag = self._tag(place, der)
        headers = (
            (b"content-type", MEDIA_TYPES[place[0]]),
            (b"etag", tag),
            (b"last-modified", formatdate(modified, usegmt=True).encode()),
            (b"cache-control", b"max-age=%d" % FRESH),
        )
        if _has_it(request, tag, modified):
            return HTTPResponse(304, headers)
        return HTTPResponse(200, headers, der)

    def _tag(self, place: Place, der: bytes) -> bytes:
        known = self._tags.get(place)
        if known is None or known[0] is not der:
            known = der, b'"%s"' % hashlib.sha256(der).hexdigest()[:32].encode()
            self._tags[place] = known
        return known[1]


def _has_it(request: HTTPRequest, tag: bytes, modified: int) -> bool:
    """Whether the client's copy is current (RFC 9110, section 13.2.2)."""
    tags = request.header(b"if-none-match")
    if tags is not None:
        return tags.strip() == b"*" or tag in (one.strip().removeprefix(b"W/") for one in tags.split(b","))
    since = request.header(b"if-modified-since")
    if since is None:
        return False
    try:
        return modified <= parsedate_to_datetime(since.decode("ascii")).timestamp()
    except (ValueError, OverflowError):  # no date at all, or one that no clock has
        return False
