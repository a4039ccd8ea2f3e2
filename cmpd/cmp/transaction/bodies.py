"""The body types that are served: one row each, which the module of its handler registers.

Everything else that depends on the body derives from its row: which checks its header passes, which step it
takes, whether its certProfile chooses the policy, which addresses are for it, what it is answered with, and
what the grants call it. A body type without a row is refused (badRequest). (RFC 9810, section 5.1.2.)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cmpd.cmp.transaction.states import Event
from cmpd.cmp.wire.message import Body

if TYPE_CHECKING:
    from cmpd.cmp.parties.cells import Operation
    from cmpd.cmp.transaction.exchange import Exchange, HandlerResult

ASKS_NOTHING: Final[frozenset[str]] = frozenset()
"""Of an address that is for no genm."""

Handler = Callable[["Exchange"], Awaitable["HandlerResult"]]
"""Takes the exchange and gives the answer. Raises CMPFailure for what it cannot grant; a failure of the
certificate request itself travels inside its response (ip, cp, kup, rp with status rejection), as RFC 9483,
section 4 has it."""


@dataclass(frozen=True, slots=True)
class BodyType:
    """A body type that is served."""

    tag: Body
    event: Event
    """What it is to its transaction."""
    handle: Handler
    operation: Operation | None = None
    """What the grants call it; None: its handler asks for each part of it."""
    response: Body | None = None
    """What it is answered with, where there is one body for it."""
    certifies: bool = False
    """Whether it holds a certificate request."""
    asks: bool = False
    """Whether it only asks questions, each with a certProfile of its own: nothing is kept of it."""
    addresses: dict[str, frozenset[str]] = field(default_factory=dict)
    """The operations in an address that are for it (RFC 9483, section 6.1), each with the infoTypes that may
    be asked there; empty: it asks none."""

    @property
    def begins(self) -> bool:
        """Whether it is a transaction's first message."""
        return self.event is Event.REQUEST

    @property
    def goes_on(self) -> bool:
        """Whether it is a later message of a transaction."""
        return self.event not in (Event.REQUEST, Event.NEST)


BODY_TYPES: Final[dict[int, BodyType]] = {}
"""By tag; filled by `cmpd.cmp.handlers`."""


def register(row: BodyType) -> None:
    """Serve a body type."""
    BODY_TYPES[row.tag] = row


def response_to(tag: int) -> Body:
    """The body that answers a request. Raises KeyError for what is none that is answered by one."""
    response = BODY_TYPES[tag].response
    if response is None:
        raise KeyError(tag)
    return response


def addresses() -> dict[str, BodyType]:
    """Each operation that an address may end in, with the body type that it is for."""
    return {name: row for row in BODY_TYPES.values() for name in row.addresses}


def table() -> str:
    """The rows as text."""
    rows: list[tuple[Any, ...]] = [("body", "event", "response", "addresses")]
    for row in sorted(BODY_TYPES.values(), key=lambda one: one.tag):
        response = row.response.field if row.response is not None else "-"
        rows.append((row.tag.field, str(row.event), response, ", ".join(row.addresses) or "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3])).rstrip()
        for row in rows
    )
