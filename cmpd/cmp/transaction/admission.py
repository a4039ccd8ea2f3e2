"""Whether a transaction may begin: what was answered is remembered, and there is room for so many only.

What does not begin one is let through at any rate: replays, confirmations, polling, questions (genm). Nothing
is forgotten early to make room, or a replay would issue again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmpd.clm.entities.transaction_quota import FULL
from cmpd.cmp.parties.party import Capacity
from cmpd.cmp.transaction.bodies import BODY_TYPES
from cmpd.cmp.transaction.states import Step
from cmpd.cmp.wire.failure import CMPFailure, FailInfo

if TYPE_CHECKING:
    from cmpd.cmp.parties.party import Party
    from cmpd.cmp.transaction.exchange import Exchange


def holder(party: Party) -> str:
    """Under whose name a transaction is counted: the end entity's, whatever it protects its messages with."""
    return party.entity.id if party.entity is not None else party.name


async def admit(exchange: Exchange, step: Step) -> None:
    """Raise CMPFailure where a transaction would begin that there is no room for. An RA, which speaks for
    many devices, is bounded by the whole alone."""
    if step is not Step.BEGIN or BODY_TYPES[exchange.message.tag].asks:
        return
    settings, party = exchange.settings, exchange.party
    per_party = 0 if party.capacity is Capacity.RA else settings.transactions_per_party
    lacking = exchange.clm.quota.lacking(holder(party), settings.transactions_max, per_party)
    if lacking is None:
        return
    key = "cmp.transactions_max" if lacking == FULL else "cmp.transactions_per_party"
    subject = f"transaction:{exchange.log_entry.transaction}"
    await exchange.clm.audit_sample(
        party.actor, "request.refuse", subject, "systemUnavail", request=exchange.message.kind, text=lacking
    )
    raise CMPFailure(
        FailInfo.systemUnavail,
        f"{lacking}, try again later",
        detail=f"{exchange.clm.quota.remembered} transactions are remembered, {key} bounds them",
    )
