"""The operations an address may end in, and what they admit (RFC 9483, section 6.1; RFC 9811)."""

from __future__ import annotations

from dataclasses import dataclass

from cmpd.cmp.failure import CMPFailure, FailInfo
from cmpd.cmp.message import Body, Message

ANSWERS_TO_ANY = frozenset({Body.CERTCONF, Body.POLLREQ, Body.POPDECR, Body.ERROR})
"""Later messages of a transaction go to the address of its first."""
ID_IT = "1.3.6.1.5.5.7.4."


@dataclass(frozen=True, slots=True)
class Operation:
    """What a transaction may begin with at an address."""

    body: Body
    asked: frozenset[str] = frozenset()
    """Of a genm the infoTypes, by OID."""


def _asking(*numbers: int) -> Operation:
    return Operation(Body.GENM, frozenset(f"{ID_IT}{number}" for number in numbers))


OPERATIONS: dict[str, Operation] = {
    "initialization": Operation(Body.IR),
    "certification": Operation(Body.CR),
    "keyupdate": Operation(Body.KUR),
    "pkcs10": Operation(Body.P10CR),
    "revocation": Operation(Body.RR),
    "getcacerts": _asking(17),
    "getrootupdate": _asking(18, 20),
    "getcertreqtemplate": _asking(19),
    "getcrls": _asking(6, 22),
    "nested": Operation(Body.NESTED),
}
"""By path segment."""


def check_operation(operation: str | None, message: Message) -> None:
    """Raises CMPFailure where the address names an operation that the message is not."""
    if operation is None or message.tag in ANSWERS_TO_ANY:
        return
    wanted = OPERATIONS.get(operation)
    if wanted is None:
        raise CMPFailure(FailInfo.badRequest, f"operation {operation!r} of the address is not known")
    if message.tag != wanted.body:
        raise CMPFailure(
            FailInfo.badRequest,
            f"the address is for {operation}, a {wanted.body.field}, and the message is a {message.kind}",
        )
    if wanted.body is Body.GENM:
        _check_asked(operation, wanted, message)


def _check_asked(operation: str, wanted: Operation, message: Message) -> None:
    asked = {item["infoType"] for item in message.content}
    if not asked or not asked <= wanted.asked:
        others = ", ".join(sorted(asked - wanted.asked)) or "nothing"
        raise CMPFailure(FailInfo.badRequest, f"the address is for {operation}, and the genm asks {others}")
