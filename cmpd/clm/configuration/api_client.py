"""API clients: who cmpd is to the lifecycle, and what it may use."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from cmpd.clm.model import StoredObject
from cmpd.clm.secrets import check_secret, hash_secret
from cmpd.clm.settings import (
    FLAG,
    TEXT,
    DocumentError,
    ValueType,
    check_name,
    count,
    dump,
    listing,
    nested,
    optional,
    read,
    setting,
)

MOST_SECRETS = 8
"""Secrets valid at a time: each wrong login costs as many hashes."""


def _instant(value: Any, key: str) -> int:
    return int(count(0, 2**53).parse(value, key))


INSTANT = ValueType(_instant)
"""Seconds since the epoch."""


class APIClientError(DocumentError):
    """An API client's document is wrong; `key` names where."""


@dataclass(frozen=True, slots=True)
class HashedSecret:
    """A secret that is accepted, for a while."""

    hash: str = setting(TEXT)
    """scrypt (`cmpd.clm.secrets.hash_secret`)."""
    created: int = setting(INSTANT)
    """When it was made."""
    expires: int | None = setting(optional(INSTANT), None)
    """When it is void; absent: never."""


@dataclass(frozen=True, slots=True)
class APIClient:
    """An API client, as the store has it."""

    id: str = field(init=False, default="")
    """What it logs in as; its name is the same."""
    default_policy: str | None = setting(optional(TEXT), None)
    """UUID of the policy where a request names none."""
    policies: tuple[str, ...] | None = setting(optional(listing(TEXT)), None)
    """UUIDs of the policies it may use; absent: all."""
    secrets: tuple[HashedSecret, ...] = setting(listing(nested(HashedSecret)), ())
    """Its secrets, the newest last."""
    disabled: bool = setting(FLAG, False)
    """Whether it is kept out."""

    @classmethod
    def of(cls, stored: StoredObject) -> APIClient:
        """Raises APIClientError."""
        try:
            check_name(stored.id, "id")
            client = read(cls, stored.document)
        except DocumentError as error:
            raise APIClientError(f"API client {stored.id}: {error.key}", error.text) from error
        object.__setattr__(client, "id", stored.id)
        return client

    def document(self) -> dict[str, Any]:
        """What `of` reads."""
        return dump(self)

    def accepts(self, secret: str, now: int) -> bool:
        """Whether it may log in with this secret now. Compares in constant time."""
        matches = [
            check_secret(secret, known.hash)
            for known in self.secrets
            if known.expires is None or now < known.expires
        ]
        return any(matches) and not self.disabled

    def may_use(self, policy_id: str) -> bool:
        """Whether it may use the policy."""
        return self.policies is None or policy_id in self.policies or policy_id == self.default_policy

    def with_secret(self, secret: str, now: int, overlap: int = 0) -> APIClient:
        """The client with a new secret; older ones stay valid for `overlap` seconds more."""
        end = now + overlap
        kept = [
            replace(known, expires=end if known.expires is None else min(end, known.expires))
            for known in self.secrets
            if overlap and (known.expires is None or now < known.expires)
        ]
        kept = kept[-(MOST_SECRETS - 1) :]
        changed = replace(self, secrets=(*kept, HashedSecret(hash_secret(secret), now)))
        object.__setattr__(changed, "id", self.id)
        return changed
