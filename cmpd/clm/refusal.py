"""What a request asks beyond what it may have: refused, or trimmed and told."""

from __future__ import annotations

from dataclasses import dataclass, field


class RequestRefused(Exception):
    """A request asks for what it may not have (badCertTemplate).

    `field` names the part of the CertTemplate (RFC 4211, section 5), as in ``subject.O`` or
    ``extensions.subjectAltName.dNSName``; the text is fit for the requester."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field
        self.text = text


class ReservedName(RequestRefused):
    """A request asks for a name of a CA here, or of one of its signers: it is not the requester's to have
    (notAuthorized)."""

    def __init__(self, field: str) -> None:
        super().__init__(field, "this name belongs to a certification authority of this server")


@dataclass(slots=True)
class Deviations:
    """What to do with what is asked beyond the policy, and what was done."""

    refuse: bool
    modifications: list[str] = field(default_factory=list)

    def found(self, field: str, text: str) -> None:
        """Something at `field` goes beyond. Raises RequestRefused where the policy refuses; otherwise
        the caller leaves it out."""
        if self.refuse:
            raise RequestRefused(field, text)
        self.modifications.append(f"{field}: {text}")
