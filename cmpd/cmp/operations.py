"""The operations an address may end in, and the bodies they admit (RFC 9483, section 6.1; RFC 9811)."""

from __future__ import annotations

from cmpd.cmp.failure import CMPFailure, FailInfo
from cmpd.cmp.message import Body, Message

ANSWERS_TO_ANY = frozenset({Body.CERTCONF, Body.POLLREQ, Body.POPDECR, Body.ERROR})
"""Later messages of a transaction go to the address of its first."""

OPERATIONS: dict[str, Body] = {
    "initialization": Body.IR,
    "certification": Body.CR,
    "keyupdate": Body.KUR,
    "pkcs10": Body.P10CR,
    "revocation": Body.RR,
    "getcacerts": Body.GENM,
    "getrootupdate": Body.GENM,
    "getcertreqtemplate": Body.GENM,
    "getcrls": Body.GENM,
    "nested": Body.NESTED,
}
"""Path segment → the one body a transaction may begin with there."""


def check_operation(operation: str | None, message: Message) -> None:
    """Raises CMPFailure where the address names an operation that the message is not."""
    if operation is None or message.tag in ANSWERS_TO_ANY:
        return
    wanted = OPERATIONS.get(operation)
    if wanted is None:
        raise CMPFailure(FailInfo.badRequest, f"operation {operation!r} of the address is not known")
    if message.tag != wanted:
        raise CMPFailure(
            FailInfo.badRequest,
            f"the address is for {operation}, a {wanted.field}, and the message is a {message.kind}",
        )
