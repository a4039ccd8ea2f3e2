"""Addresses: which are CMP's, what else is served, and what is refused before CMP is spoken."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from cmpd.clm.client import Client
from cmpd.clm.entities.throttle import CAP, FREE, Throttle
from cmpd.clm.store.base import StoreUnavailable
from cmpd.cmp.responder import Responder
from cmpd.cmp.transaction.exchange import RequestLogEntry, TransportRequest, TransportResponse
from cmpd.config import ConfigError
from cmpd.server.http.basic import BasicAuthentication
from cmpd.server.http.endpoints import CMPAddress, Endpoints, read_address
from cmpd.server.http.proxies import Proxies
from cmpd.server.http.publications import Publications
from cmpd.server.http.semantics import HTTPRequest, HTTPResponse

ENTITY = "251069b7-bcc3-4911-b312-04327925a1aa"
POLICY = "ffc0d281-f9df-45cd-a30d-1881cd67012a"
CRL, MADE = b"a CRL", 1_700_000_000
CMP = (b"content-type", b"application/pkixcmp")


@dataclass
class Lifecycle:
    """What the endpoints ask of the lifecycle."""

    throttle: Throttle = field(default_factory=lambda: Throttle(lambda: 0.0))
    failed: list[tuple[str, str]] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    gone: bool = False

    @property
    def credentials(self) -> Lifecycle:
        return self

    async def check_password(self, entity_id: str, password: bytes) -> bool:
        self.checked.append(entity_id)
        await asyncio.sleep(0)
        return (entity_id, password) == (ENTITY, "pässword:".encode())

    async def audit_sample(self, actor: str, action: str, subject: str, outcome: str) -> None:
        self.failed.append((subject, actor))

    async def publication(self, kind: str, name: str, partition: int | None) -> tuple[bytes, int] | None:
        if self.gone:
            raise StoreUnavailable("the store is gone")
        published = {("crl", "issuing", None), ("crl", "parted", 12)}
        return (CRL, MADE) if (kind, name, partition) in published else None


@dataclass
class Site:
    """The endpoints over a responder that notes its calls."""

    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    calls: list[TransportRequest] = field(default_factory=list)
    over_http: bool = False
    proxies: tuple[str, ...] = ()

    async def respond(self, call: TransportRequest) -> TransportResponse:
        self.calls.append(call)
        return TransportResponse(b"response", RequestLogEntry())

    def ask(self, target: str, *fields: tuple[bytes, bytes], **changes: Any) -> HTTPResponse:
        return asyncio.run(self.answer(target, *fields, **changes))

    async def answer(self, target: str, *fields: tuple[bytes, bytes], **changes: Any) -> HTTPResponse:
        request = HTTPRequest(
            **{
                "method": "POST",
                "target": target,
                "headers": list(fields),
                "body": b"request",
                "peer": "192.0.2.1",
                "secure": True,
                **changes,
            }
        )
        client = cast("Client", self.lifecycle)
        endpoints = Endpoints(
            cast("Responder", self),
            BasicAuthentication(client, over_http=self.over_http),
            Publications(client),
            lambda request, response, record: None,
            Proxies(self.proxies),
        )
        return await endpoints(request)


def _basic(user: str, password: str) -> tuple[bytes, bytes]:
    return b"authorization", b"Basic " + base64.b64encode(f"{user}:{password}".encode())


def _fields(response: HTTPResponse) -> dict[bytes, bytes]:
    return dict(response.headers)


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/cmp", CMPAddress()),
        (f"/cmp/{POLICY}", CMPAddress(policy=POLICY)),
        (f"/{POLICY}/cmp", CMPAddress(policy=POLICY)),
        ("/cmp/no-uuid", CMPAddress(policy="no-uuid")),
        ("/no-uuid/cmp", CMPAddress(policy="no-uuid")),
        ("/cmp/", CMPAddress(policy="")),
        ("/cmp/%C3%A4%2F", CMPAddress(policy="ä/")),
        ("/.well-known/cmp", CMPAddress()),
        ("/.well-known/cmp/initialization", CMPAddress(operation="initialization")),
        ("/.well-known/cmp/p/devices", CMPAddress(policy_name="devices")),
        ("/.well-known/cmp/p/devices/keyupdate", CMPAddress(policy_name="devices", operation="keyupdate")),
        ("/", None),
        ("/CMP", None),
        ("/cmp/a/b", None),
        ("cmp", None),
        ("/.well-known", None),
        ("/.well-known/cmp/a/b", None),
        ("/.well-known/cmp/p/a/b/c", None),
        ("/cmp/.well-known/x", None),
    ],
)
def test_cmp_addresses(path: str, address: CMPAddress | None) -> None:
    assert read_address(path) == address


@pytest.mark.parametrize(
    ("target", "changes", "fields", "status"),
    [
        ("/cmp", {}, (CMP,), 200),
        ("/cmp?x=1", {}, (CMP,), 200),
        ("/cmp", {}, ((b"content-type", b"Application/PKIXCMP; charset=x"),), 200),
        ("/cmp", {}, (), 415),
        ("/cmp", {}, ((b"content-type", b"application/pkixcmp-poll"),), 415),
        ("/cmp", {"body": b""}, (CMP,), 400),
        ("/cmp", {"method": "GET"}, (CMP,), 405),
        ("/cmp/unknown", {"method": "PUT"}, (CMP,), 405),
        ("/nothing", {}, (CMP,), 404),
        ("/" + "a" * 600 + "/cmp", {}, (CMP,), 414),
        ("/crl/issuing.crl", {}, (), 405),
        ("/crl/issuing.crl", {"method": "GET"}, (), 200),
        ("/crl/issuing.crl", {"method": "HEAD"}, (), 200),
        ("/crl/issuing.cer", {"method": "GET"}, (), 404),
        ("/crl/other.crl", {"method": "GET"}, (), 404),
        ("/crl/parted/12.crl", {"method": "GET"}, (), 200),
        ("/crl/parted/12.crl", {}, (), 405),
        ("/crl/parted/012.crl", {"method": "GET"}, (), 404),
        ("/crl/parted/1.crl", {"method": "GET"}, (), 404),
        ("/crl/parted/.crl", {"method": "GET"}, (), 404),
        ("/crl/parted.crl", {"method": "GET"}, (), 404),
        ("/crl/../issuing.crl", {"method": "GET"}, (), 404),
    ],
)
def test_what_each_address_answers(
    target: str, changes: dict[str, Any], fields: tuple[tuple[bytes, bytes], ...], status: int
) -> None:
    response = Site().ask(target, *fields, **changes)
    assert response.status == status
    if status == 405:
        assert _fields(response)[b"allow"] == (b"GET, HEAD" if "crl" in target else b"POST")


def test_an_unknown_identifier_reaches_the_responder_as_it_stands() -> None:
    site = Site()
    response = site.ask("/cmp/whatever", CMP)
    assert (response.status, response.body) == (200, b"response")
    assert site.calls[0].policy == "whatever"
    assert _fields(response)[b"content-type"] == b"application/pkixcmp"


def test_a_crl_comes_with_what_caches_need_and_is_not_sent_twice() -> None:
    site = Site()
    fields = _fields(site.ask("/crl/issuing.crl", method="GET"))
    assert fields[b"content-type"] == b"application/pkix-crl"
    assert fields[b"last-modified"] == b"Tue, 14 Nov 2023 22:13:20 GMT"
    assert b"max-age" in fields[b"cache-control"]
    for condition, status in [
        ((b"if-none-match", fields[b"etag"]), 304),
        ((b"if-none-match", b'W/"other", W/' + fields[b"etag"]), 304),
        ((b"if-none-match", b"*"), 304),
        ((b"if-none-match", b'"other"'), 200),
        ((b"if-modified-since", fields[b"last-modified"]), 304),
        ((b"if-modified-since", b"Tue, 14 Nov 2023 22:13:19 GMT"), 200),
        ((b"if-modified-since", b"yesterday"), 200),
        ((b"if-modified-since", b"Tue, 99 Nov 2023 22:13:19 GMT"), 200),
        ((b"if-modified-since", b"\xff"), 200),
    ]:
        response = site.ask("/crl/issuing.crl", condition, method="GET")
        assert (response.status, len(response.body)) == (status, 0 if status == 304 else len(CRL)), condition


def test_a_store_that_is_gone_is_a_503_to_try_again() -> None:
    response = Site(Lifecycle(gone=True)).ask("/crl/issuing.crl", method="GET")
    assert response.status == 503
    assert b"retry-after" in _fields(response)


# HTTP Basic authentication (RFC 7617)


def test_the_right_password_makes_the_connection_speak_for_the_entity() -> None:
    site = Site()
    assert site.ask("/cmp", CMP, _basic(ENTITY.upper(), "pässword:")).status == 200
    assert site.calls[0].entity == ENTITY


def test_without_credentials_nobody_is_spoken_for() -> None:
    site = Site()
    site.ask("/cmp", CMP)
    assert site.calls[0].entity is None
    assert site.lifecycle.checked == []


@pytest.mark.parametrize(
    "field",
    [
        _basic(ENTITY, "wrong"),
        _basic("00000000-0000-4000-8000-000000000000", "pässword:"),
        _basic("nobody", "x"),
        _basic("", ""),
        (b"authorization", b"Basic !!!"),
        (b"authorization", b"Basic " + base64.b64encode(b"\xff\xfe:x")),
        (b"authorization", b"Basic " + base64.b64encode(ENTITY.encode())),
        (b"authorization", b"Bearer abc"),
        (b"authorization", b""),
    ],
)
def test_whatever_is_wrong_gets_the_same_answer_after_the_same_comparison(field: tuple[bytes, bytes]) -> None:
    site = Site()
    response = site.ask("/cmp", CMP, field)
    assert response.status == 401
    assert _fields(response)[b"www-authenticate"] == b'Basic realm="cmpd", charset="UTF-8"'
    assert response.body == b"the user name or the password is wrong\n"
    assert len(site.lifecycle.checked) == 1
    assert site.lifecycle.failed[0][1] == "peer:192.0.2.1"
    assert site.calls == []


def test_guessing_is_slowed_down_without_a_look_at_the_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    site = Site()
    for _ in range(FREE + 1):
        assert site.ask("/cmp", CMP, _basic(ENTITY, "wrong")).status == 401
    response = site.ask("/cmp", CMP, _basic(ENTITY, "pässword:"))
    assert response.status == 429
    assert 0 < int(_fields(response)[b"retry-after"]) <= CAP
    assert len(site.lifecycle.checked) == FREE + 1
    assert site.lifecycle.throttle.failures == FREE + 1
    said = f"peer=192.0.2.1 login={ENTITY}: "
    assert caplog.messages == [
        *([said + "the user name or the password is wrong"] * (FREE + 1)),
        said + "told to wait 1 seconds",
    ]


def test_of_passwords_guessed_at_once_no_more_are_looked_at_than_one_after_the_other() -> None:
    site = Site()

    async def guess_at_once() -> list[HTTPResponse]:
        return await asyncio.gather(*(site.answer("/cmp", CMP, _basic(ENTITY, "wrong")) for _ in range(40)))

    statuses = [response.status for response in asyncio.run(guess_at_once())]
    assert statuses == [401] * (FREE + 1) + [429] * (39 - FREE)


def test_what_a_proxy_says_of_a_client_stays_on_its_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    site = Site(proxies=("10.0.0.1",))
    forwarded = (b"x-forwarded-for", b"1.2.3.4\x85<0>forged"), (b"x-forwarded-proto", b"https")
    site.ask("/cmp", CMP, _basic(ENTITY, "wrong"), *forwarded, peer="10.0.0.1")
    assert len(caplog.messages[0].splitlines()) == 1


@pytest.mark.parametrize(
    ("over_http", "secure", "status"), [(False, False, 403), (True, False, 200), (False, True, 200)]
)
def test_passwords_are_taken_where_nobody_reads_along_or_the_configuration_says_so(
    over_http: bool, secure: bool, status: int
) -> None:
    site = Site(over_http=over_http)
    assert site.ask("/cmp", CMP, _basic(ENTITY, "pässword:"), secure=secure).status == status


# Reverse proxies


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("10.0.0.1", b"192.0.2.9", "192.0.2.9"),
        ("10.0.0.1", b"192.0.2.8, 192.0.2.9", "192.0.2.9"),
        ("10.0.0.1", b"192.0.2.9, 10.0.0.7", "192.0.2.9"),
        ("10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1", b" , ,", "10.0.0.1"),
        ("192.0.2.1", b"192.0.2.9", "192.0.2.1"),
        ("10.0.0.1", b"192.0.2.9:4711", "192.0.2.9"),
        ("10.0.0.1", b"[2001:db8::9]:4711", "2001:db8::9"),
        ("10.0.0.1", b"2001:db8::9", "2001:db8::9"),
        ("10.0.0.1", b"192.0.2.9:4711, 10.0.0.7:4712", "192.0.2.9"),
        ("10.0.0.1", b"x" * 500, "x" * 64),
    ],
)
def test_the_client_behind_a_trusted_proxy_is_seen_and_nobody_else_is_believed(
    peer: str, forwarded: bytes, seen: str
) -> None:
    site = Site(proxies=("10.0.0.0/8",))
    site.ask("/cmp", CMP, (b"x-forwarded-for", forwarded), peer=peer)
    assert site.calls[0].peer == seen


def test_of_several_forwarded_lines_the_proxys_own_is_the_last() -> None:
    """A proxy that adds a line instead of a member leaves the client's above it."""
    site = Site(proxies=("10.0.0.0/8",))
    lines = ((b"x-forwarded-for", b"198.51.100.1"), (b"x-forwarded-for", b"192.0.2.9"))
    site.ask("/cmp", CMP, *lines, peer="10.0.0.1")
    assert site.calls[0].peer == "192.0.2.9"
    schemes = ((b"x-forwarded-proto", b"https"), (b"x-forwarded-proto", b"http"))
    assert site.ask("/cmp", CMP, _basic(ENTITY, "pässword:"), *schemes, peer="10.0.0.1").status == 403


