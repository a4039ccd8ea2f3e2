"""Worlds and requests at random: well-meant ones, and those of who tries to get what is not theirs."""

from __future__ import annotations

import copy
import random
from dataclasses import replace

from cmpd.clm.lifecycle.bootstrap import DEMO_ENTITY, DEMO_POLICY
from tests.cmp.world import FOREIGN_POLICY, OTHER_ENTITY, SECOND_POLICY
from tests.judge import model, oracle
from tests.judge.worlds import FOREIGN, HOUSE_NAME, POLICIES, REGISTERED, SUBJECTS, THIRD_ENTITY

RIGHTS = ("enrol", "update", "revoke", "hold", "release", "raVerified", "nest")
ENTITIES = (DEMO_ENTITY, OTHER_ENTITY, THIRD_ENTITY)
UNKNOWN = ("99999999-1111-4111-8111-111111111111", "nothing")
HOLDERS = (None, "operator:root", "ra:line", "ra:office", "certificate:issuing-1/1")
ACTS = ("ir", "cr", "p10cr", "kur", "rr", "hold", "release", "genm", "template", "nested")
LATER = ("certConf", "pollReq", "popdecr", "error")


def world(rng: random.Random, base: model.World) -> model.World:
    """Another world of the same people: most things as they should be, some not."""
    made = copy.deepcopy(base)
    made.policies = {id: policy(rng, id, name) for id, name in POLICIES.items()}
    made.entities = {id: entity(rng, id) for id in ENTITIES}
    made.foreign = {
        label: model.Foreign(label, vendor, REGISTERED.get(label)) for label, (vendor, _) in FOREIGN.items()
    }
    made.by_subject = {"cn=pump-1": OTHER_ENTITY} if rng.random() < 0.5 else {}
    for certificate in made.certificates.values():
        if certificate.policy is not None:
            _stand(rng, certificate, made)
    return made


def policy(rng: random.Random, id: str, name: str) -> model.Policy:
    def often() -> bool:
        return rng.random() < 0.7

    def sometimes() -> bool:
        return rng.random() < 0.35

    rows = []
    if often():
        rows.append(_row(rng, "line", certificates=frozenset({"line"})))
    if sometimes():
        rows.append(_row(rng, "office", entities=frozenset({rng.choice(ENTITIES[:2])})))
    if sometimes():
        rows.append(_row(rng, "pinned", certificates=frozenset({"plain"})))
    return model.Policy(
        id,
        name,
        password_enrolment=often(),
        password_login=often(),
        password_revocation=often(),
        central_key_generation=often(),
        certificate_enrolment=often(),
        auto_register=(anchors := often()) and sometimes(),
        register=sometimes(),
        anchors=frozenset(rng.choice((("V",), ("W",), ("V", "W")))) if anchors else frozenset(),
        ras=tuple(rows),
    )


def _row(rng: random.Random, name: str, **who: frozenset[str]) -> model.RARow:
    rights = frozenset(right for right in RIGHTS if rng.random() < 0.8) or frozenset({"enrol"})
    patterns = rng.random() < 0.5
    return model.RARow(
        name,
        rights,
        common_names="pump-[0-9]+" if patterns else None,
        dns=r"pump-[0-9]+\.example" if patterns and rng.random() < 0.7 else None,
        **who,
    )


def entity(rng: random.Random, id: str) -> model.Entity:
    policies = frozenset(one for one in POLICIES if rng.random() < 0.6)
    return model.Entity(id, policies, rng.random() < 0.15, rng.choice((None, None, None, None, 0, 1, 2)))


def _stand(rng: random.Random, certificate: model.Certificate, made: model.World) -> None:
    certificate.state = rng.choice(
        ("active",) * 6 + ("revoked", "on_hold", "on_hold", "rejected", "unconfirmed")
    )
    entity_id = certificate.entity if certificate.entity in made.entities else None
    certificate.held_by = rng.choice((*HOLDERS, f"entity:{entity_id}" if entity_id else None))


