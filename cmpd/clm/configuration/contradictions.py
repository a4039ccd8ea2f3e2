"""What cannot work about a policy, found when it is written and not when a device asks."""

from __future__ import annotations

import re

from cryptography import x509

from cmpd.clm.authorities.authority import Authority
from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.template import Template
from cmpd.clm.issuance.profile import Profile, impossible
from cmpd.clm.pkix.algorithms import KEYS
from cmpd.clm.pkix.attributes import split_rdn
from cmpd.clm.settings import DocumentError, duration_text


def check_together(policy: Policy, template: Template, authority: Authority, now: int) -> None:
    """Raises DocumentError, which names the policy's key at fault."""
    Profile.of(template, authority)
    _check_anchors(policy)
    _check_grants(policy)
    _check_validity(policy, template, authority, now)
    _check_keys(policy, template)
    _check_names(policy, template)
    if template.is_ca:
        _check_path_length(template, authority)


def _check_grants(policy: Policy) -> None:
    """What is granted and can never be had."""
    if policy.register and not any("enrol" in ra.rights for ra in policy.ras):
        raise DocumentError(
            "register", "is on, but no registration authority has the right enrol: give it to one"
        )
    if policy.central_key_generation and not any(
        KEYS[one].rank is not None for one in policy.keys.algorithms
    ):
        known = ", ".join(row.name for row in KEYS.preferred())
        raise DocumentError(
            "central_key_generation",
            f"is on, but none of keys.algorithms can be made here; add one of {known}",
        )
    fixed = dict(policy.subject.fixed)
    for index, ra in enumerate(policy.registration_authorities):
        key = f"registration_authorities[{index}]"
        if "raVerified" in ra.rights and "enrol" not in ra.rights:
            raise DocumentError(f"{key}.rights", "raVerified means nothing without enrol: add it")
        for name, value in fixed.items() if ra.subject else ():
            pattern = dict(ra.subject).get(name)
            if pattern is None or not re.fullmatch(pattern, value):
                raise DocumentError(
                    f"{key}.subject",
                    f"no certificate would be covered: each has {name}={value} by subject.fixed; add it",
                )


def _check_anchors(policy: Policy) -> None:
    rules = policy.protection_keys
    rules.check_anchors("trust_anchors", policy.trust_anchors)
    rules.check_anchors("ra_certificates", policy.ra_certificates)
    for index, ra in enumerate(policy.registration_authorities):
        rules.check_anchors(f"registration_authorities[{index}].certificates", ra.certificates)


def _check_validity(policy: Policy, template: Template, authority: Authority, now: int) -> None:
    if now + template.validity > authority.not_after:
        left = max(0, (authority.not_after - now) // 86400)
        raise DocumentError(
            "template",
            f"{template.name} makes certificates valid for {duration_text(template.validity)}, "
            f"but CA {authority.name} ends in {left} days",
        )
    longest = policy.validity.longest
    if longest is not None and longest < template.validity:
        raise DocumentError(
            "validity.longest",
            f"{duration_text(longest)} is less than the {duration_text(template.validity)} "
            f"of template {template.name}",
        )


def _check_keys(policy: Policy, template: Template) -> None:
    if not template.key_usage:
        return
    usages = frozenset(template.key_usage)
    for algorithm in policy.keys.algorithms:
        if not usages - impossible(algorithm):
            raise DocumentError(
                "keys.algorithms",
                f"{algorithm} keys can do nothing of what template {template.name} is for: "
                f"{', '.join(template.key_usage)}",
            )


def _check_names(policy: Policy, template: Template) -> None:
    rules = policy.subject
    composed = [split_rdn(pattern)[0] for pattern in template.subject or ()]
    for name in composed:
        if name in rules.forbidden or (rules.allowed is not None and name not in rules.allowed):
            raise DocumentError(
                "subject", f"template {template.name} puts {name} there, which the policy does not allow"
            )
    given = {*composed, *dict(rules.fixed), *dict(rules.from_entity)}
    for name in rules.required:
        if template.subject is not None and name not in given:
            raise DocumentError(
                "subject.required", f"template {template.name} composes the subject without {name}"
            )
    kinds = {pattern.partition(":")[0] for pattern in template.san}
    for kind in sorted(kinds - set(policy.san.kinds)):
        raise DocumentError("san.kinds", f"template {template.name} adds a {kind} name, which is not allowed")
    if "subjectAltName" not in template.take:
        for kind in policy.san.required:
            if kind not in kinds:
                raise DocumentError(
                    "san.required",
                    f"template {template.name} takes no names from requests and adds no {kind}",
                )


def _check_path_length(template: Template, authority: Authority) -> None:
    above = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    if above is None:
        return
    own = template.basic_constraints.path_length if template.basic_constraints else None
    if own is None or own >= above:
        raise DocumentError(
            "template",
            f"{template.name} makes CAs, for which CA {authority.name} leaves no room "
            f"(pathLenConstraint {above})",
        )
