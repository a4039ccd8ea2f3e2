"""What docs/security.md promises of who may do what, in this file's own terms: it imports nothing of cmpd's
and reads no table of its. Numbers in comments are those of the promises.

`judge` gives the verdict on a request: the cell it falls into (party, act, whom), and the failInfo names of
every promise that refuses it; none: it is to be granted.
"""

from __future__ import annotations

from tests.judge.model import (
    ENROLMENTS,
    REVOCATIONS,
    Certificate,
    Entity,
    Policy,
    RARow,
    Request,
    Sender,
    Verdict,
    World,
    compared,
)

QUESTIONS = ("genm", "template")
"""Whose certProfile chooses the policy that is asked about, not the one they are served under."""


def judge(world: World, request: Request) -> Verdict:
    """The verdict of the promises on a request."""
    address = named(world, request.address) if request.address is not None else None
    by_default = world.policies.get(world.default)
    base = address if request.address is not None else by_default
    policy = base
    if base is not None and request.profile and request.profile not in (base.name, base.id):
        policy = named(world, request.profile)
    unknown = base is None or policy is None
    trusting = base if request.act in QUESTIONS else None if unknown else policy
    party, row, standing = who_is(world, request.sender, trusting)
    act = "raVerified" if request.vouched and request.act in ENROLMENTS else request.act
    verdict = Verdict(party, act, "-", set(standing), policy)
    if standing:
        return verdict
    if request.sender.basic is not None and request.sender.basic != _entity_of(world, request.sender):
        verdict.refusals.add("notAuthorized")  # 2
        return verdict
    if _hidden(world, request, party, row, base, policy, verdict):
        return verdict
    assert policy is not None
    _acts(world, request, party, row, policy, verdict)
    return verdict


def named(world: World, identifier: str) -> Policy | None:
    found = (one for one in world.policies.values() if identifier in (one.id, one.name))
    return next(found, None)


def _entity_of(world: World, sender: Sender) -> str | None:
    if sender.how in ("password", "login"):
        return sender.who
    if sender.how == "certificate":
        entity = world.certificates[sender.who].entity
        return entity if entity in world.entities else None
    return world.foreign[sender.who].entity if sender.how == "foreign" else None


def ra_row(world: World, sender: Sender, policy: Policy | None) -> RARow | None:
    if policy is None or sender.how not in ("certificate", "foreign"):
        return None
    entity = _entity_of(world, sender) if sender.how == "certificate" else None
    for row in policy.ras:
        if sender.who in row.certificates or (entity is not None and entity in row.entities):
            return row
    return None


def who_is(world: World, sender: Sender, policy: Policy | None) -> tuple[str, RARow | None, set[str]]:
    """(party, row of an RA, why it is nobody in particular): what authentication comes to."""
    row = ra_row(world, sender, policy)
    entity = world.entities.get(_entity_of(world, sender) or "")
    if sender.how == "nothing":
        return "nobody", None, set()
    if sender.how == "unknown":
        return "nobody", None, {"signerNotTrusted"}
    if sender.how == "password":
        wrong = not sender.right_secret or entity is None or entity.blocked  # 1
        return "password", None, {"badMessageCheck"} if wrong else set()
    if sender.how == "login":
        trusted = policy is not None and policy.password_login
        trusted = trusted and entity is not None and policy is not None and policy.id in entity.policies
        return "login", None, set() if trusted else {"signerNotTrusted"}  # 5
    if sender.how == "certificate":
        return _holder(world.certificates[sender.who], entity, row)
    if row is not None:
        return "registration authority", row, set()
    vendor = world.foreign[sender.who].vendor
    if policy is None or vendor not in policy.anchors:
        return "vendor certificate", None, {"signerNotTrusted"}  # 5
    return ("newcomer" if entity is None else "vendor certificate"), None, set()


def _holder(
    certificate: Certificate, entity: Entity | None, row: RARow | None
) -> tuple[str, RARow | None, set[str]]:
    party = "unregistered certificate" if entity is None else "certificate"
    if row is not None:
        party = "registration authority"
    if certificate.state in ("revoked", "on_hold", "rejected"):
        return party, row, {"certRevoked"}  # 1
    if certificate.state == "unconfirmed" or certificate.expired:
        return party, row, {"signerNotTrusted"}
    if entity is not None and entity.blocked:
        return party, row, {"notAuthorized"}
    return party, row, set()


