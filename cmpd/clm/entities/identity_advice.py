"""What an operator is told of identities that are right, and yet may name nothing that ever comes.

An identity without an anchor names a vendor certificate only where a policy has one trust anchor, which
then is the one that vouches (`Credentials.entity_of_certificate`). A subject is compared in the order of
encoding, which tools print in one order or the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography import x509

from cmpd.clm.documents.policy import Policy
from cmpd.clm.entities.identity_text import identity_text
from cmpd.clm.pkix.identities import FINGERPRINT, SUBJECT, identity_key
from cmpd.clm.pkix.names import comparison_key, encoding_text, parse_name
from cmpd.clm.settings import DocumentError
from cmpd.clm.store.base import CertificateQuery

if TYPE_CHECKING:
    from cmpd.clm.model import Entity, Identity, StoredObject
    from cmpd.clm.store.base import Store

MOST_COMPARED: Final = 5000
"""Certificates, and end entities, that a subject is compared with."""
MOST_JUDGED: Final = 100_000
"""End entities whose identities are judged at once."""
MOST_TOLD: Final = 10
"""Lines of advice."""


def policies_of(stored: Iterable[StoredObject]) -> dict[str, Policy]:
    """By id, those that can be read; what is wrong with others is told elsewhere."""
    policies = {}
    for one in stored:
        try:
            policies[one.id] = Policy.of(one.id, one.name, one.document)
        except DocumentError:
            continue
    return policies


def anchors_of(policy: Policy) -> frozenset[str]:
    """SHA-256 of each trust anchor's DER, as identities name it."""
    return frozenset(hashlib.sha256(der).hexdigest() for der in policy.trust_anchors)


def names_certificates(identity: Identity, policy: Policy) -> bool:
    """Whether an identity names certificates of elsewhere under a policy: somebody vouches for it there."""
    anchors = anchors_of(policy)
    if identity.kind == FINGERPRINT:
        return bool(anchors)
    return identity.anchor in anchors if identity.anchor else len(anchors) == 1


def futile(entity: Entity, policies: Mapping[str, Policy]) -> Iterator[str]:
    """Why identities of an entity name no certificate under its policies, and what to do."""
    own = [policies[id] for id in entity.policies if id in policies]
    for identity in entity.identities:
        if identity.kind == FINGERPRINT:
            continue
        reason = _futile(identity, own)
        if reason is not None:
            yield f"entity {entity.id}: identity {identity_text(identity)} {reason}"


def _futile(identity: Identity, policies: Sequence[Policy]) -> str | None:
    if identity.kind == SUBJECT and _name(identity.value) is None:
        return "never matches: it is not a distinguished name, such as subject=CN=Device 1,O=Example"
    anchors = {policy.name: anchors_of(policy) for policy in policies}
    if identity.anchor:
        if not any(identity.anchor in own for own in anchors.values()):
            return "names no vendor certificate, as no policy of it has that anchor: declare one that has"
        return None
    several = sorted(name for name, own in anchors.items() if len(own) > 1)
    if several:
        return (
            f"names no vendor certificate under policy {', '.join(several)} with its several trust anchors: "
            "bind it to its vendor's (--anchor, or anchor in a declaration)"
        )
    return None


def _name(text: str) -> x509.Name | None:
    try:
        return parse_name(text)
    except ValueError:
        return None


async def judged(store: Store, policies: Mapping[str, Policy]) -> list[str]:
    """What is `futile` in the store, and which end entities have the same name, as may be in stores from
    before names were compared by what they mean. A line each, of `MOST_TOLD` at most."""
    found: list[str] = []
    owners: dict[tuple[str, str, str], str] = {}
    count = 0
    async for entity in store.entities():
        count += 1
        if count > MOST_JUDGED:
            found.append(f"the identities of {MOST_JUDGED} end entities were looked at, of others not")
            break
        found += futile(entity, policies)
        for one in entity.identities:
            owner = owners.setdefault((one.kind, identity_key(one.kind, one.value), one.anchor), entity.id)
            if owner != entity.id:
                both = f"end entities {owner} and {entity.id} both have {identity_text(one)}"
                found.append(f"{both}: declare one of them without")
    return shortened(found)


def shortened(lines: list[str]) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - MOST_TOLD
    return lines if more <= 0 else [*lines[:MOST_TOLD], f"and {more} more of the kind"]


async def advice(store: Store, entities: Sequence[Entity], policies: Mapping[str, Policy]) -> list[str]:
    """What to say of end entities that are about to be registered, a line each."""
    lines = [line for entity in entities for line in futile(entity, policies)]
    subjects = [one for entity in entities for one in entity.identities if one.kind == SUBJECT]
    if subjects:
        known = await KnownNames.of(store)
        lines += [line for one in subjects if (line := known.doubt(one)) is not None]
    return shortened(lines)


@dataclass(slots=True)
class KnownNames:
    """Subjects that certificates have, here or elsewhere, as far as the store knows them."""

    keys: set[str] = field(default_factory=set)
    """Their comparison keys."""
    certificates: int = 0
    entities: int = 0

    @classmethod
    async def of(cls, store: Store) -> KnownNames:
        """From the first `MOST_COMPARED` certificates issued here, and as many end entities: their registered
        subjects, and the names of those that registered themselves, which are their vendor's subjects."""
        known = cls()
        async for certificate in store.certificates(CertificateQuery(limit=MOST_COMPARED)):
            known.certificates += 1
            known._add(certificate.subject)
        async for entity in store.entities():
            known.entities += 1
            known._add(entity.name)
            for identity in entity.identities:
                if identity.kind == SUBJECT:
                    known._add(identity.value)
            if known.entities == MOST_COMPARED:
                break
        return known

    def _add(self, text: str) -> None:
        name = _name(text) if "=" in text else None
        if name is not None:
            self.keys.add(comparison_key(name))

    def doubt(self, identity: Identity) -> str | None:
        """What speaks against a subject as it is registered; None where it is known in that order."""
        name = _name(identity.value)
        if name is None or comparison_key(name) in self.keys:
            return None
        turned = x509.Name(name.rdns[::-1])
        if comparison_key(turned) in self.keys:
            verdict = f"but {encoding_text(turned)} is: it seems to be written in the other order"
        else:
            verdict = "in neither order"
        return (
            f"subject {identity.value}, in the order of encoding {encoding_text(name)}, is not known yet, "
            f"{verdict} (compared with {self.certificates} certificates and {self.entities} end entities)"
        )
