"""The grants of one policy in plain words, for operators: who may do what under it, and by which key not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cmpd.cmp.parties.cells import Granted, Operation, Target
from cmpd.cmp.parties.conditions import Facts
from cmpd.cmp.parties.grants import TABLE
from cmpd.cmp.parties.party import Capacity, Party

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmpd.clm.documents.policy import Policy
    from cmpd.cmp.parties.conditions import Condition

ACTS: Final[tuple[tuple[Operation, Target, str], ...]] = (
    (Operation.IR, Target.ITSELF, "get another certificate with its own names (ir, cr, p10cr)"),
    (Operation.IR, Target.ENTITY, "get certificates (ir, cr, p10cr)"),
    (Operation.IR, Target.OTHERS, "get certificates for others (ir, cr, p10cr)"),
    (Operation.RA_VERIFIED, Target.NONE, "say that it verified the proof of possession (raVerified)"),
    (Operation.KEY_GENERATION, Target.NONE, "have its key made here"),
    (Operation.KUR, Target.ITSELF, "update its own certificate (kur)"),
    (Operation.KUR, Target.OTHERS, "update certificates of others (kur)"),
    (Operation.REVOKE, Target.ITSELF, "revoke its own certificate (rr)"),
    (Operation.REVOKE, Target.ENTITY, "revoke certificates of its end entity (rr)"),
    (Operation.REVOKE, Target.OTHERS, "revoke certificates of others (rr)"),
    (Operation.HOLD, Target.ITSELF, "put its own certificate on hold (rr)"),
    (Operation.HOLD, Target.ENTITY, "put certificates of its end entity on hold (rr)"),
    (Operation.HOLD, Target.OTHERS, "put certificates of others on hold (rr)"),
    (Operation.RELEASE, Target.ITSELF, "release its own certificate from hold (rr)"),
    (Operation.RELEASE, Target.ENTITY, "release certificates of its end entity from hold (rr)"),
    (Operation.RELEASE, Target.OTHERS, "release certificates of others from hold (rr)"),
    (Operation.NESTED, Target.NONE, "pass on messages of others (nested)"),
    (Operation.ASK_TEMPLATE, Target.NONE, "ask for CA certificates, CRLs and the request template (genm)"),
)
"""What is told, in this order; ir stands for cr and p10cr, which are granted alike."""


def explain(policy: Policy) -> list[str]:
    """Lines of text: a heading for each kind of party that can use the policy, what it may, and what not."""
    lines: list[str] = []
    for heading, party in _parties(policy):
        lines.append(heading)
        lines += [f"  {line}" for line in acts_of(party, policy)]
    return lines


def acts_of(party: Party, policy: Policy) -> list[str]:
    """What a party of that capacity may do under a policy that it may use, and what it may not."""
    may: list[str] = []
    may_not: list[str] = []
    for operation, whom, phrase in ACTS:
        cell = TABLE[party.capacity][operation].get(whom)
        if not isinstance(cell, Granted):
            continue
        facts = Facts(party, policy)
        failing = [one for one in cell.conditions if one.setting and not one.holds(facts)]
        if failing:
            may_not.append(f"may not {phrase}: {failing[0].setting} is not set")
        else:
            may.append(f"may {phrase}{_conditions(cell.conditions)}")
    return may + may_not


def _conditions(conditions: Sequence[Condition]) -> str:
    open_ones = [one.name for one in conditions if not one.setting]
    return f", if {' and '.join(open_ones)}" if open_ones else ""


def _parties(policy: Policy) -> Iterator[tuple[str, Party]]:
    yield "an end entity that has this policy, by password (MAC)", Party("", Capacity.PASSWORD)
    if policy.password_login:
        yield "an end entity that has this policy, by HTTP Basic authentication", Party("", Capacity.LOGIN)
    yield "an end entity that has this policy, by its certificate from here", Party("", Capacity.CERTIFICATE)
    yield (
        "a certificate issued under this policy that has no end entity",
        Party("", Capacity.UNREGISTERED),
    )
    if policy.trust_anchors:
        vendor = "by a vendor certificate under one of the trust_anchors"
        yield f"an end entity that has this policy, {vendor}", Party("", Capacity.VENDOR)
        if policy.auto_register:
            yield f"whoever is not registered yet, {vendor}", Party("", Capacity.NEWCOMER)
    for ra in policy.ras:
        yield (
            f"the registration authority {ra.name}{_names(ra.subject, ra.san)}",
            Party("", Capacity.RA, ra=ra),
        )


def _names(subject: Sequence[tuple[str, str]], san: Sequence[tuple[str, str]]) -> str:
    patterns = [f"{name} = {pattern}" for name, pattern in (*subject, *san)]
    return f" (for names with {', '.join(patterns)})" if patterns else " (for any name)"
