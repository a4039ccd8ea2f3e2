"""A PKIMessage for human eyes.

The message is read layer by layer through the raw views, and shown by the definitions of its types, so
that there is no body type which is not shown. A layer that is no DER is shown as octets, with the reason,
and the rest of the message all the same.

- `item`: a line with lines under it, and text that is safe on a terminal
- `inside`: which type is inside what the modules call ANY or OCTET STRING
- `walk`: from a value and its type's definition to items
- `special`: types that have a shorter form than their members, such as names and certificates
"""

from __future__ import annotations

from cmpd.cmp.readable.item import HEXADECIMAL
from cmpd.cmp.readable.special import FORMS
from cmpd.cmp.readable.walk import Walk
from cmpd.cmp.wire.schema import DecodeError

__all__ = ["HEXADECIMAL", "readable", "shown"]


def readable(der: bytes, *, octets: int = HEXADECIMAL) -> str:
    """The message in lines, the deeper the further to the right; octet strings are cut after `octets`.

    Raises DecodeError where not even header and body can be told apart.
    """
    walk = Walk(FORMS, octets)
    walk.decode("RawMessage", der)
    message = walk.encoded("PKIMessage", "RawMessage", der)
    return "\n".join(message.lines())


def shown(der: bytes) -> str:
    """As `readable`, for logs: what is no message is a line that says so."""
    try:
        return readable(der)
    except DecodeError as error:
        return f"not a PKIMessage, {len(der)} octets: {error}"
