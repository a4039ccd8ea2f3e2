"""`cmpd selftest`: a whole device life against a running server, a line a step."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from cmpd.cli import COMMANDS
from cmpd.cli.addresses import local_url
from cmpd.cli.common import CommandError, StoreCommand, actor, now, set_command

if TYPE_CHECKING:
    from cmpd.client.requester import Send
    from cmpd.clm.model import Entity

T = TypeVar("T")
TIMEOUT = 15.0


class StepFailed(Exception):
    """A step did not come out as it must."""


def register(subparsers: Any) -> None:
    """Add the noun."""
    parser = subparsers.add_parser(
        "selftest",
        help=COMMANDS["selftest"],
        description="Enrol by password, confirm, update by signature, revoke, as a throw-away end entity "
        "that is deleted afterwards. Exit status 1 where a step fails.",
    )
    parser.add_argument(
        "url",
        metavar="URL",
        nargs="?",
        help="where the server answers (default: the configuration's first listener, /cmp)",
    )
    parser.add_argument("--ca-file", metavar="FILE", help="PEM file with the CAs of an https server")
    set_command(parser, _selftest)


async def _selftest(place: StoreCommand, arguments: argparse.Namespace) -> int:
    url = arguments.url or f"{local_url(place.config)}/cmp"
    send = _sender(url, arguments.ca_file)
    print(f"selftest of {url}")
    async with _throw_away(place) as (entity, password):
        try:
            await _life(send, entity, password)
        except StepFailed:
            return 1
    print("all well")
    return 0


async def _life(send: Send, entity: Entity, password: str) -> None:
    from cryptography import x509

    from cmpd.client import requester
    from cmpd.cmp.wire.message import Body

    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, entity.name)])
    secret = requester.MacProtection(entity.id.encode(), password.encode())
    identity, transaction = await _step(
        "ir, protected by password", requester.enrol(send, secret, Body.IR, subject)
    )
    await _step("certConf", requester.confirm(transaction, identity))
    updated, transaction = await _step(
        "kur, protected by signature", requester.enrol(send, identity, Body.KUR, subject)
    )
    await _step("certConf", requester.confirm(transaction, updated))
    await _step("rr of the new certificate", requester.revoke(send, updated))
    try:
        await requester.enrol(send, updated, Body.KUR, subject)
    except requester.ResponseRejected as refusal:
        print(f"ok      {'kur with the revoked certificate':<34} refused: {refusal}")
    else:
        print("FAILED  kur with the revoked certificate was granted")
        raise StepFailed
    with suppress(requester.ResponseRejected):  # the policy may have revoked what was updated
        await requester.revoke(send, identity)


async def _step(name: str, work: Awaitable[T]) -> T:
    from cmpd.client.requester import ResponseRejected
    from cmpd.cmp.wire.failure import CMPFailure

    started = time.perf_counter()
    try:
        result = await work
    except (ResponseRejected, CMPFailure, OSError, ValueError) as error:
        print(f"FAILED  {name:<34} {_reason(error)}")
        raise StepFailed from None
    print(f"ok      {name:<34} {1000 * (time.perf_counter() - started):7.1f} ms")
    return result


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there: start cmpd, or name another URL"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


@asynccontextmanager
async def _throw_away(place: StoreCommand) -> AsyncIterator[tuple[Entity, str]]:
    """An end entity under the API client's default policy, deleted at the end."""
    from cmpd.clm.configuration.api_client import APIClient
    from cmpd.clm.entities.entity_acts import add
    from cmpd.clm.model import Act, Entity, ObjectKind
    from cmpd.clm.secrets import new_password
    from cmpd.clm.store.changes import DeleteEntity, audited

    stored = await place.store.object(ObjectKind.API_CLIENT, place.config.client.id)
    policy = APIClient.of(stored).default_policy if stored is not None else None
    if policy is None:
        raise CommandError(
            f"API client {place.config.client.id!r} has no default policy to test; "
            "`cmpd client` gives it one",
            os.EX_CONFIG,
        )
    password = new_password()
    act = Act(actor(), now())
    wanted = Entity(id="", name="cmpd selftest", policies=(policy,))
    entity, unit = add(act, place.master_key, wanted, password)
    await place.store.commit(unit)
    try:
        yield entity, password
    finally:
        current = await place.store.entity(entity.id)
        if current is not None:
            await place.store.commit(
                (
                    DeleteEntity(entity.id, current.version),
                    audited(act, "entity.delete", f"entity:{entity.id}"),
                )
            )


def _sender(url: str, ca_file: str | None) -> Send:
    """A function that posts one message. Raises CommandError for what is no http URL."""
    import asyncio
    import http.client
    import ssl

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CommandError(f"{url!r} is not an http or https URL with a host", os.EX_USAGE)

    def post(request: bytes) -> bytes:
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=ca_file)
            connection = http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=TIMEOUT, context=context
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
        try:
            connection.request("POST", parts.path or "/cmp", request, {"Content-Type": "application/pkixcmp"})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise ConnectionError(f"HTTP {response.status} {response.reason}")
        return body

    async def send(request: bytes) -> bytes:
        return await asyncio.to_thread(post, request)

    return send
