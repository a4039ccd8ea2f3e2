"""What may come when: the state machine of a transaction, seen from the server.

Everything that decides whether a body fits a transaction's state is in `TABLE`; everything that moves a
transaction from state to state is the `Step` it names. A cell is a step or a refusal, and every cell is
filled: `table()` prints them. States are those of `cmpd.clm.model.TransactionState`, None where the
transactionID is not known. (RFC 9483, sections 3.5, 3.6.4, 4.1, 4.4; RFC 9810, section 5.1.1.)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cmpd.clm.model import CertificateState
from cmpd.clm.model import TransactionState as State
from cmpd.cmp.wire.failure import CMPFailure, FailInfo


class Event(StrEnum):
    """The kinds of message a client sends."""

    REQUEST = "request"
    """ir, cr, kur, p10cr, rr and genm: a transaction's first message."""
    NEST = "nested"
    """What others sent, in an RA's envelope; it has a transactionID, but no transaction of its own."""
    CONFIRM = "certConf"
    POLL = "pollReq"
    PROVE = "popdecr"
    ERROR = "error"


class Step(StrEnum):
    """What a message that fits does to its transaction."""

    BEGIN = "begin"
    UNWRAP = "unwrap"
    CONFIRM = "confirm"
    POLL = "poll"
    PROVE = "prove"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message does not fit, as the client is told."""

    fail_info: FailInfo
    text: str


_IN_USE = Refusal(FailInfo.transactionIdInUse, "transactionID is in use")
_UNKNOWN = Refusal(FailInfo.badRequest, "no transaction is open under this transactionID")
_NOT_WAITING = Refusal(FailInfo.badRequest, "nothing is to be polled for in this transaction")
_NOT_ISSUED = Refusal(FailInfo.badRequest, "no certificate was issued yet in this transaction")
_BEING_ISSUED = Refusal(FailInfo.systemUnavail, "the certificate is being issued, try again later")
_NOT_CHALLENGED = Refusal(FailInfo.badRequest, "no challenge was sent in this transaction")
_CONFIRMED = Refusal(FailInfo.certConfirmed, "the transaction is finished, the certificate confirmed before")

Row = dict[Event, Step | Refusal]

_WAITING: Row = {
    Event.REQUEST: _IN_USE,
    Event.NEST: Step.UNWRAP,
    Event.CONFIRM: _NOT_ISSUED,
    Event.POLL: Step.POLL,
    Event.PROVE: _NOT_CHALLENGED,
    Event.ERROR: Step.ABORT,
}

TABLE: dict[State | None, Row] = {
    None: {
        Event.REQUEST: Step.BEGIN,
        Event.NEST: Step.UNWRAP,
        Event.CONFIRM: _UNKNOWN,
        Event.POLL: _UNKNOWN,
        Event.PROVE: _UNKNOWN,
        Event.ERROR: _UNKNOWN,
    },
    State.CONFIRMING: {
        Event.REQUEST: _IN_USE,
        Event.NEST: Step.UNWRAP,
        Event.CONFIRM: Step.CONFIRM,
        Event.POLL: _NOT_WAITING,
        Event.PROVE: _NOT_CHALLENGED,
        Event.ERROR: Step.ABORT,
    },
    State.WAITING: _WAITING,
    State.APPROVED: _WAITING,
    State.REFUSED: _WAITING,
    State.CHALLENGED: {
        Event.REQUEST: _IN_USE,
        Event.NEST: Step.UNWRAP,
        Event.CONFIRM: _NOT_ISSUED,
        Event.POLL: _NOT_WAITING,
        Event.PROVE: Step.PROVE,
        Event.ERROR: Step.ABORT,
    },
    State.ISSUING: {
        Event.REQUEST: _IN_USE,
        Event.NEST: Step.UNWRAP,
        Event.CONFIRM: _NOT_ISSUED,
        Event.POLL: _NOT_WAITING,
        Event.PROVE: _NOT_CHALLENGED,
        Event.ERROR: _BEING_ISSUED,
    },
    State.CLOSED: {
        Event.REQUEST: _IN_USE,
        Event.NEST: Step.UNWRAP,
        Event.CONFIRM: _CONFIRMED,
        Event.POLL: _NOT_WAITING,
        Event.PROVE: _NOT_CHALLENGED,
        Event.ERROR: _UNKNOWN,
    },
}


LATE_CONFIRMATION: dict[CertificateState | None, Refusal] = {
    None: _CONFIRMED,
    CertificateState.UNCONFIRMED: _CONFIRMED,
    CertificateState.ACTIVE: _CONFIRMED,
    CertificateState.ON_HOLD: _CONFIRMED,
    CertificateState.REVOKED: _CONFIRMED,
    CertificateState.REJECTED: Refusal(
        FailInfo.badRequest, "the time to confirm is over, or the certificate was rejected before"
    ),
}
"""What a certConf in a finished transaction is told, by the state of its certificate (None: it has none)."""


def step(state: State | None, event: Event, certificate: CertificateState | None = None) -> Step:
    """The step that `event` takes in `state`; `certificate`: the state of the transaction's certificate.
    Raises CMPFailure where it fits no step."""
    outcome = TABLE[state][event]
    if outcome is _CONFIRMED:
        outcome = LATE_CONFIRMATION[certificate]
    if isinstance(outcome, Refusal):
        raise CMPFailure(outcome.fail_info, outcome.text, detail=f"{event} in state {state or 'none'}")
    return outcome


def table() -> str:
    """The machine as text: a row a state, a column an event."""
    states: list[State | None] = [None, *State]
    rows = [["", *Event]]
    for state in states:
        cells = (TABLE[state][event] for event in Event)
        rows.append(
            [state or "none", *(cell.fail_info.name if isinstance(cell, Refusal) else cell for cell in cells)]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
