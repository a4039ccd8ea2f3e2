"""What is done for each body: a handler takes the exchange and gives the answer.

A handler raises CMPFailure for what it cannot grant; a failure of the certificate request itself
travels inside its response (ip, cp, kup, rp with status rejection), as RFC 9483, section 4 has it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from cmpd.cmp.exchange import Answer, Exchange
from cmpd.cmp.handlers import confirmation, enrolment, general, nested, polling, proof, revocation
from cmpd.cmp.message import Body
from cmpd.cmp.transactions import Step

Handler = Callable[[Exchange], Awaitable[Answer]]

HANDLERS: dict[tuple[Step, int], Handler] = {
    (Step.BEGIN, Body.IR): enrolment.enrol,
    (Step.BEGIN, Body.CR): enrolment.enrol,
    (Step.BEGIN, Body.P10CR): enrolment.enrol,
    (Step.BEGIN, Body.KUR): enrolment.enrol,
    (Step.BEGIN, Body.RR): revocation.revoke,
    (Step.BEGIN, Body.GENM): general.inform,
    (Step.UNWRAP, Body.NESTED): nested.unwrap,
    (Step.CONFIRM, Body.CERTCONF): confirmation.confirm,
    (Step.POLL, Body.POLLREQ): polling.poll,
    (Step.PROVE, Body.POPDECR): proof.prove,
    (Step.ABORT, Body.ERROR): confirmation.abort,
}
"""(what the message does to its transaction, its body) → handler."""
