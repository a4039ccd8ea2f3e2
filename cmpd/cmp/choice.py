"""Which policy a request is served under: chosen by its address and its certProfile before anybody is known,
granted once the party is (RFC 9811, section 3.1; RFC 9810, section 5.1.1.4).

A policy that the party may not use reads as one that does not exist, whichever way it was named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmpd.clm.client import InvalidIdentifier
from cmpd.cmp import profiles
from cmpd.cmp.failure import CMPFailure, FailInfo
from cmpd.cmp.parties import grants
from cmpd.cmp.parties.cells import Operation, Whom
from cmpd.cmp.parties.conditions import Facts
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from cmpd.clm.catalog import Edition, ServedPolicy
    from cmpd.clm.client import Client
    from cmpd.cmp.exchange import Call
    from cmpd.cmp.parties.party import Party


@quick_dataclass(frozen=True, slots=True)
class PolicyChoice:
    """What address and certProfile come to."""

    named: bool
    """Whether the address names a policy."""
    profile: str
    """The certProfile; empty: there is none."""
    address: ServedPolicy | None
    """The policy that the address names, or the default one."""
    served: ServedPolicy | None
    """What the certProfile makes of it."""
    unknown: CMPFailure | None
    """What is wrong where there is none: for those who prove who they are."""

    @property
    def by_default(self) -> bool:
        """Whether nothing named a policy."""
        return not (self.named or self.profile)

    def granted(self, party: Party) -> ServedPolicy:
        """The policy, for a party that may use it. Raises CMPFailure, alike where there is none."""
        if self.named and self.address is not None:
            grants.require(Operation.POLICY_BY_IDENTIFIER, Whom.NONE, Facts(party, self.address.policy))
        if self.unknown is not None or self.served is None:
            raise self.unknown or _no_policy("none is served")
        policy = self.served.policy
        if self.profile:
            facts = Facts(party, policy, profile=self.profile)
            grants.require(Operation.POLICY_BY_PROFILE, Whom.NONE, facts)
        elif not self.named:
            grants.require(Operation.POLICY_BY_DEFAULT, Whom.NONE, Facts(party, policy))
        return self.served


def choose(clm: Client, edition: Edition, call: Call, profile: str) -> PolicyChoice:
    """What a request's address and certProfile name."""
    named = call.policy is not None or call.policy_name is not None
    try:
        address = _addressed(clm, edition, call)
    except InvalidIdentifier as error:
        return PolicyChoice(named, profile, None, None, _no_policy(str(error)))
    try:
        served = profiles.select(clm, edition, address, profile)
    except CMPFailure as failure:
        return PolicyChoice(named, profile, address, None, failure)
    return PolicyChoice(named, profile, address, served, None)


def _addressed(clm: Client, edition: Edition, call: Call) -> ServedPolicy:
    if call.policy is not None:
        return clm.policy(edition, call.policy)
    if call.policy_name is not None:
        return clm.policy_by_name(edition, call.policy_name)
    return clm.default_policy(edition)


def _no_policy(why: str) -> CMPFailure:
    return CMPFailure(FailInfo.badRequest, grants.INVALID_IDENTIFIER, detail=why)
