"""Name constraints (RFC 5280, section 4.2.1.10): whether a CA may certify the names in a certificate.

A constraint on a form of name that is not understood here forbids every name of that form, and a name
that cannot be compared with a constraint is forbidden.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from cmpd.clm.pkix.names import same_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LONGEST_NAME: Final = 128
"""Characters of an offending name that are told."""


def violation(
    subject: x509.Name, alternative: x509.SubjectAlternativeName | None, constraints: x509.NameConstraints
) -> str | None:
    """The first name that the constraints forbid, as text; None where all may pass."""
    for form, value in _names(subject, alternative):
        if not _allowed(form, value, constraints):
            text = value.rfc4514_string() if isinstance(value, x509.Name) else str(value)
            return text[:LONGEST_NAME]
    return None


def _names(
    subject: x509.Name, alternative: x509.SubjectAlternativeName | None
) -> Iterable[tuple[type[x509.GeneralName], Any]]:
    """What constraints apply to: the subject, its emailAddress where there is no subjectAltName, and that."""
    if subject.rdns:
        yield x509.DirectoryName, subject
    for name in alternative or ():
        yield type(name), name.value
    if alternative is None:
        for attribute in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
            yield x509.RFC822Name, str(attribute.value)


def _allowed(form: type[x509.GeneralName], value: Any, constraints: x509.NameConstraints) -> bool:
    excluded = [base.value for base in constraints.excluded_subtrees or () if type(base) is form]
    permitted = [base.value for base in constraints.permitted_subtrees or () if type(base) is form]
    if not excluded and not permitted:
        return True
    within = _WITHIN.get(form)
    if within is None:
        return False
    try:
        if any(within(value, base) for base in excluded):
            return False
        return not permitted or any(within(value, base) for base in permitted)
    except ValueError:
        return False


def _directory_within(name: x509.Name, base: x509.Name) -> bool:
    """Whether `base` is a prefix of the name, compared as RFC 5280, section 7.1, has it."""
    if len(base.rdns) > len(name.rdns):
        return False
    return same_name(x509.Name(name.rdns[: len(base.rdns)]), base)


def _host_within(host: str, base: str) -> bool:
    """A base with a leading dot means the hosts below it, without one the host alone."""
    host, base = host.lower().rstrip("."), base.lower()
    return host.endswith(base) if base.startswith(".") else host == base


def _dns_within(name: str, base: str) -> bool:
    """The base itself and everything below it; an empty base is everything."""
    name, base = name.lower().rstrip("."), base.lower().lstrip(".")
    return not base or name == base or name.endswith(f".{base}")


def _mail_within(name: str, base: str) -> bool:
    """The base is a mailbox, a host, or, with a leading dot, the hosts below a domain."""
    local, _, host = name.rpartition("@")
    if "@" in base:
        base_local, _, base_host = base.rpartition("@")
        return local == base_local and host.lower() == base_host.lower()
    return _host_within(host, base)


def _uri_within(name: str, base: str) -> bool:
    """Raises ValueError where the URI has no host to compare."""
    host = urlsplit(name).hostname
    if host is None:
        raise ValueError("a URI without a host")
    return _host_within(host, base)


def _address_within(name: Any, base: Any) -> bool:
    """Certificates have addresses, constraints networks. Raises ValueError where it is no address."""
    if not isinstance(name, ipaddress.IPv4Address | ipaddress.IPv6Address):
        raise ValueError("a network where an address is expected")
    return name.version == base.version and name in base


_WITHIN: Final[dict[type[x509.GeneralName], Callable[[Any, Any], bool]]] = {
    x509.DirectoryName: _directory_within,
    x509.DNSName: _dns_within,
    x509.RFC822Name: _mail_within,
    x509.UniformResourceIdentifier: _uri_within,
    x509.IPAddress: _address_within,
}
