"""What is written of a transaction in one column: its requests, and how its policy and signer were told.

A transaction's first certificate has columns of its own, by which it is joined. What is usual (one request,
with certReqId 0, in the transaction's own state, waiting for nothing) is not written at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from cmpd.canonical import json_text
from cmpd.clm.model import (
    Approval,
    Challenge,
    IssuerTicket,
    Transaction,
    TransactionRequest,
    TransactionState,
)

Pair = tuple[str, int]


def detail_text(transaction: Transaction) -> str:
    """The column `detail` of a transaction."""
    requests = transaction.requests
    usual = False
    if len(requests) == 1:
        (one,) = requests
        usual = one.cert_req_id == 0 and one.state is transaction.state and one.waits_for is None
    if usual and not transaction.profile and transaction.signer is None:
        return "{}"
    values: dict[str, Any] = {}
    if not usual:
        values["requests"] = [
            _request_json(one, transaction, first=number == 0)
            for number, one in enumerate(transaction.requests)
        ]
    if transaction.profile:
        values["profile"] = transaction.profile
    if transaction.signer is not None:
        ca, serial = transaction.signer
        values["signer"] = [ca, f"{serial:x}"]
    return json_text(values)


def read_detail(
    text: str, state: TransactionState, certificate: Pair | None
) -> tuple[tuple[TransactionRequest, ...], str, Pair | None]:
    """(requests, profile, signer) from `detail_text`, the transaction's state and its first certificate."""
    if text == "{}":
        return (TransactionRequest(0, state, certificate),), "", None
    values: dict[str, Any] = json.loads(text)
    profile, signer = values.get("profile", ""), _pair(values.get("signer"))
    if "requests" not in values:
        return (TransactionRequest(0, state, certificate),), profile, signer
    requests = tuple(
        _request(one, state, certificate if number == 0 else None)
        for number, one in enumerate(values["requests"])
    )
    return requests, profile, signer


def _request_json(request: TransactionRequest, transaction: Transaction, *, first: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if request.cert_req_id:
        values["id"] = request.cert_req_id
    if request.state is not transaction.state:
        values["state"] = str(request.state)
    if request.certificate is not None and not first:
        values["certificate"] = _pair_json(request.certificate)
    waits = request.waits_for
    if isinstance(waits, Approval):
        values["approval"] = {
            "asks": waits.asks,
            "subject": waits.subject,
            "needed": waits.needed,
            "approvals": waits.approvals,
            "rejected": waits.rejected,
            "reason": waits.reason,
            "content": waits.content,
        }
    elif isinstance(waits, Challenge):
        values["challenge"] = f"{waits.answer:x}"
    elif isinstance(waits, IssuerTicket):
        values["ticket"] = {
            "ticket": waits.ticket,
            "entity": waits.entity,
            "replaces": waits.replaces and _pair_json(waits.replaces),
            "confirmed": waits.confirmed,
            "modifications": waits.modifications,
        }
    return values


def _request(values: dict[str, Any], state: TransactionState, first: Pair | None) -> TransactionRequest:
    return TransactionRequest(
        values.get("id", 0),
        TransactionState(values["state"]) if "state" in values else state,
        _pair(values.get("certificate")) or first,
        _waits_for(values),
    )


def _waits_for(values: dict[str, Any]) -> Approval | Challenge | IssuerTicket | None:
    if "approval" in values:
        told = values["approval"]
        return Approval(**{**told, "approvals": tuple(told["approvals"])})
    if "challenge" in values:
        return Challenge(int(values["challenge"], 16))
    if "ticket" in values:
        told = values["ticket"]
        replaces, modifications = _pair(told["replaces"]), tuple(told["modifications"])
        return IssuerTicket(**{**told, "replaces": replaces, "modifications": modifications})
    return None


def _pair_json(pair: Pair) -> list[str]:
    return [pair[0], f"{pair[1]:x}"]


def _pair(values: list[str] | None) -> Pair | None:
    return None if values is None else (values[0], int(values[1], 16))


def with_requests(rows: Iterable[tuple[bytes, str, str]]) -> Iterator[tuple[bytes, str]]:
    """(id, detail) since schema 4, from (id, state, detail) of transactions before it, which had one
    dictionary for whatever was to be remembered."""
    for id, state, text in rows:
        old: dict[str, Any] = json.loads(text)
        waits: Approval | Challenge | None = None
        if "challenge" in old:
            waits = Challenge(int(old["challenge"], 16))
        elif "needed" in old:
            waits = Approval(
                old.get("asks", "certificate"),
                old.get("subject", ""),
                old["needed"],
                tuple(old.get("approvals", ())),
                old.get("rejected"),
                old.get("reason") or "",
            )
        was = TransactionState(state)
        request = TransactionRequest(old.get("certReqId", 0), was, None, waits)
        values: dict[str, Any] = {key: old[key] for key in ("profile", "signer") if key in old}
        if request != TransactionRequest(0, was):
            written = Transaction(id, was, 0, "", "", None, 0, 0, b"", b"", b"", b"", b"", (request,))
            values["requests"] = [_request_json(request, written, first=True)]
        yield id, json_text(values)