def uses(world: World, request: Request, party: str, row: RARow | None, policy: Policy) -> bool:
    """Whether the party may use a policy (4)."""
    entity = world.entities.get(_entity_of(world, request.sender) or "")
    given = entity is not None and not entity.blocked and policy.id in entity.policies
    match party:
        case "nobody":
            return True
        case "registration authority":
            return row in policy.ras
        case "unregistered certificate":
            return world.certificates[request.sender.who].policy == policy.id
        case "newcomer":
            return policy.auto_register and world.foreign[request.sender.who].vendor in policy.anchors
        case "vendor certificate":
            return given and world.foreign[request.sender.who].vendor in policy.anchors
        case "login":
            return given and policy.password_login
    return given


def _hidden(
    world: World,
    request: Request,
    party: str,
    row: RARow | None,
    base: Policy | None,
    policy: Policy | None,
    verdict: Verdict,
) -> bool:
    """Whether the policy is none for this party, with the refusal that says nothing of it (5)."""
    through_policy = party in ("login", "vendor certificate", "newcomer") or (
        party == "registration authority" and request.sender.how == "foreign"
    )
    if request.address is not None and (base is None or not uses(world, request, party, row, base)):
        verdict.refusals = {"signerNotTrusted" if through_policy and base is not None else "badRequest"}
        verdict.hidden = True
        return True
    if request.act in QUESTIONS and request.profile:
        if request.address is None and (base is None or not uses(world, request, party, row, base)):
            verdict.refusals = {"notAuthorized"}
            return True
        if policy is None or not uses(world, request, party, row, policy):
            spent = party in ("password", "login") and world.entities[request.sender.who].uses == 0
            verdict.refusals = {"badMessageCheck"} if spent else {"badRequest"}  # 3, before 5
            verdict.hidden = not spent
            return True
    if policy is None or (request.profile and not uses(world, request, party, row, policy)):
        verdict.refusals = {"signerNotTrusted" if through_policy and policy is not None else "badRequest"}
        verdict.hidden = True
        return True
    if not uses(world, request, party, row, policy):
        verdict.refusals = {"notAuthorized", "signerNotTrusted"} if party == "login" else {"notAuthorized"}
        return True
    return False


def _acts(
    world: World, request: Request, party: str, row: RARow | None, policy: Policy, verdict: Verdict
) -> None:
    entity = world.entities.get(_entity_of(world, request.sender) or "")
    spent = party in ("password", "login") and entity is not None and entity.uses == 0
    if spent and request.begins:
        verdict.refusals = {"badMessageCheck"}  # 3
        return
    if party == "nobody" and request.act not in ("genm", "template"):
        verdict.refusals = {"badMessageCheck"}
    elif request.act == "template":
        verdict.refusals = {"badMessageCheck"} if party == "nobody" else set()  # 16
    elif request.act == "nested":
        allowed = row is not None and "nest" in row.rights
        verdict.refusals = set() if allowed else {"notAuthorized"}  # 15
    elif request.act in ("certConf", "pollReq", "popdecr", "error"):
        began, sender = request.began, request.sender
        mine = began is not None and _known_by(began) == _known_by(sender)
        verdict.whom = "itself" if mine else "others"
        verdict.refusals = set() if mine else {"badMessageCheck"}  # 14
    elif request.act in ENROLMENTS:
        _enrols(world, request, party, row, policy, verdict)
    elif request.act == "kur":
        _updates(world, request, party, row, policy, verdict)
    elif request.act in REVOCATIONS.values():
        _revokes(world, request, party, row, policy, verdict)


def _known_by(sender: Sender) -> tuple[str, ...]:
    """What a transaction knows who began it by."""
    key = (sender.key, str(sender.own_key)) if sender.how == "login" else ()
    return (sender.how, sender.who, *key)


def _enrols(
    world: World, request: Request, party: str, row: RARow | None, policy: Policy, verdict: Verdict
) -> None:
    refusals = verdict.refusals
    verdict.whom = "its end entity"
    sender_entity = _entity_of(world, request.sender)
    verdict.entity = sender_entity
    if party == "password" and not policy.password_enrolment:
        refusals.add("wrongIntegrity")  # 6
    if party == "login" and not request.sender.own_key:
        refusals.add("notAuthorized")  # 6
    if party == "newcomer":
        verdict.entity = "new"
    if party == "unregistered certificate":
        own = world.certificates[request.sender.who]
        same = compared(own.subject) == compared(request.subject) and set(own.names) == set(request.names)
        verdict.whom, verdict.entity = ("itself" if same else "others"), None
        if not same or not policy.certificate_enrolment:
            refusals.add("notAuthorized")  # 6
    if party == "registration authority":
        assert row is not None
        verdict.whom = "others"
        found = world.entity_of_subject(request.subject)
        verdict.entity = found.id if found is not None else "new" if policy.register else None
        if "enrol" not in row.rights or not row.covers(request.subject, request.names):
            refusals.add("notAuthorized")  # 7
        if found is not None and (found.blocked or policy.id not in found.policies):
            refusals.add("notAuthorized")  # 7
    if request.vouched and (row is None or "raVerified" not in row.rights):
        refusals.add("notAuthorized")  # 8
    if request.keyless:
        _key_generation(party, policy, refusals)
    if compared(request.subject) in world.cas:
        refusals.add("notAuthorized")  # 11
        verdict.whom = "CAs"


