"""The operations an address may end in, and what they admit (RFC 9483, section 6.1; RFC 9811)."""

from __future__ import annotations

from cmpd.cmp.transaction.bodies import BODY_TYPES, BodyType, addresses
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import Message


def check_operation(operation: str | None, message: Message) -> None:
    """Raises CMPFailure where the address names an operation that the message is not; later messages of a
    transaction go to the address of its first."""
    row = BODY_TYPES.get(message.tag)
    if operation is None or (row is not None and row.goes_on):
        return
    wanted = addresses().get(operation)
    if wanted is None:
        raise CMPFailure(FailInfo.badRequest, f"operation {operation!r} of the address is not known")
    if row is not wanted:
        raise CMPFailure(
            FailInfo.badRequest,
            f"the address is for {operation}, a {wanted.tag.field}, and the message is a {message.kind}",
        )
    if wanted.addresses[operation]:
        _check_asked(operation, wanted, message)


def _check_asked(operation: str, wanted: BodyType, message: Message) -> None:
    allowed = wanted.addresses[operation]
    asked = {item["infoType"] for item in message.content}
    if not asked or not asked <= allowed:
        others = ", ".join(sorted(asked - allowed)) or "nothing"
        raise CMPFailure(FailInfo.badRequest, f"the address is for {operation}, and the genm asks {others}")
