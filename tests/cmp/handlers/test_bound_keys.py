"""Keys bound to one algorithm, such as those for RSASSA-PSS alone (RFC 4055, section 1.2).

`openssl genpkey -algorithm RSA-PSS` makes them. They were certified as keys for any use of RSA, which is
another key than was asked for; `openssl cmp` rejected the certificate.
"""

from __future__ import annotations

from typing import Any

import pytest

from cmpd.cmp.wire import schema
from tests.clm import pki
from tests.cmp.world import World
from tests.cmpclient import requests
from tests.cmpclient.algorithms import identifier

KEY = pki.key("RSA", 65)
RSASSA_PSS = schema.encode("AlgorithmIdentifier", identifier("1.2.840.113549.1.1.10"))
BOUND = {**requests.subject_public_key_info(KEY), "algorithm": RSASSA_PSS}


def crmf(kind: str) -> Any:
    return kind, [requests.certificate_request(KEY, publicKey=BOUND, pss=True)]


def pkcs10() -> Any:
    kind, value = requests.pkcs10(KEY, "CN=device")
    info = schema.decode("RawCertificationRequestInfo", value["certificationRequestInfo"])
    info["subjectPKInfo"] = BOUND
    encoded = schema.encode("RawCertificationRequestInfo", info)
    return kind, {**value, "certificationRequestInfo": encoded}


@pytest.mark.parametrize("body", [crmf("ir"), crmf("cr"), pkcs10()], ids=["ir", "cr", "p10cr"])
def test_a_key_for_rsassa_pss_alone_is_not_certified_for_more(world: World, body: Any) -> None:
    before = len(world.certificates())
    response = world.client().begin().send(body)
    assert response.fail_info == ("badCertTemplate",)
    assert "publicKey: keys for nothing but RSASSA-PSS are not certified" in response.text
    assert len(world.certificates()) == before


def test_the_same_key_is_certified_for_rsa(world: World) -> None:
    response = world.client().begin().send(("ir", [requests.certificate_request(KEY, pss=True)]))
    assert response.status == "accepted"
