"""A policy with all that it names: what a request is held against, and who issues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cmpd.clm.authorities.authority import Authority
from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.template import Template
from cmpd.clm.issuance.profile import Profile


@dataclass(frozen=True)
class CompiledPolicy:
    """A policy with what it names, ready to issue."""

    policy: Policy
    template: Template
    authority: Authority
    profile: Profile
    choices: Mapping[str, CompiledPolicy] = field(default_factory=dict, repr=False)
    """The same policy with each template that a request may choose instead, by the template's name."""
    reserved: frozenset[str] = frozenset()
    """Names that are for no request, as they compare (`cmpd.clm.issuance.reserved`)."""

    @classmethod
    def of(
        cls,
        policy: Policy,
        template: Template,
        authority: Authority,
        choices: Iterable[Template] = (),
        reserved: frozenset[str] = frozenset(),
    ) -> CompiledPolicy:
        """Raises TemplateError where a template cannot be filled for this CA."""
        others = {one.name: cls.of(policy, one, authority, reserved=reserved) for one in choices}
        return cls(policy, template, authority, Profile.of(template, authority), others, reserved)
