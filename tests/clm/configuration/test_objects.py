"""Configuration that contradicts itself is refused when written; what is in use stays; two do not collide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cmpd.clm.configuration.api_client import APIClient
from cmpd.clm.configuration.objects import ConfigurationConflict, Draft, InUse
from cmpd.clm.lifecycle.bootstrap import DEMO_POLICY
from cmpd.clm.model import Act, ObjectKind, StoredObject
from cmpd.clm.store.base import Conflict, Store
from tests.clm.conftest import PKI

OWN = "11111111-2222-3333-4444-555555555555"
Document = dict[str, Any]


async def drafted(pki: PKI, store: Store, actor: str = "operator:test") -> Draft:
    return await Draft.of(store, pki.master_key, Act(actor, pki.now))


def write(pki: PKI, policy: Document, template: Document | None = None) -> None:
    """Write a policy, and the template it names where one is given."""

    async def work(store: Store) -> None:
        draft = await drafted(pki, store)
        if template is not None:
            draft.put(StoredObject(ObjectKind.TEMPLATE, "own", "own", template), "add")
        document = {"ca": "issuing", "template": "own" if template is not None else "device"} | policy
        draft.put(StoredObject(ObjectKind.POLICY, OWN, "own", document), "add")
        await draft.commit()

    pki.run(work)


FAULTS: list[tuple[str, Document, Document | None]] = [
    ("ca", {"ca": "nowhere"}, None),
    ("ca", {"ca": 7}, None),
    ("template", {"template": "nowhere"}, None),
    ("template", {}, {"validity": "30y"}),
    ("template", {"template": "sub-ca"}, None),
    ("profiles", {"profiles": ["nothing"]}, None),
    ("template", {"profiles": ["sub-ca"]}, None),
    ("excess", {"excess": "maybe"}, None),
    ("exces", {"exces": "trim"}, None),
    ("validity.longest", {"validity": {"longest": "30d"}}, None),
    ("validity.longest", {"validity": {"longest": "a month"}}, None),
    ("validity.requested_validity", {"validity": {"requested_validity": "yes"}}, None),
    ("keys.algorithms", {"keys": {"algorithms": []}}, None),
    ("keys.algorithms[0]", {"keys": {"algorithms": ["DSA"]}}, None),
    ("keys.algorithms[1]", {"keys": {"algorithms": ["RSA", "RSA"]}}, None),
    ("keys.algorithms", {"keys": {"algorithms": ["RSA", "X25519"]}}, None),
    ("keys.rsa_min", {"keys": {"rsa_min": 4096, "rsa_max": 2048}}, None),
    ("keys.rsa_min", {"keys": {"rsa_min": 512}}, None),
    ("keys.rsa_exponents", {"keys": {"rsa_exponents": []}}, None),
    ("subject.allowed", {"subject": {"allowed": ["CN"], "required": ["O"]}}, None),
    ("subject.forbidden", {"subject": {"forbidden": ["O"], "fixed": {"O": "x"}}}, None),
    ("subject.fixed", {"subject": {"fixed": {"O": "x"}, "from_entity": {"O": "name"}}}, None),
    ("subject.fixed.O", {"subject": {"fixed": {"O": "x"}, "patterns": {"O": "[0-9]"}}}, None),
    ("subject.patterns.O", {"subject": {"patterns": {"O": "["}}}, None),
    ("subject.required[0]", {"subject": {"required": ["XY"]}}, None),
    ("subject.required", {"subject": {"required": ["O"]}}, {"subject": ["CN={entity.id}"]}),
    ("subject", {"subject": {"forbidden": ["CN"]}}, {"subject": ["CN={entity.id}"]}),
    ("san.required", {"san": {"required": ["dns"], "kinds": ["ip"]}}, None),
    ("san.required", {"san": {"required": ["dns"]}}, {"take": []}),
    ("san.kinds", {"san": {"kinds": ["ip"]}}, {"san": ["dns:x.example"]}),
    ("san.max", {"san": {"required": ["dns"], "max": 0}}, None),
    ("san.dns.max", {"san": {"required": ["dns"], "dns": {"max": 0}}}, None),
    ("san.ip.networks[0]", {"san": {"ip": {"networks": ["10.0.0.1/8"]}}}, None),
    ("mac.iterations_min", {"mac": {"iterations_min": 1000, "iterations_max": 10}}, None),
    ("mac", {"mac": {"owfs": []}}, None),
    ("mac.macs[0]", {"mac": {"macs": ["MD5"]}}, None),
    ("signatures[0]", {"signatures": ["sha1WithRSAEncryption"]}, None),
    ("confirm_wait", {"confirm_wait": 0}, None),
    ("approvals", {"approvals": 3}, None),
    ("max_active", {"max_active": 0}, None),
    ("auto_register", {"auto_register": True}, None),
    ("trust_anchors[0]", {"trust_anchors": ["no PEM"]}, None),
    ("implicit_confirm", {"implicit_confirm": "yes"}, None),
]


@pytest.mark.parametrize(
    ("key", "policy", "template"), FAULTS, ids=[f"{k}-{n}" for n, (k, *_) in enumerate(FAULTS)]
)
def test_a_faulty_policy_is_refused_when_written_naming_the_key(
    pki: PKI, key: str, policy: Document, template: Document | None
) -> None:
    with pytest.raises(ConfigurationConflict) as unfit:
        write(pki, policy, template)
    assert unfit.value.key == key
    assert "\n" not in str(unfit.value)
    assert pki.run(lambda store: store.object(ObjectKind.POLICY, OWN)) is None


TEMPLATE_FAULTS: list[tuple[str, Document]] = [
    ("validity", {"validity": 0}),
    ("key_usage[0]", {"key_usage": ["sign"]}),
    ("key_usage", {"key_usage": ["keyCertSign"]}),
    ("key_usage", {"basic_constraints": {"ca": True}}),
    ("key_usage", {"key_usage": ["digitalSignature", "encipherOnly"]}),
    ("basic_constraints.path_length", {"basic_constraints": {"path_length": 0}}),
    ("extended_key_usage[0]", {"extended_key_usage": ["everything"]}),
    ("extensions", {"extensions": [{"oid": "2.5.29.15", "der": "BQA="}]}),
    ("extensions[0].der", {"extensions": [{"oid": "1.2.3", "der": "%"}]}),
    ("extensions[0].der", {"extensions": [{"oid": "1.2.3"}]}),
    ("take[0]", {"take": ["everything"]}),
    ("take", {"take": ["2.5.29.35"]}),
    ("subject[0]", {"subject": ["device"]}),
    ("san[0]", {"san": ["x.example"]}),
    ("own: crl_distribution_points", {"crl_distribution_points": ["{nothing}/x"]}),
]


@pytest.mark.parametrize(
    ("key", "template"), TEMPLATE_FAULTS, ids=[f"{k}-{n}" for n, (k, _) in enumerate(TEMPLATE_FAULTS)]
)
def test_a_faulty_template_is_refused_when_written_naming_the_key(
    pki: PKI, key: str, template: Document
) -> None:
    with pytest.raises(ConfigurationConflict) as unfit:
        write(pki, {}, template)
    assert unfit.value.key == key


def test_a_change_of_a_template_is_checked_against_the_policies_that_use_it(pki: PKI) -> None:
    write(pki, {"validity": {"longest": "90d"}}, {"validity": "30d"})

    async def work(store: Store) -> None:
        draft = await drafted(pki, store)
        draft.change(draft.get(ObjectKind.TEMPLATE, "own"), {"validity": "1y"})
        await draft.commit()

    with pytest.raises(ConfigurationConflict, match=r"validity\.longest: 90d is less than the 1y"):
        pki.run(work)


def test_a_policy_whose_ca_nears_its_end_does_not_keep_others_from_being_changed(pki: PKI) -> None:
    pki.now = pki.authority().not_after - 86400

    async def work(store: Store) -> None:
        draft = await drafted(pki, store)
        client = APIClient(default_policy=DEMO_POLICY)
        draft.put(StoredObject(ObjectKind.API_CLIENT, "c", "c", client.document()), "add")
        await draft.commit()

    pki.run(work)


@pytest.mark.parametrize(
    ("kind", "name", "user"),
    [
        (ObjectKind.CA, "issuing", "policy default"),
        (ObjectKind.CA, "root", "CA issuing"),
        (ObjectKind.POLICY, "default", "API client cmpd, entity 251069b7-bcc3-4911-b312-04327925a1aa"),
        (ObjectKind.TEMPLATE, "own", "policy own"),
    ],
)
def test_what_is_in_use_is_not_deleted_and_its_users_are_named(
    pki: PKI, kind: ObjectKind, name: str, user: str
) -> None:
    write(pki, {}, {})

    async def work(store: Store) -> None:
        draft = await drafted(pki, store)
        await draft.delete(draft.get(kind, name))

    with pytest.raises(InUse, match=f"in use by .*{user}"):
        pki.run(work)


def test_of_two_operators_who_change_the_same_policy_the_second_is_told(pki: PKI) -> None:
    async def work(store: Store) -> None:
        first, second = await drafted(pki, store), await drafted(pki, store, "operator:other")
        for draft, wait in ((first, "1m"), (second, "2m")):
            stored = draft.get(ObjectKind.POLICY, "default")
            draft.change(stored, stored.document | {"confirm_wait": wait})
        await first.commit()
        with pytest.raises(Conflict) as conflict:
            await second.commit()
        assert conflict.value.what == "version"

    pki.run(work)
    assert pki.stored(ObjectKind.POLICY, "default").document["confirm_wait"] == "1m"


def test_every_change_is_in_the_audit_with_who_and_which_keys(pki: PKI) -> None:
    async def work(store: Store) -> list[tuple[str, str, Any]]:
        draft = await drafted(pki, store)
        stored = draft.get(ObjectKind.POLICY, "default")
        draft.change(stored, stored.document | {"excess": "refuse"})
        await draft.commit()
        events = [record.event async for record in store.audit()]
        return [(one.actor, one.action, one.detail.get("keys")) for one in events]

    assert ("operator:test", "policy.change", ["excess"]) in pki.run(work)


def test_a_client_may_only_name_policies_that_exist(pki: PKI) -> None:
    async def work(store: Store) -> None:
        draft = await drafted(pki, store)
        client = replace(APIClient(), default_policy=OWN)
        draft.put(StoredObject(ObjectKind.API_CLIENT, "c", "c", client.document()), "add")
        draft.check()

    with pytest.raises(ConfigurationConflict, match=f"no policy {OWN}"):
        pki.run(work)
