"""What a subject may look like under a policy."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509

from cmpd.clm.pkix.attributes import ATTRIBUTE, LONGEST_VALUE, attribute_oid, short_name, without
from cmpd.clm.refusal import Deviations, RequestRefused
from cmpd.clm.settings import PATTERN, TEXT, DocumentError, listing, optional, setting, table

Values = Callable[[str], str | None]
"""Placeholder name → its value for this request and entity."""


@lru_cache(256)
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, compiled once."""
    return re.compile(pattern)


@dataclass(frozen=True, slots=True)
class SubjectRules:
    """Attributes of the subject, by short name (``CN``) or OID."""

    allowed: tuple[str, ...] | None = setting(optional(listing(ATTRIBUTE)), None)
    """The only attributes there may be; absent: any."""
    required: tuple[str, ...] = setting(listing(ATTRIBUTE), ())
    """Attributes that must be there in the end. What is missing is refused, never trimmed."""
    forbidden: tuple[str, ...] = setting(listing(ATTRIBUTE), ())
    """Attributes that must not be there."""
    patterns: tuple[tuple[str, str], ...] = setting(table(ATTRIBUTE, PATTERN), ())
    """Attribute → regular expression its whole value must match."""
    fixed: tuple[tuple[str, str], ...] = setting(table(ATTRIBUTE, TEXT), ())
    """Attribute → the value it always gets."""
    from_entity: tuple[tuple[str, str], ...] = setting(table(ATTRIBUTE, TEXT), ())
    """Attribute → ``id``, ``name`` or one of the entity's own attributes, whose value it always gets."""

    def contradictions(self) -> None:
        """Raises DocumentError."""
        given = {name for name, _ in (*self.fixed, *self.from_entity)}
        for name in (*self.required, *sorted(given)):
            if name in self.forbidden:
                raise DocumentError("subject.forbidden", f"{name} is forbidden, and required or given too")
            if self.allowed is not None and name not in self.allowed:
                raise DocumentError("subject.allowed", f"{name} is required or given, but not allowed")
        both = {name for name, _ in self.fixed} & {name for name, _ in self.from_entity}
        if both:
            raise DocumentError("subject.fixed", f"{min(both)} is both fixed and taken from the entity")
        patterns = dict(self.patterns)
        for name, value in self.fixed:
            if name in patterns and not compiled(patterns[name]).fullmatch(value):
                raise DocumentError(f"subject.fixed.{name}", "does not match the policy's own pattern")

    def apply(self, subject: x509.Name, values: Values, deviations: Deviations) -> x509.Name:
        """The subject as the policy lets it be. Raises RequestRefused."""
        for attribute in subject:
            _check_text(attribute)
        if self == _ANY:
            return subject
        subject = without(subject, lambda attribute: self._unwanted(attribute, deviations))
        subject = self._with_given(subject, values, deviations)
        present = {short_name(attribute.oid) for attribute in subject}
        for name in self.required:
            if name not in present:
                raise RequestRefused(f"subject.{name}", "is required")
        return subject

    def _unwanted(self, attribute: x509.NameAttribute[str | bytes], deviations: Deviations) -> bool:
        name = short_name(attribute.oid)
        field = f"subject.{name}"
        if name in self.forbidden or (self.allowed is not None and name not in self.allowed):
            deviations.found(field, "is not allowed")
            return True
        pattern = dict(self.patterns).get(name)
        if pattern is None or self._is_given(name):
            return False
        value = attribute.value
        if isinstance(value, bytes) or len(value) > LONGEST_VALUE or not compiled(pattern).fullmatch(value):
            deviations.found(field, "has a value that is not allowed")
            return True
        return False

    def _is_given(self, name: str) -> bool:
        return any(name == given for given, _ in (*self.fixed, *self.from_entity))

    def _with_given(self, subject: x509.Name, values: Values, deviations: Deviations) -> x509.Name:
        """Put the fixed values and the entity's in, in place of what was asked."""
        given = list(self.fixed)
        for name, source in self.from_entity:
            value = values(f"entity.{source}")
            if value is None:
                raise RequestRefused(f"subject.{name}", f"the end entity has no {source} to take it from")
            given.append((name, value))
        for name, value in given:
            oid = attribute_oid(name)
            asked = subject.get_attributes_for_oid(oid)
            if [attribute.value for attribute in asked] == [value]:
                continue
            if asked:
                deviations.found(f"subject.{name}", "has another value than the one it must have")
            kept = without(subject, lambda attribute, oid=oid: attribute.oid == oid)  # type: ignore[misc] # binds now
            subject = x509.Name([*kept.rdns, x509.RelativeDistinguishedName([_attribute(name, value)])])
        return subject


def _check_text(attribute: x509.NameAttribute[str | bytes]) -> None:
    """No policy lets through what would read as another name than it is."""
    value = attribute.value
    if isinstance(value, str) and not (len(value) <= LONGEST_VALUE and value.isprintable()):
        name = short_name(attribute.oid)
        raise RequestRefused(f"subject.{name}", f"at most {LONGEST_VALUE} printable characters are expected")


def _attribute(name: str, value: str) -> x509.NameAttribute[str]:
    try:
        return x509.NameAttribute(attribute_oid(name), value)
    except ValueError as error:
        raise RequestRefused(f"subject.{name}", f"the value it must have does not fit: {error}") from error


_ANY = SubjectRules()
