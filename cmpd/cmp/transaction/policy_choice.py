"""Which policy a request is served under: chosen by its address and its certProfile before anybody is known,
granted once the party is (RFC 9811, section 3.1; RFC 9810, section 5.1.1.4).

A policy that the party may not use reads as one that does not exist, whichever way it was named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmpd.clm.client import InvalidIdentifier
from cmpd.cmp.parties import grants
from cmpd.cmp.parties.cells import Operation, Target
from cmpd.cmp.parties.conditions import Facts
from cmpd.cmp.transaction import profiles
from cmpd.cmp.wire.failure import CMPFailure, FailInfo
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from cmpd.clm.client import Client
    from cmpd.clm.configuration.catalog import ConfigSnapshot
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.cmp.parties.party import Party
    from cmpd.cmp.transaction.exchange import TransportRequest


@quick_dataclass(frozen=True, slots=True)
class NotServed:
    """Why a name chooses no policy."""

    text: str
    """For the client."""
    detail: str
    """For the log."""


@quick_dataclass(frozen=True, slots=True)
class PolicyChoice:
    """What address and certProfile come to."""

    named: bool
    """Whether the address names a policy."""
    profile: str
    """The certProfile; empty: there is none."""
    address: CompiledPolicy | None
    """The policy that the address names, or the default one."""
    compiled: CompiledPolicy | None
    """What the certProfile makes of it."""
    unknown: NotServed | None
    """Why there is none: for those who prove who they are."""

    @property
    def by_default(self) -> bool:
        """Whether nothing named a policy."""
        return not (self.named or self.profile)

    def granted(self, party: Party) -> CompiledPolicy:
        """The policy, for a party that may use it. Raises CMPFailure, alike where there is none."""
        if self.named and self.address is not None:
            grants.require(Operation.POLICY_BY_IDENTIFIER, Target.NONE, Facts(party, self.address.policy))
        if self.compiled is None:
            unknown = self.unknown or _no_policy("none is served")
            raise CMPFailure(FailInfo.badRequest, unknown.text, detail=unknown.detail)
        policy = self.compiled.policy
        if self.profile:
            facts = Facts(party, policy, profile=self.profile)
            grants.require(Operation.POLICY_BY_PROFILE, Target.NONE, facts)
        elif not self.named:
            grants.require(Operation.POLICY_BY_DEFAULT, Target.NONE, Facts(party, policy))
        return self.compiled


def choose(clm: Client, snapshot: ConfigSnapshot, call: TransportRequest, profile: str) -> PolicyChoice:
    """What a request's address and certProfile name."""
    named = call.policy is not None or call.policy_name is not None
    try:
        address = _addressed(clm, snapshot, call)
    except InvalidIdentifier as error:
        return PolicyChoice(named, profile, None, None, _no_policy(str(error)))
    try:
        compiled = profiles.select(clm, snapshot, address, profile)
    except CMPFailure as failure:
        return PolicyChoice(named, profile, address, None, NotServed(failure.text, failure.detail))
    return PolicyChoice(named, profile, address, compiled, None)


def _addressed(clm: Client, snapshot: ConfigSnapshot, call: TransportRequest) -> CompiledPolicy:
    if call.policy is not None:
        return clm.policy(snapshot, call.policy)
    if call.policy_name is not None:
        return clm.policy_by_name(snapshot, call.policy_name)
    return clm.default_policy(snapshot)


def _no_policy(why: str) -> NotServed:
    return NotServed(grants.INVALID_IDENTIFIER, why)
