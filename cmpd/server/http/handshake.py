"""A connection before and during its TLS handshake.

asyncio would tell of a TLS connection only once its handshake is over; until then nobody would count it,
and whoever opens many and says nothing could take all the sockets there are. So a listener with TLS takes
plain connections, bounds them from their first moment, and goes over to TLS itself.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, cast

from cmpd.server.http.protocol import Connection, peer_of

if TYPE_CHECKING:
    from cmpd.config import HTTPConfig
    from cmpd.server.http.limits import Limits


class Handshake(asyncio.Protocol):
    """Lets a connection in to TLS, if there is room."""

    __slots__ = ("_config", "_connection", "_context", "_limits", "_transport", "deadline", "peer")

    def __init__(
        self, connection: Connection, context: ssl.SSLContext, config: HTTPConfig, limits: Limits
    ) -> None:
        """`connection`: what speaks HTTP once the handshake is over."""
        self._connection = connection
        self._context = context
        self._config = config
        self._limits = limits
        self.peer = ""
        self.deadline = float("inf")  # the handshake has a bound of its own

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.pause_reading()
        self.peer = peer_of(transport)
        if self._limits.admit(self) is not None:
            self._transport.abort()
            return
        self._limits.hold(asyncio.get_running_loop().create_task(self._shake_hands()))

    def connection_lost(self, exc: Exception | None) -> None:
        self._limits.release(self)

    def overdue(self) -> None:
        self.abort()

    def close_if_idle(self, now: float) -> None:
        """A handshake that is under way may be followed by a request."""

    def abort(self) -> None:
        self._transport.abort()

    async def _shake_hands(self) -> None:
        try:
            secured = await asyncio.get_running_loop().start_tls(
                self._transport,
                self._connection,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._config.header_timeout,
                ssl_shutdown_timeout=self._config.write_timeout,
            )
        except OSError:  # ssl.SSLError and timeouts among them; start_tls has closed the connection
            secured = None
        finally:
            self._limits.release(self)
        if secured is not None and not secured.is_closing():
            self._connection.connection_made(secured)
