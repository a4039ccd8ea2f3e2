"""What a subject alternative name may hold under a policy (RFC 5280, section 4.2.1.6)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from cmpd.clm.documents.rules.subject import compiled
from cmpd.clm.pkix.attributes import name_text
from cmpd.clm.refusal import Deviations, RequestRefused
from cmpd.clm.settings import FLAG, PATTERN, DocumentError, ValueType, choice, count, listing, nested, setting

FIELD = "extensions.subjectAltName"
_KINDS: dict[str, tuple[type[x509.GeneralName], str]] = {
    "dns": (x509.DNSName, "dNSName"),
    "ip": (x509.IPAddress, "iPAddress"),
    "uri": (x509.UniformResourceIdentifier, "uniformResourceIdentifier"),
    "email": (x509.RFC822Name, "rfc822Name"),
    "directory": (x509.DirectoryName, "directoryName"),
    "registered_id": (x509.RegisteredID, "registeredID"),
    "other": (x509.OtherName, "otherName"),
}
KINDS = tuple(_KINDS)
_KIND_OF = {cls: (kind, field) for kind, (cls, field) in _KINDS.items()}
_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DNS = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
LONGEST_DNS = 253
LONGEST_NAME = 1024
"""Characters of one name's text."""


def _network(value: Any, key: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except (ValueError, TypeError) as error:
        raise DocumentError(key, f"a network such as 10.0.0.0/8 is expected: {error}") from error


@dataclass(frozen=True, slots=True)
class NameRules:
    """What names of one kind may be."""

    max: int = setting(count(0, 100), 32)
    """Most names of this kind."""
    patterns: tuple[str, ...] = setting(listing(PATTERN), ())
    """Regular expressions, one of which the whole name must match; empty: any name."""


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What IP addresses may be."""

    max: int = setting(count(0, 100), 32)
    """Most addresses."""
    networks: tuple[str, ...] = setting(listing(ValueType(_network)), ())
    """Networks, in one of which the address must lie; empty: any address."""


def kind_of(name: x509.GeneralName) -> str:
    """The kind of a general name, as `KINDS` calls it."""
    return _KIND_OF[type(name)][0]


def text_of(name: x509.GeneralName) -> str:
    """A general name's value as text, as patterns see it."""
    value = name.value
    if isinstance(value, x509.Name):
        return name_text(value)
    if isinstance(value, x509.ObjectIdentifier):
        return value.dotted_string
    return value.hex() if isinstance(value, bytes) else str(value)


@dataclass(frozen=True, slots=True)
class SanRules:
    """Names beside the subject, by kind."""

    kinds: tuple[str, ...] = setting(
        listing(choice(*KINDS)), ("dns", "ip", "uri", "email", "directory", "registered_id")
    )
    """Kinds of name there may be."""
    required: tuple[str, ...] = setting(listing(choice(*KINDS)), ())
    """Kinds of which at least one name must be there in the end."""
    max: int = setting(count(0, 100), 32)
    """Most names of all kinds together."""
    wildcards: bool = setting(FLAG, False)
    """Whether a DNS name may begin with ``*.``; anywhere else an asterisk is never allowed."""
    dns: NameRules = setting(nested(NameRules), NameRules())
    """Rules for DNS names."""
    ip: AddressRules = setting(nested(AddressRules), AddressRules())
    """Rules for IP addresses."""
    uri: NameRules = setting(nested(NameRules), NameRules())
    """Rules for URIs."""
    email: NameRules = setting(nested(NameRules), NameRules())
    """Rules for email addresses."""
    directory: NameRules = setting(nested(NameRules), NameRules())
    """Rules for directory names, as RFC 4514 text."""

    def contradictions(self) -> None:
        """Raises DocumentError."""
        for kind in self.required:
            if kind not in self.kinds:
                raise DocumentError("san.required", f"{kind} is required, but not among san.kinds")
            rules = self._rules(kind)
            if rules is not None and rules.max == 0:
                raise DocumentError(f"san.{kind}.max", f"{kind} is required, but none may be there")
        if len(self.required) > self.max:
            raise DocumentError("san.max", "less than the number of kinds that are required")

    def apply(self, names: Iterable[x509.GeneralName], deviations: Deviations) -> list[x509.GeneralName]:
        """The names that may stay, in their order. Raises RequestRefused."""
        kept: list[x509.GeneralName] = []
        counts: dict[str, int] = {}
        for name in names:
            kind, field = _KIND_OF[type(name)]
            problem = self._problem(kind, name)
            if problem is None and (len(kept) >= self.max or not self._room(kind, counts)):
                problem = "are more names than allowed"
            if problem is not None:
                deviations.found(f"{FIELD}.{field}", problem)
                continue
            counts[kind] = counts.get(kind, 0) + 1
            kept.append(name)
        for kind in self.required:
            if kind not in counts:
                raise RequestRefused(f"{FIELD}.{_KINDS[kind][1]}", "is required")
        return kept

    def _rules(self, kind: str) -> NameRules | AddressRules | None:
        return getattr(self, kind, None)

    def _room(self, kind: str, counts: dict[str, int]) -> bool:
        rules = self._rules(kind)
        return rules is None or counts.get(kind, 0) < rules.max

    def _problem(self, kind: str, name: x509.GeneralName) -> str | None:
        """What is wrong with a name; None where nothing is."""
        if kind not in self.kinds:
            return "names of this kind are not allowed"
        text = text_of(name)
        if not 0 < len(text) <= LONGEST_NAME or not text.isprintable():
            return f"a name of 1 to {LONGEST_NAME} printable characters is expected"
        if kind == "dns" and "*" in text:
            if not self.wildcards:
                return "wildcards are not allowed"
            if "*" in text[1:] or text[:2] != "*." or text.count(".") < 2:
                return "a wildcard may only be the whole first label, before at least two others"
        if kind == "dns" and (len(text) > LONGEST_DNS or not _DNS.fullmatch(text.removeprefix("*."))):
            return "a host name in ASCII is expected (RFC 5890 for others)"
        rules = self._rules(kind)
        patterns = rules.patterns if isinstance(rules, NameRules) else ()
        if patterns and not any(compiled(pattern).fullmatch(text) for pattern in patterns):
            return "has a value that is not allowed"
        if isinstance(rules, AddressRules) and rules.networks and not _inside(name, rules.networks):
            return "lies in no allowed network"
        return None


def _inside(name: x509.GeneralName, networks: tuple[str, ...]) -> bool:
    address = name.value
    if not isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return False  # a network with a mask, as name constraints have them, names no host
    return any(address in ipaddress.ip_network(network) for network in networks)