def _key_generation(party: str, policy: Policy, refusals: set[str]) -> None:
    if party in ("login", "registration authority", "nobody"):
        refusals.add("notAuthorized")  # 9
    elif not policy.central_key_generation:
        refusals.add("badCertTemplate")  # 9


def _updates(
    world: World, request: Request, party: str, row: RARow | None, policy: Policy, verdict: Verdict
) -> None:
    refusals = verdict.refusals
    own = request.sender.how == "certificate" and request.target in (None, request.sender.who)
    verdict.whom = "itself" if own else "others"
    if request.keyless:
        _key_generation(party, policy, refusals)
    if party == "password":
        refusals.add("wrongIntegrity")  # 10
    elif party in ("login", "vendor certificate", "newcomer"):
        refusals.add("notAuthorized")
    elif party != "registration authority":
        verdict.entity = _entity_of(world, request.sender)
        if not own:
            refusals.add("badCertId")
        elif compared(world.certificates[request.sender.who].subject) in world.cas:
            verdict.whom = "CAs"  # 11
            refusals.add("notAuthorized")
    elif own:
        entity = _entity_of(world, request.sender)
        verdict.entity = entity
        at_home = world.certificates[request.sender.who].policy == policy.id
        if not (policy.id in world.entities[entity].policies if entity is not None else at_home):
            refusals.add("notAuthorized")  # 4
        elif compared(world.certificates[request.sender.who].subject) in world.cas:
            refusals.add("notAuthorized")  # 11
    else:
        _ra_updates(world, request, row, policy, verdict)


def _ra_updates(world: World, request: Request, row: RARow | None, policy: Policy, verdict: Verdict) -> None:
    assert row is not None
    if request.target is None:
        verdict.refusals.add("notAuthorized")
        return
    target = world.certificates[request.target]
    if target.policy is None or compared(target.subject) in world.cas:
        verdict.whom = "CAs"
        verdict.refusals.add("notAuthorized")
    found = world.entities.get(target.entity or "")
    if found is None and target.entity is None:
        found = world.entity_of_subject(target.subject)
    verdict.entity = found.id if found is not None else None
    covered = target.policy == policy.id and row.covers(target.subject, target.names)
    usable = found is None or (not found.blocked and policy.id in found.policies)
    if "update" not in row.rights or not covered or not usable:
        verdict.refusals.add("notAuthorized")  # 10
    if target.state != "active" or target.expired:
        verdict.refusals |= {"certRevoked", "badCertId"}


def _revokes(
    world: World, request: Request, party: str, row: RARow | None, policy: Policy, verdict: Verdict
) -> None:
    refusals = verdict.refusals
    target = world.certificates[request.target or ""]
    own = request.sender.how == "certificate" and request.target == request.sender.who
    entity = _entity_of(world, request.sender)
    ours = target.entity is not None and target.entity == entity and party != "registration authority"
    own = own or (party == "login" and ours and request.sender.key == request.target)
    verdict.whom = "itself" if own else "its end entity" if ours else "others"
    if target.policy is None and not own:
        verdict.whom = "CAs"
        refusals.add("notAuthorized")  # 12
    elif own:
        pass
    elif party == "password" and ours:
        issued_under = world.policies.get(target.policy or "")
        both = policy.password_revocation and (issued_under is None or issued_under.password_revocation)
        if not both:
            refusals.add("wrongIntegrity")  # 12
    elif party == "registration authority":
        right = {"rr": "revoke", "hold": "hold", "release": "release"}[request.act]
        covered = row is not None and row.covers(target.subject, target.names)
        if row is None or right not in row.rights or target.policy != policy.id or not covered:
            refusals.add("notAuthorized")  # 12
    else:
        refusals.add("notAuthorized")  # 12
    if request.act == "release" and not refusals and target.state == "on_hold":
        holder = target.held_by
        below = holder is not None and holder.startswith(("entity:", "certificate:"))
        mine = holder is not None and holder in (f"entity:{entity}", f"ra:{row.name}" if row else "")
        if not (mine or (below and row is not None)):
            refusals.add("notAuthorized")  # 13
    possible = {
        "rr": ("active", "unconfirmed", "on_hold"),
        "hold": ("active",),
        "release": ("on_hold",),
    }
    if not refusals and target.state not in possible[request.act]:
        refusals.add("certRevoked")
