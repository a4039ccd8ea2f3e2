"""An algorithm is one row in one file: what is registered is seen everywhere, and withdrawn it is gone."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from cmpd.cli import build_parser
from cmpd.clm.documents.policy import Policy, PolicyError
from cmpd.clm.lifecycle.bootstrap import DEMO_POLICY
from cmpd.clm.pkix import keypairs
from cmpd.clm.pkix.algorithms import KEYS, SIGNATURES, digests, register, registers, withdraw
from cmpd.cmp.wire import oids, schema
from tests.cmp.world import World
from tests.cmpclient import Signature, requests
from tests.cmpclient.algorithms import identifier
from tests.support import brainpool
from tests.support.brainpool import CURVE, CURVE_OID, SIGNATURE, SIGNATURE_OID

PROJECT = Path(__file__).parent.parent
DOCUMENT = {
    "ca": "issuing",
    "template": "device",
    "keys": {"algorithms": [CURVE]},
    "signatures": [SIGNATURE],
    "central_key_generation": True,
}
SIGN_KEY_PAIR_TYPES, CERT_REQ_TEMPLATE = "1.3.6.1.5.5.7.4.2", "1.3.6.1.5.5.7.4.19"


@pytest.fixture
def added() -> Iterator[None]:
    """The algorithms of `brainpool`, for as long as a test runs."""
    register(brainpool.ROWS)
    yield
    withdraw(brainpool.ROWS)


@pytest.fixture
def world(added: None, tmp_path: Path) -> Iterator[World]:
    """A server whose default policy is for the added algorithms alone."""
    world = World(
        tmp_path, {name: DOCUMENT[name] for name in ("keys", "signatures", "central_key_generation")}
    )
    yield world
    world.close()


@dataclass(frozen=True)
class InAddedAlgorithm(Signature):
    """Protection by a signature in the added algorithm."""

    def start(self) -> tuple[dict[str, Any], Callable[[bytes], bytes]]:
        assert isinstance(self.key, ec.EllipticCurvePrivateKey)
        key = self.key
        return identifier(SIGNATURE_OID), lambda data: key.sign(data, ec.ECDSA(hashes.SHA3_256()))


def curve_of(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.curve.name


def documented() -> str:
    made: str = runpy.run_path(str(PROJECT / "packaging" / "reference.py"))["algorithms"]()
    return made


def helped() -> str:
    """What `cmpd ca create --help` says, in one line."""
    parser: Any = build_parser(["ca"])
    for word in ("ca", "create"):
        choices = (action.choices for action in parser._actions if isinstance(action.choices, dict))
        parser = next(found for found in choices)[word]
    return " ".join(parser.format_help().split())


def told(world: World, info_type: str) -> bytes:
    [item] = world.client().ask(info_type).content
    value: bytes = item["infoValue"]
    return value


def test_a_policy_may_name_an_added_algorithm(added: None) -> None:
    policy = Policy.of(DEMO_POLICY, "added", DOCUMENT)
    assert (policy.keys.algorithms, policy.signatures) == ((CURVE,), (SIGNATURE,))


def test_general_messages_offer_an_added_kind_of_key(world: World) -> None:
    types = schema.decode("SignKeyPairTypesValue", told(world, SIGN_KEY_PAIR_TYPES))
    expected = identifier("1.2.840.10045.2.1", schema.encode("RawNamedCurve", CURVE_OID))
    assert types == [expected]
    template = schema.decode("RawCertReqTemplateContent", told(world, CERT_REQ_TEMPLATE))
    assert [one["value"] for one in template["keySpec"]] == [schema.encode("AlgorithmIdentifier", expected)]


def test_a_key_is_made_by_an_added_algorithm_where_the_policy_likes_it_best(world: World) -> None:
    template = requests.template(None, "CN=device")
    asked = schema.encode("RawCertRequest", {"certReqId": 0, "certTemplate": template})
    response = world.client(pvno=3).begin().send(("ir", [{"certReq": asked}]))
    assert response.status == "accepted"
    assert curve_of(response.certificate) == CURVE


def test_a_device_with_an_added_kind_of_key_signs_in_an_added_algorithm(world: World) -> None:
    key, next_key = keypairs.generate(CURVE), keypairs.generate(CURVE)
    first = world.client().enrol("ir", key).certificate
    second = world.client(InAddedAlgorithm(first, key)).enrol("cr", next_key).certificate
    assert [curve_of(certificate) for certificate in (first, second)] == [CURVE, CURVE]


def test_a_ca_has_an_added_kind_of_key_and_signs_in_what_suits_it(world: World) -> None:
    assert curve_of(world.put_ca("added", CURVE)) == CURVE
    world.change_policy(ca="added")
    response = (
        world.client().begin().send(("ir", [requests.certificate_request(keypairs.generate(CURVE), "CN=d")]))
    )
    assert response.certificate.signature_algorithm_oid.dotted_string == SIGNATURE_OID


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (lambda: oids.name(CURVE_OID), CURVE),
        (lambda: oids.name(SIGNATURE_OID), SIGNATURE),
        (helped, CURVE),
        (documented, f"| {CURVE} | 1.2.840.10045.2.1 {CURVE_OID} | 128 | yes | 4 | {CURVE} | {SIGNATURE} |"),
        (
            documented,
            f"| {SIGNATURE} | {SIGNATURE_OID} | absent | P-256, P-384, P-521, {CURVE} | by default |",
        ),
    ],
    ids=["curve's OID", "signature's OID", "cmpd ca create --help", "table of keys", "table of signatures"],
)
def test_an_added_algorithm_is_named(added: None, where: Callable[[], str], name: str) -> None:
    assert name in where()


OWN = PROJECT / "cmpd" / "clm" / "pkix" / "algorithms"
ELSEWHERE = [path for path in sorted((PROJECT / "cmpd").rglob("*.py")) if OWN not in path.parents]


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: str(path.relative_to(PROJECT)))
def test_the_oid_of_an_algorithm_stands_in_its_row_and_nowhere_else(path: Path) -> None:
    known = {**registers.OID_NAMES, **digests.OID_NAMES}
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert sorted(texts & known.keys()) == []


def test_what_is_on_by_default_is_in_the_default_of_policies() -> None:
    """Defaults are read once, when policies are imported: so in an interpreter of its own."""
    program = (
        "from cmpd.clm.pkix.algorithms import register\n"
        "from tests.support import brainpool\n"
        "register(brainpool.ROWS)\n"
        "from cmpd.clm.documents.policy import Policy\n"
        "print(Policy(ca='a', template='b').keys.algorithms, Policy(ca='a', template='b').signatures)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert f"'{CURVE}'" in run.stdout
    assert f"'{SIGNATURE}'" in run.stdout


def test_a_withdrawn_algorithm_is_nowhere() -> None:
    before = (dict(KEYS), dict(SIGNATURES), dict(SIGNATURES.by_oid), dict(oids.NAMES), documented(), helped())
    register(brainpool.ROWS)
    public = keypairs.generate(CURVE).public_key()
    assert KEYS.of(public).name == CURVE
    withdraw(brainpool.ROWS)
    after = (dict(KEYS), dict(SIGNATURES), dict(SIGNATURES.by_oid), dict(oids.NAMES), documented(), helped())
    assert after == before
    with pytest.raises(keypairs.KeyProblem, match="is not supported; P-256, P-384 and P-521 are"):
        KEYS.of(public)
    for key, value in (("keys", {"algorithms": [CURVE]}), ("signatures", [SIGNATURE])):
        with pytest.raises(PolicyError, match="is expected"):
            Policy.of(DEMO_POLICY, "gone", {"ca": "issuing", "template": "device", key: value})