def request(rng: random.Random, world: model.World) -> model.Request:
    """A request of somebody in that world; every second one is well-meant, where one is found at once."""
    asked = _any_request(rng, world)
    for _ in range(6 if rng.random() < 0.5 else 0):
        if oracle.judge(world, asked).granted:
            break
        asked = _any_request(rng, world)
    return asked


def _any_request(rng: random.Random, world: model.World) -> model.Request:
    act = rng.choice(ACTS)
    if (act == "genm" and rng.random() < 0.15) or (act == "template" and rng.random() < 0.15):
        who = model.Sender("nothing")
    else:
        who = sender(rng, world)
    address = rng.choice(
        (None, None, DEMO_POLICY, SECOND_POLICY, FOREIGN_POLICY, "second", "foreign", *UNKNOWN)
    )
    profile = ""
    if act in ("ir", "cr", "p10cr", "kur", "genm", "template") and rng.random() < 0.2:
        profile = rng.choice(("default", "second", "foreign", "nothing"))
    asked = model.Request(act, who, address, profile)
    if act in model.ENROLMENTS:
        return _enrolment(rng, world, asked)
    if act == "kur" or act in model.REVOCATIONS.values():
        return _about(rng, world, asked)
    return asked


def sender(rng: random.Random, world: model.World) -> model.Sender:
    how = rng.choice(
        (
            "password",
            "password",
            "login",
            "certificate",
            "certificate",
            "certificate",
            "foreign",
            "foreign",
            "unknown",
        )
    )
    if how == "password":
        basic = rng.choice(ENTITIES) if rng.random() < 0.05 else None
        return model.Sender(how, rng.choice(ENTITIES), basic, right_secret=rng.random() < 0.95)
    if how == "login":
        able = [one.id for one in world.entities.values() if not one.blocked]
        if not able:
            return model.Sender("unknown")
        who = rng.choice(able)
        owned = [one.label for one in world.certificates.values() if one.entity == who]
        key = rng.choice(owned) if owned and rng.random() < 0.4 else ""
        return model.Sender(how, who, who, own_key=rng.random() < 0.8, key=key)
    if how == "certificate":
        labels = [one.label for one in world.certificates.values() if one.policy is not None]
        alive = [label for label in labels if world.certificates[label].state == "active"]
        return model.Sender(how, rng.choice(alive if alive and rng.random() < 0.9 else labels))
    if how == "foreign":
        return model.Sender(how, rng.choice(sorted(world.foreign)))
    return model.Sender(how)


def _enrolment(rng: random.Random, world: model.World, asked: model.Request) -> model.Request:
    subject = rng.choice((*SUBJECTS, "CN=PUMP-1", "CN=somebody else"))
    if rng.random() < 0.08:
        subject = rng.choice((HOUSE_NAME, "CN=CMPD  issuing CA"))
    host = subject[3:].lower().replace(" ", "-")
    names: tuple[str, ...] = (f"{host}.example",) if rng.random() < 0.5 else ()
    own = world.certificates.get(asked.sender.who)
    if own is not None and rng.random() < 0.5:
        subject, names = own.subject, own.names
    keyless = asked.act != "p10cr" and rng.random() < 0.15
    vouched = asked.act != "p10cr" and not keyless and rng.random() < 0.25
    if asked.sender.how == "login" and asked.sender.key:
        asked = replace(asked, sender=replace(asked.sender, key=""))
    return replace(asked, subject=subject, names=names, vouched=vouched, keyless=keyless)


def _about(rng: random.Random, world: model.World, asked: model.Request) -> model.Request:
    labels = sorted(world.certificates)
    own = asked.sender.who if asked.sender.how == "certificate" else asked.sender.key
    target: str | None = rng.choice(labels)
    if own and rng.random() < 0.6:
        target = own
    if asked.act == "kur":
        if rng.random() < 0.3:
            target = None
        subject = world.certificates[target or own].subject if target or own else "CN=pump-1"
        keyless = rng.random() < 0.15
        return replace(asked, target=target, subject=subject, keyless=keyless)
    return replace(asked, target=target)
