"""Names of CAs and their signers are for no device, nor are the usages that make an authority of a key.

A device got `CN=<CA name> CMP signer` under the default policy, and a fake server with that certificate had
clients that go by the name believe its answers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY
from cmpd.clm.model import ObjectKind
from cmpd.clm.pkix.names import parse_name
from cmpd.clm.store.changes import UpdateEntity
from tests import cmpclient
from tests.clm import pki
from tests.cmp.conftest import MakeWorld
from tests.cmp.world import World, ra_holder, signed_by
from tests.cmpclient import requests

KEY = pki.key("P-256", 191)
NEW_KEY = pki.key("P-256", 192)
CAS = (
    "CN=cmpd Issuing CA",
    "CN=cmpd Root CA",
    "CN=cmpd Issuing CA CMP signer",
    "CN=cmpd Root CA CMP signer",
    "CN=CMPD  issuing ca",
)
SUB_CAS = "cccccccc-0000-4000-8000-000000000001"


def asks(kind: str, subject: Any, key: Any = KEY, **fields: Any) -> Any:
    if kind == "p10cr":
        return requests.pkcs10(key, subject, **fields)
    return (kind, [requests.certificate_request(key, subject, **fields)])


def printable(subject: str) -> x509.Name:
    """The same name in another string type."""
    from cryptography.x509.name import _ASN1Type

    value = subject.removeprefix("CN=")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, value, _type=_ASN1Type.PrintableString)])


@pytest.mark.parametrize("kind", ["ir", "cr", "p10cr"])
@pytest.mark.parametrize("subject", CAS)
def test_a_name_of_a_ca_is_for_nobody(world: World, kind: str, subject: str) -> None:
    before = len(world.certificates())
    for protection in (world.client(), world.client(signed_by(ra_holder("line RA", 193)))):
        for name in (parse_name(subject), printable(subject)):
            response = protection.begin().send(asks(kind, name))
            assert (response.status, response.fail_info) == ("rejection", ("notAuthorized",))
            assert response.text == "subject: this name belongs to a certification authority of this server"
    assert len(world.certificates()) == before


def test_it_is_for_nobody_as_a_directory_name_either(make_world: MakeWorld) -> None:
    world = make_world({"san": {"kinds": ["directory"]}})
    names = x509.SubjectAlternativeName([x509.DirectoryName(parse_name("CN=cmpd Issuing CA"))])
    response = world.client().begin().send(asks("ir", "CN=device", extensions=[names]))
    assert (response.status, response.fail_info) == ("rejection", ("notAuthorized",))


def test_what_a_template_makes_of_the_subject_is_what_counts(make_world: MakeWorld) -> None:
    world = make_world()
    world.put(ObjectKind.TEMPLATE, "trap", "trap", {"subject": ["CN=cmpd Issuing CA"]})
    world.change_policy(template="trap")
    assert world.client().begin().send(asks("ir", "CN=device")).fail_info == ("notAuthorized",)


def sub_ca(world: World, policy: dict[str, Any]) -> cmpclient.Signature:
    """A CA that this server's root certified by CMP, and that updates its certificate the same way."""
    document = {"ca": "root", "template": "plant-ca", **policy}
    world.put(
        ObjectKind.TEMPLATE,
        "plant-ca",
        "plant-ca",
        {
            "validity": "1y",
            "key_usage": ["keyCertSign", "cRLSign", "digitalSignature"],
            "basic_constraints": {"ca": True, "path_length": 0},
        },
    )
    world.put(ObjectKind.POLICY, SUB_CAS, "sub-cas", document)
    entity = world.run(world.store.entity(DEMO_ENTITY))
    assert entity is not None
    world.run(world.store.commit((UpdateEntity(replace(entity, policies=(*entity.policies, SUB_CAS))),)))
    client = world.client(call={"policy": SUB_CAS})
    transaction = client.begin()
    certificate = transaction.enrol(asks("ir", "CN=plant")).certificate
    return cmpclient.Signature(certificate, KEY)


def hold(world: World) -> None:
    """From now on a CA of this store has that name."""
    world.put_ca("plant", "P-256")


@pytest.mark.parametrize(
    ("policy", "fail_info"),
    [
        ({"subject": {"fixed": {"CN": "plant"}}}, ()),
        ({"subject": {"patterns": {"CN": "pl.*"}}}, ()),
        ({}, ("notAuthorized",)),
    ],
)
def test_the_update_of_a_ca_takes_a_policy_that_names_it(
    make_world: MakeWorld, policy: dict[str, Any], fail_info: tuple[str, ...]
) -> None:
    world = make_world()
    plant = sub_ca(world, policy)
    hold(world)
    client = world.client(plant, call={"policy": SUB_CAS})
    again = client.begin().send(asks("cr", "CN=plant", NEW_KEY))
    assert again.fail_info == ("notAuthorized",)
    updated = client.begin().send(asks("kur", "CN=plant", NEW_KEY))
    assert updated.fail_info == fail_info


PRIVILEGED = {
    "cmcCA": "1.3.6.1.5.5.7.3.27",
    "cmcRA": "1.3.6.1.5.5.7.3.28",
    "cmKGA": "1.3.6.1.5.5.7.3.32",
    "OCSPSigning": "1.3.6.1.5.5.7.3.9",
    "anyExtendedKeyUsage": "2.5.29.37.0",
}


@pytest.mark.parametrize("name", PRIVILEGED)
def test_a_usage_of_authorities_is_a_templates_to_give(make_world: MakeWorld, name: str) -> None:
    oid = PRIVILEGED[name]
    world = make_world()
    asked = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid)])
    for template in ({}, {"extended_key_usage": ["clientAuth"]}, {"take": ["subjectAltName"]}):
        world.put(ObjectKind.TEMPLATE, "plain", "plain", template)
        world.change_policy(template="plain")
        response = world.client().begin().send(asks("ir", "CN=device", extensions=[asked]))
        usages = [
            usage.dotted_string
            for one in response.certificate.extensions
            if isinstance(one.value, x509.ExtendedKeyUsage)
            for usage in one.value
        ]
        assert oid not in usages
    world.put(ObjectKind.TEMPLATE, "named", "named", {"requested_extended_key_usage": [oid]})
    world.change_policy(template="named")
    response = world.client().begin().send(asks("ir", "CN=device", extensions=[asked]))
    assert list(response.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        x509.ObjectIdentifier(oid)
    ]
