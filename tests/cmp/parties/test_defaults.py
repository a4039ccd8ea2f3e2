"""What `init` makes gives nobody more than its template says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from cmpd.clm.lifecycle.bootstrap import DEMO_POLICY, FIRST_POLICY
from cmpd.clm.model import ObjectKind
from tests import cmpclient
from tests.clm import pki
from tests.cmp.world import World
from tests.cmpclient import requests

KEY = pki.key("P-256", 201)
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
HOST = x509.SubjectAlternativeName([x509.DNSName("bank.example")])
PERSON = x509.SubjectAlternativeName([x509.RFC822Name("a@b.example")])


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server that has the policy that `init` makes."""
    world = World(Path(tmp_path_factory.mktemp("world")))
    world.put(ObjectKind.POLICY, DEMO_POLICY, "default", FIRST_POLICY)
    yield world
    world.close()


def asked(world: World, **fields: Any) -> cmpclient.Response:
    return world.client().begin().send(("ir", [requests.certificate_request(KEY, "CN=device", **fields)]))


def test_a_request_does_not_run_beyond_the_templates_validity(new: World) -> None:
    """It ran until the CA's end, where the template says 365 days."""
    response = asked(new, not_after=datetime(2035, 1, 1))
    certificate = response.certificate
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 365
    assert response.status == "grantedWithMods"


def test_a_request_is_no_server_of_any_host(new: World) -> None:
    response = asked(new, extensions=[SERVER, HOST])
    usage = response.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_name_is_of_a_kind_that_the_policy_lists(new: World) -> None:
    extensions = asked(new, extensions=[PERSON]).certificate.extensions
    assert not [one for one in extensions if isinstance(one.value, x509.SubjectAlternativeName)]
