"""Sends requests to a court, and holds what comes of them against the promises."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography import x509

from cmpd.cmp.wire import schema
from tests import cmpclient
from tests.clm import pki
from tests.cmpclient import requests as bodies
from tests.judge import model, oracle, requests
from tests.judge.worlds import Court, Outcome

NEW_KEY = pki.key("P-256", 400)
CA_CERTS, TEMPLATE = "1.3.6.1.5.5.7.4.17", "1.3.6.1.5.5.7.4.19"
CERT_PROFILE = "1.3.6.1.5.5.7.4.21"
IMPLICIT_CONFIRM = "1.3.6.1.5.5.7.4.13"
REASONS = {"rr": 1, "hold": 6, "release": 8}
RESPONSES = {"ir": "ip", "cr": "cp", "p10cr": "cp", "kur": "kup"}
LATER: dict[str, Callable[[x509.Certificate, int], Any]] = {
    "certConf": lambda made, number: bodies.confirmation(made, cert_req_id=number),
    "error": lambda made, number: bodies.error("no"),
    "pollReq": lambda made, number: bodies.poll_request(number),
    "popdecr": lambda made, number: bodies.challenge_response(1),
}
A_WORLD = 40
"""Requests that one world gets."""

Cell = tuple[str, str, str]
"""Party, act, whom."""


Fits = Callable[[model.Request, model.Verdict], bool]


class Finding(AssertionError):
    """Somebody got what was not given to them, or did not get what was."""


@dataclass
class Judge:
    court: Court
    rng: random.Random
    base: model.World = field(default_factory=model.World)
    """The people of all worlds."""
    aimed: Cell | None = None
    """The cell that later messages of a transaction are to come to."""
    granted: Counter[Cell] = field(default_factory=Counter)
    refused: Counter[Cell] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        if not self.base.certificates:
            self.base = self.court.model

    @property
    def requests(self) -> int:
        return self.granted.total() + self.refused.total()

    def run(self, count: int, a_world: int = A_WORLD) -> None:
        """Send so many requests, `a_world` of them in each world. Raises Finding."""
        end = self.requests + count
        while self.requests < end:
            self.court.set_up(requests.world(self.rng, self.base))
            for _ in range(a_world):
                self.one(requests.request(self.rng, self.court.model))

    def aim(self, cell: Cell, fits: Fits, most: int) -> int:
        """Send up to `most` requests that fit, or whose later messages come to the cell, and give how many
        there were. Raises Finding."""
        sent = 0
        self.aimed = cell if cell[1] in LATER else None
        for _ in range(most):
            self.court.set_up(requests.world(self.rng, self.base))
            for _ in range(300):
                asked = requests.request(self.rng, self.court.model)
                if fits(asked, oracle.judge(self.court.model, asked)):
                    self.one(asked)
                    sent += 1
            if sent >= most:
                break
        self.aimed = None
        return sent

    def one(self, asked: model.Request) -> None:
        """Send one request, and what follows on it. Raises Finding."""
        world = self.court.model
        verdict = oracle.judge(world, asked)
        transaction, outcome = self._send(asked, asked.address)
        self._hold(asked, verdict, outcome)
        if verdict.hidden and asked.address is not None:
            self._reads_as_unknown(asked, outcome)
        if verdict.granted:
            self._note(asked, verdict, outcome)
            if outcome.made and asked.act in RESPONSES and not _implicit(asked):
                self._go_on(asked, transaction, outcome)

    # Sending

    def _send(self, asked: model.Request, address: str | None) -> tuple[cmpclient.Transaction, Outcome]:
        call = self._call(asked, address)
        client = self.court.world.client(self.court.protection(asked.sender, NEW_KEY), call=call)
        transaction = client.begin(general_info=_general_info(asked))
        body = transaction.compose(self._body(asked))
        outcome = self.court.send(body, call)
        return transaction, outcome

    def _call(self, asked: model.Request, address: str | None) -> dict[str, Any]:
        call: dict[str, Any] = {"entity": asked.sender.basic} if asked.sender.basic else {}
        if address is not None:
            call["policy" if len(address) == 36 else "policy_name"] = address
        return call

    def _body(self, asked: model.Request) -> Any:
        match asked.act:
            case "genm":
                return bodies.general_message(CA_CERTS)
            case "template":
                return bodies.general_message(TEMPLATE)
            case "nested":
                inner = self.court.world.client(None).begin().compose(bodies.general_message(CA_CERTS))
                return bodies.nested(inner)
            case "p10cr":
                return bodies.pkcs10(NEW_KEY, asked.subject, extensions=_san(asked.names))
            case "rr" | "hold" | "release":
                target = self.court.certificates[asked.target or ""]
                return bodies.revocation(target.issuer, target.serial_number, REASONS[asked.act])
        fields: dict[str, Any] = {"extensions": _san(asked.names)} if asked.names else {}
        if asked.act == "kur" and asked.target is not None:
            fields["controls"] = bodies.old_certificate(self.court.certificates[asked.target])
        if asked.vouched:
            fields["proof"] = ("raVerified", None)
        if asked.keyless:
            return (asked.act, [bodies.certificate_request(None, asked.subject, proof=None, **fields)])  # type: ignore[arg-type]
        return (asked.act, [bodies.certificate_request(NEW_KEY, asked.subject, **fields)])

    # Judging

    def _hold(self, asked: model.Request, verdict: model.Verdict, outcome: Outcome) -> None:
        cell = (verdict.party, verdict.act, verdict.whom)
        (self.granted if verdict.granted else self.refused)[cell] += 1
        if not verdict.granted:
            if outcome.made or outcome.moved:
                raise self._finding(asked, verdict, outcome, "it came to something")
            if outcome.fail_info not in verdict.refusals:
                raise self._finding(asked, verdict, outcome, "another refusal is due")
            return
        if outcome.fail_info:
            raise self._finding(asked, verdict, outcome, "it was refused")
        wanted = 1 if asked.act in RESPONSES else 0
        if len(outcome.made) != wanted:
            raise self._finding(asked, verdict, outcome, f"{wanted} certificates are due")
        if wanted:
            self._check_certificate(asked, verdict, outcome)
        self._check_moves(asked, verdict, outcome)

    def _check_certificate(self, asked: model.Request, verdict: model.Verdict, outcome: Outcome) -> None:
        _, der, entity, policy, subject, requested_by = outcome.made[0]
        made = x509.load_der_x509_certificate(der)
        assert verdict.policy is not None
        known = {*self.court.model.entities, None}
        as_promised = entity not in known if verdict.entity == "new" else entity == verdict.entity
        if not as_promised:
            raise self._finding(asked, verdict, outcome, f"it is {entity}'s")
        if policy != verdict.policy.id or model.compared(subject) != model.compared(asked.subject):
            raise self._finding(asked, verdict, outcome, f"it is for {subject} under {policy}")
        constraints = [one for one in made.extensions if isinstance(one.value, x509.BasicConstraints)]
        usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
        if any(one.value.ca for one in constraints) or usage.key_cert_sign:
            raise self._finding(asked, verdict, outcome, "it is a CA's")
        if not (requested_by or "").startswith(self._actor(asked, verdict)):
            raise self._finding(asked, verdict, outcome, f"{requested_by} is said to have asked")

    def _actor(self, asked: model.Request, verdict: model.Verdict) -> str:
        if verdict.party == "registration authority":
            row = oracle.ra_row(self.court.model, asked.sender, verdict.policy)
            return f"ra:{row.name}" if row is not None else "?"
        if verdict.party == "unregistered certificate":
            return f"certificate:issuing-1/{self.court.issued[asked.sender.who].serial:x}"
        return "cert:" if verdict.party == "newcomer" else f"entity:{verdict.entity}"

    def _check_moves(self, asked: model.Request, verdict: model.Verdict, outcome: Outcome) -> None:
        due: dict[str, str] = {}
        if asked.act in REASONS and asked.target is not None:
            due = {asked.target: {"rr": "revoked", "hold": "on_hold", "release": "active"}[asked.act]}
        moved = {label: after for label, (_, after) in outcome.moved.items()}
        if moved != due:
            raise self._finding(asked, verdict, outcome, f"{due} is due")

    def _reads_as_unknown(self, asked: model.Request, outcome: Outcome) -> None:
        """A policy that the sender may not use reads as one that does not exist (5)."""
        _, there = self._send(replace(asked, address=requests.UNKNOWN[0]), requests.UNKNOWN[0])
        base = oracle.named(self.court.model, asked.address or "")
        if asked.profile and base is not None and outcome.text.startswith("certProfile"):
            return  # of an address that is the sender's to use: the profile alone is unknown
        if (there.kind, there.fail_info, there.text) != (outcome.kind, outcome.fail_info, outcome.text):
            raise Finding(f"{asked}: {outcome} tells that the policy is there; else {there}")

    def _note(self, asked: model.Request, verdict: model.Verdict, outcome: Outcome) -> None:
        """Let the oracle's world go on as what was granted made it."""
        world = self.court.model
        if asked.act in REASONS and asked.target is not None:
            target = world.certificates[asked.target]
            target.state = outcome.moved[asked.target][1]
            if target.state == "on_hold":
                target.held_by = self._holder(asked, verdict)
        sender = world.entities.get(asked.sender.who)
        if verdict.party in ("password", "login") and asked.act in model.ENROLMENTS and sender is not None:
            sender.uses = sender.uses and sender.uses - 1
        if verdict.entity == "new" and outcome.made:
            assert verdict.policy is not None
            made = model.Entity(outcome.made[0][2], frozenset({verdict.policy.id}))
            world.entities[made.id] = made
            if verdict.party == "newcomer":
                world.foreign[asked.sender.who].entity = made.id
            else:
                world.by_subject[model.compared(asked.subject)] = made.id

    def _holder(self, asked: model.Request, verdict: model.Verdict) -> str:
        entity = self.court.model.certificates[asked.target or ""].entity
        return (
            f"entity:{entity}"
            if verdict.party in ("password", "login", "certificate")
            else self._actor(asked, verdict)
        )

    # What follows

    def _go_on(self, asked: model.Request, transaction: cmpclient.Transaction, outcome: Outcome) -> None:
        """A later message of the transaction: of who began it, or of somebody else."""
        later = self._later(asked)
        act, verdict = later.act, oracle.judge(self.court.model, later)
        made = x509.load_der_x509_certificate(outcome.made[0][1])
        row = self.court.world.run(self.court.world.store.transaction(transaction.transaction_id))
        assert row is not None
        transaction.server_nonce = row.server_nonce
        body = LATER[act](made, -1 if asked.act == "p10cr" else 0)
        protection = self.court.protection(later.sender, NEW_KEY)
        answer = self.court.send(
            transaction.compose(body, protection=protection), self._call(later, later.address)
        )
        cell = (verdict.party, verdict.act, verdict.whom)
        (self.granted if verdict.granted else self.refused)[cell] += 1
        # Nothing waits here, and nothing was challenged: whoever may ask for that is told so.
        due = {"badRequest"} if act in ("pollReq", "popdecr") else {""}
        if answer.fail_info not in (due if verdict.granted else verdict.refusals):
            raise self._finding(later, verdict, answer, "another end of the transaction is due")

    def _later(self, asked: model.Request) -> model.Request:
        """A later message at random; where one is aimed at, of somebody who comes to that cell."""
        later = replace(asked, began=asked.sender, vouched=False, keyless=False, names=())
        for _ in range(200 if self.aimed is not None else 1):
            act = self.rng.choice(tuple(LATER))
            mine = self.rng.random() < 0.5
            who = asked.sender if mine else requests.sender(self.rng, self.court.model)
            if who.how == "unknown":
                continue
            made = replace(later, act=act, sender=who)
            verdict = oracle.judge(self.court.model, made)
            if self.aimed in (None, (verdict.party, verdict.act, verdict.whom)):
                return made
        return replace(later, act="error")

    def _finding(self, asked: model.Request, verdict: model.Verdict, outcome: Outcome, why: str) -> Finding:
        world = self.court.model
        policy = verdict.policy
        about = {
            "asked": asked,
            "verdict": (verdict.party, verdict.act, verdict.whom, sorted(verdict.refusals), verdict.entity),
            "outcome": (
                outcome.kind,
                outcome.fail_info,
                outcome.text,
                [one[2:] for one in outcome.made],
                outcome.moved,
            ),
            "policy": policy,
            "sender": world.certificates.get(asked.sender.who) or world.foreign.get(asked.sender.who),
            "entity": world.entities.get(asked.sender.who),
            "target": world.certificates.get(asked.target or ""),
            "by subject": world.by_subject,
        }
        lines = "\n".join(f"  {name}: {value}" for name, value in about.items())
        return Finding(f"{why}\n{lines}")

    def table(self) -> str:
        """Grants and refusals of each cell."""
        cells = sorted({*self.granted, *self.refused})
        return "\n".join(
            f"{cell[0]:<26}{cell[1]:<12}{cell[2]:<16}{self.granted[cell]:>9}{self.refused[cell]:>9}"
            for cell in cells
        )


def _implicit(asked: model.Request) -> bool:
    return asked.profile != ""


def _general_info(asked: model.Request) -> dict[str, bytes]:
    info: dict[str, bytes] = {}
    if asked.profile:
        info[CERT_PROFILE] = schema.encode("CertProfileValue", [asked.profile])
    if asked.act in RESPONSES and _implicit(asked):
        info[IMPLICIT_CONFIRM] = b"\x05\x00"
    return info


def _san(names: tuple[str, ...]) -> Any:
    return [x509.SubjectAlternativeName([x509.DNSName(one) for one in names])] if names else ()