@pytest.mark.parametrize(("proxies", "seen"), [(("unix",), "192.0.2.9"), (("10.0.0.0/8",), ""), ((), "")])
def test_who_comes_over_a_unix_socket_is_believed_where_the_configuration_says_so(
    proxies: tuple[str, ...], seen: str
) -> None:
    site = Site(proxies=proxies)
    site.ask("/cmp", CMP, (b"x-forwarded-for", b"192.0.2.9"), peer="")
    assert site.calls[0].peer == seen


def test_a_proxy_that_is_no_network_is_named() -> None:
    with pytest.raises(ConfigError, match=r"http\.trusted_proxies: .*'proxy\.example'"):
        Proxies(("proxy.example",))


@pytest.mark.parametrize("name", [b"x-forwarded-for", b"x-forwarded-proto", b"forwarded", b"via"])
def test_a_proxy_on_this_machine_that_is_not_trusted_does_not_make_passwords_secret(name: bytes) -> None:
    """Its client may be anywhere, and may have come over plain HTTP."""
    fields = (CMP, _basic(ENTITY, "pässword:"), (name, b"https"))
    assert Site().ask("/cmp", *fields, peer="127.0.0.1", secure=True).status == 403
    trusting = Site(proxies=("127.0.0.1",))
    https = (b"x-forwarded-proto", b"https")
    assert trusting.ask("/cmp", *fields, https, peer="127.0.0.1", secure=True).status == 200


@pytest.mark.parametrize(
    ("peer", "protocol", "status"),
    [("10.0.0.1", b"https", 200), ("10.0.0.1", b"http", 403), ("192.0.2.1", b"https", 403)],
)
def test_a_trusted_proxy_says_whether_its_client_came_over_https(
    peer: str, protocol: bytes, status: int
) -> None:
    site = Site(proxies=("10.0.0.0/8",))
    fields = (CMP, _basic(ENTITY, "pässword:"), (b"x-forwarded-proto", protocol))
    assert site.ask("/cmp", *fields, peer=peer, secure=False).status == status
