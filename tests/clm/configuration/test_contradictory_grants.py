"""A policy that grants what can never be had is refused when it is written, with key and remedy."""

from __future__ import annotations

from typing import Any

import pytest

from cmpd.clm.configuration.contradictions import check_together
from cmpd.clm.documents.policy import Policy
from cmpd.clm.documents.rules.registration import RIGHTS
from cmpd.clm.documents.template import ready_made
from cmpd.clm.settings import DocumentError
from tests.clm.conftest import NOW, PKI

ID = "ffc0d281-f9df-45cd-a30d-1881cd67012a"
ENTITY = "0d9a8a52-4f0b-4b83-8b7a-6f3f5c0d9b11"


def row(*rights: str, **more: Any) -> dict[str, Any]:
    return {"name": "line", "entities": [ENTITY], "rights": list(rights or RIGHTS), **more}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"register": True}, "register", "give it to one"),
    ({"register": True, "registration_authorities": [row("revoke")]}, "register", "give it to one"),
    (
        {"registration_authorities": [row("raVerified")]},
        "registration_authorities[0].rights",
        "without enrol",
    ),
    (
        {"subject": {"fixed": {"O": "Acme"}}, "registration_authorities": [row(subject={"CN": ".*"})]},
        "registration_authorities[0].subject",
        "O=Acme by subject.fixed",
    ),
    (
        {
            "subject": {"fixed": {"O": "Acme"}},
            "registration_authorities": [row(subject={"CN": ".*", "O": "Other"})],
        },
        "registration_authorities[0].subject",
        "O=Acme by subject.fixed",
    ),
    (
        {"central_key_generation": True, "keys": {"algorithms": ["X25519"]}},
        "central_key_generation",
        "add one of",
    ),
]
TAKEN: list[dict[str, Any]] = [
    {"register": True, "registration_authorities": [row("enrol")]},
    {"registration_authorities": [row("enrol", "raVerified")]},
    {
        "subject": {"fixed": {"O": "Acme"}},
        "registration_authorities": [row(subject={"CN": ".*", "O": "Acme"})],
    },
    {"central_key_generation": True},
]


def check(pki: PKI, document: dict[str, Any]) -> None:
    policy = Policy.of(ID, "grants", {"ca": "issuing", "template": "ldevid", **document})
    check_together(policy, ready_made()["ldevid"], pki.authority("root"), NOW)


@pytest.mark.parametrize(("document", "key", "text"), REFUSED)
def test_a_grant_that_can_never_be_had_is_refused(
    pki: PKI, document: dict[str, Any], key: str, text: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        check(pki, document)
    assert caught.value.key == key
    assert text in caught.value.text


@pytest.mark.parametrize("document", TAKEN)
def test_one_that_can_is_taken(pki: PKI, document: dict[str, Any]) -> None:
    check(pki, document)
