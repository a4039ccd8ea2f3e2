"""nested: what an RA passes on (RFC 9483, section 5.2.2; RFC 9810, section 5.1.3.5).

With one message in it the RA added its protection to that message, and the answer is the answer to that
message. With several it is a batch, and the answer a nested message with theirs, in their order; each
stands and falls alone. Layers are answered by the same rule, one after the other.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from cmpd.cmp.parties.cells import Operation, Target
from cmpd.cmp.transaction.bodies import ASKS_NOTHING, BodyType, register
from cmpd.cmp.transaction.exchange import Exchange, HandlerResult, OuterMessage
from cmpd.cmp.transaction.states import Event
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.cmp.wire.message import Body


async def unwrap(exchange: Exchange) -> HandlerResult:
    """The answers to what the message holds. Raises CMPFailure where the envelope itself will not do."""
    exchange.require(Operation.NESTED, Target.NONE)
    held: list[bytes] = exchange.message.content
    settings = exchange.settings
    layer = exchange.outer.layer + 1 if exchange.outer else 1
    if layer > settings.nested_layers:
        raise CMPFailure(
            FailInfo.badRequest, f"nested messages are more than {settings.nested_layers} layers deep"
        )
    if not 1 <= len(held) <= settings.nested_messages:
        raise CMPFailure(
            FailInfo.badRequest,
            f"nested holds {len(held)} messages, 1 to {settings.nested_messages} are expected",
        )
    outer = OuterMessage(layer)
    calls = [replace(exchange.call, body=bytes(der), operation=None, entity=None) for der in held]
    replies = await asyncio.gather(*(exchange.respond(call, outer) for call in calls))
    exchange.log_entry.inner = [reply.log_entry for reply in replies]
    if len(replies) == 1:
        exchange.log_entry.response = replies[0].log_entry.response
        return HandlerResult(Body.NESTED, None, response=replies[0].body)
    return HandlerResult(Body.NESTED, [reply.body for reply in replies])


register(BodyType(Body.NESTED, Event.NEST, unwrap, Operation.NESTED, addresses={"nested": ASKS_NOTHING}))
