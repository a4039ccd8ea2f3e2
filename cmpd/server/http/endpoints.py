"""Which address serves what (RFC 9811, section 3.1; RFC 9483, section 6.1).

An address that is one of CMP's reaches the responder whatever policy it names: an identifier that
nobody serves is a CMP error, not an HTTP one. Every other address is 404.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cmpd.clm.secrets import SecretError
from cmpd.clm.store.base import StoreError
from cmpd.cmp.transaction.exchange import RequestLogEntry, TransportRequest
from cmpd.records import quick_dataclass
from cmpd.server.http.protocol import RETRY
from cmpd.server.http.semantics import HTTPRequest, HTTPResponse, plain

if TYPE_CHECKING:
    from cmpd.cmp.responder import Responder
    from cmpd.server.http.basic import BasicAuthentication
    from cmpd.server.http.proxies import Proxies
    from cmpd.server.http.publications import Publications

log = logging.getLogger(__name__)

PKIXCMP = b"application/pkixcmp"
LONGEST_TARGET = 512

Observer = Callable[[HTTPRequest, HTTPResponse, RequestLogEntry], None]
"""Told of every CMP exchange: the log, the metrics."""


@quick_dataclass(frozen=True, slots=True)
class CMPAddress:
    """What a CMP address names."""

    policy: str | None = None
    policy_name: str | None = None
    operation: str | None = None


def read_address(path: str) -> CMPAddress | None:
    """The CMP address in a path, percent-decoded; None where it is none."""
    parts = tuple(unquote(part) for part in path.split("/"))
    match parts:
        case ("", "cmp"):
            return CMPAddress()
        case ("", "cmp", identifier) | ("", identifier, "cmp") if identifier != ".well-known":
            return CMPAddress(policy=identifier)
        case ("", ".well-known", "cmp"):
            return CMPAddress()
        case ("", ".well-known", "cmp", "p", name):
            return CMPAddress(policy_name=name)
        case ("", ".well-known", "cmp", "p", name, operation):
            return CMPAddress(policy_name=name, operation=operation)
        case ("", ".well-known", "cmp", operation):
            return CMPAddress(operation=operation)
    return None


class Endpoints:
    """Answers HTTP requests."""

    def __init__(
        self,
        responder: Responder,
        basic: BasicAuthentication,
        publications: Publications,
        observer: Observer,
        proxies: Proxies,
    ) -> None:
        self._responder = responder
        self._basic = basic
        self._publications = publications
        self._observer = observer
        self._proxies = proxies

    async def __call__(self, request: HTTPRequest) -> HTTPResponse:
        if len(request.target) > LONGEST_TARGET:
            return plain(414, "the address is too long")
        try:
            return await self._route(request)
        except (StoreError, SecretError) as error:
            log.warning("%s %s: %s", request.method, request.target, error)
            return plain(503, "the server's records cannot be read now, try again later", RETRY)

    async def _route(self, request: HTTPRequest) -> HTTPResponse:
        path = request.target.partition("?")[0]
        address = read_address(path)
        if address is not None:
            return await self._cmp(request, address)
        publication = self._publications.find(path)
        if publication is not None:
            return await self._publication(request, publication)
        return plain(404, "there is nothing at this address")

    async def _cmp(self, request: HTTPRequest, address: CMPAddress) -> HTTPResponse:
        if request.method != "POST":
            return plain(405, "CMP requires POST", (b"allow", b"POST"))
        media_type = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
        if media_type != PKIXCMP:
            return plain(415, "the content type of CMP is application/pkixcmp")
        if not request.body:
            return plain(400, "the body is empty, a PKIMessage is expected")
        peer = self._proxies.client_of(request)
        secure = self._proxies.is_secure(request)
        entity = await self._basic.authenticate(request.header(b"authorization"), peer, secure=secure)
        if isinstance(entity, HTTPResponse):
            return entity
        reply = await self._responder.respond(
            TransportRequest(
                body=request.body,
                policy=address.policy,
                policy_name=address.policy_name,
                operation=address.operation,
                entity=entity,
                peer=peer,
                secure=secure,
            )
        )
        response = HTTPResponse(200, ((b"content-type", PKIXCMP),), reply.body)
        self._observer(request, response, reply.log_entry)
        return response

    async def _publication(
        self, request: HTTPRequest, publish: Callable[[HTTPRequest], Awaitable[HTTPResponse]]
    ) -> HTTPResponse:
        if request.method not in ("GET", "HEAD"):
            return plain(405, "this is for GET and HEAD", (b"allow", b"GET, HEAD"))
        return await publish(request)
