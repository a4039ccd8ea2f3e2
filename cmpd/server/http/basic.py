"""HTTP Basic authentication with an end entity's UUID and password (RFC 7617).

Whatever is wrong is answered with the same words, after the same work: the lifecycle compares against a
decoy where there is no such entity.
"""

from __future__ import annotations

import base64
import logging
import uuid
from typing import TYPE_CHECKING

from cmpd.printable import printable
from cmpd.server.http.semantics import HTTPResponse, plain

if TYPE_CHECKING:
    from cmpd.clm.client import Client

log = logging.getLogger(__name__)

CHALLENGE = (b"www-authenticate", b'Basic realm="cmpd", charset="UTF-8"')
NOBODY = "00000000-0000-0000-0000-000000000000"


class BasicAuthentication:
    """Turns an Authorization field into an end entity."""

    def __init__(self, client: Client, *, over_http: bool) -> None:
        self._client = client
        self._over_http = over_http

    async def authenticate(
        self, field: bytes | None, peer: str, *, secure: bool
    ) -> str | HTTPResponse | None:
        """The entity's UUID, the response that refuses, or None where no credentials were sent.

        `field` is the Authorization field's value; `secure`: nobody could read it on its way.
        """
        if field is None:
            return None
        if not (secure or self._over_http):
            return plain(403, "passwords are not taken over plain HTTP, nor from an unknown proxy; use HTTPS")
        user, password = _credentials(field)
        throttle = self._client.credentials.throttle
        wait = throttle.wait(user, peer)  # counted with failures under the same UUID in a MAC
        right = not wait and await self._client.credentials.check_password(user, password)
        wait = wait or throttle.wait(user, peer)  # once more: of guesses made at once few are looked at
        if wait:
            log.info("peer=%s login=%s: told to wait %d seconds", printable(peer), user, wait)
            return plain(429, "too many failed attempts, wait", (b"retry-after", b"%d" % wait))
        if right:
            throttle.succeeded(user, peer)
            return user
        throttle.failed(user, peer)
        log.info("peer=%s login=%s: the user name or the password is wrong", printable(peer), user)
        await self._client.audit_sample(f"peer:{peer}", "entity.login", f"entity:{user}", "badPassword")
        return plain(401, "the user name or the password is wrong", CHALLENGE)


def _credentials(field: bytes) -> tuple[str, bytes]:
    """(user, password); what is malformed becomes credentials of nobody."""
    scheme, _, encoded = field.partition(b" ")
    if scheme.lower() != b"basic":
        return NOBODY, b""
    try:
        user, separator, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (str(uuid.UUID(user.decode("utf-8"))), password) if separator else (NOBODY, b"")
    except ValueError:  # no base64, no UTF-8, or no UUID
        return NOBODY, b""
