"""API clients log in with their secrets as long as these are valid, and may use what they may use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cmpd.clm.configuration.api_client import MOST_SECRETS, APIClient, APIClientError
from cmpd.clm.model import ObjectKind, StoredObject

NOW = 1_800_000_000
POLICY = "11111111-2222-3333-4444-555555555555"


def test_a_rotated_secret_stays_valid_for_the_overlap_and_no_longer() -> None:
    client = APIClient().with_secret("old", NOW).with_secret("new", NOW, overlap=60)
    assert client.accepts("old", NOW + 59)
    assert not client.accepts("old", NOW + 60)
    assert client.accepts("new", NOW + 60)
    assert not client.accepts("other", NOW)
    again = client.with_secret("newest", NOW + 1)
    assert [again.accepts(secret, NOW + 1) for secret in ("old", "new", "newest")] == [False, False, True]


def test_a_disabled_client_is_kept_out_whatever_its_secret() -> None:
    client = APIClient().with_secret("right", NOW)
    assert not replace(client, disabled=True).accepts("right", NOW)


def test_no_more_secrets_are_kept_than_a_login_may_cost() -> None:
    client = APIClient()
    for number in range(MOST_SECRETS + 3):
        client = client.with_secret(f"secret {number}", NOW, overlap=1000)
    assert len(client.secrets) == MOST_SECRETS


@pytest.mark.parametrize(
    ("client", "may"),
    [
        (APIClient(), True),
        (APIClient(policies=()), False),
        (APIClient(policies=(POLICY,)), True),
        (APIClient(policies=(), default_policy=POLICY), True),
    ],
)
def test_a_client_may_use_its_policies_or_all(client: APIClient, may: bool) -> None:
    assert client.may_use(POLICY) is may


def test_a_client_comes_back_from_its_document() -> None:
    client = APIClient(default_policy=POLICY).with_secret("s", NOW)
    stored = StoredObject(ObjectKind.API_CLIENT, "line-3", "line-3", client.document())
    loaded = APIClient.of(stored)
    assert loaded.id == "line-3"
    assert loaded.document() == client.document()
    assert "'s'" not in str(client.document())
    with pytest.raises(APIClientError, match="secrets"):
        APIClient.of(replace(stored, document={"secrets": "s"}))
