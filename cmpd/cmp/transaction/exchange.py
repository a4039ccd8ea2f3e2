"""One request and its answer, as the rooms of `cmpd.cmp` hand them to each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cmpd.clm.model import Certificate, Entity, Transaction, TransactionRequest, TransactionState
from cmpd.cmp.parties import grants
from cmpd.cmp.parties.cells import Operation, Target
from cmpd.cmp.parties.conditions import Facts
from cmpd.cmp.parties.party import NOBODY, Party
from cmpd.cmp.transaction.issuing import Issuance
from cmpd.cmp.wire.failure import CMPFailure, FailInfo, PKIStatus
from cmpd.cmp.wire.message import Body, Message
from cmpd.records import quick_dataclass

if TYPE_CHECKING:
    from cmpd.clm.client import Client
    from cmpd.clm.configuration.catalog import ConfigSnapshot
    from cmpd.clm.issuance.compiled_policy import CompiledPolicy
    from cmpd.clm.store.changes import AdvanceTransaction, Change, OpenTransaction
    from cmpd.config import CMPConfig


@quick_dataclass(frozen=True, slots=True)
class TransportRequest:
    """A request as the transfer brings it."""

    body: bytes
    policy: str | None = None
    """The policy identifier the address names, as it stands there; None: the API client's default."""
    policy_name: str | None = None
    """The policy's name, where the address has that instead (RFC 9811, section 3.1)."""
    operation: str | None = None
    """The operation the address ends in (RFC 9483, section 6.1)."""
    entity: str | None = None
    """UUID of the end entity that HTTP Basic authentication proved."""
    peer: str = ""
    secure: bool = False
    """Whether the transfer is encrypted or does not leave the machine."""


@dataclass(slots=True)
class RequestLogEntry:
    """What a log line and the metrics say of one exchange."""

    peer: str = ""
    transaction: str = ""
    """transactionID in hexadecimal."""
    request: str = ""
    """The body's name in the ASN.1, empty where it could not be told."""
    response: str = ""
    entity: str = ""
    party: str = ""
    """Who asks, as the audit names actors, where it is not the end entity itself."""
    policy: str = ""
    status: str = ""
    """PKIStatus by name; empty where the response has none."""
    fail_info: str = ""
    text: str = ""
    """What the client was told was wrong."""
    detail: str = ""
    """What it was not told."""
    serial: str = ""
    retransmission: bool = False
    inner: list[RequestLogEntry] = field(default_factory=list)
    """What a nested message held, in its order."""
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds by phase: decode, verify, clm, sign, commit."""

    def each(self) -> Iterator[RequestLogEntry]:
        """This one, and after it what it held."""
        yield self
        for record in self.inner:
            yield from record.each()


@quick_dataclass(frozen=True, slots=True)
class TransportResponse:
    """The response's DER, and what there is to say of it."""

    body: bytes
    log_entry: RequestLogEntry


@quick_dataclass(frozen=True, slots=True)
class HandlerResult:
    """What a handler answers, before protection."""

    body: Body
    content: Any
    """Shaped as the body's raw view (`cmpd.cmp.wire.schema`)."""
    general_info: dict[str, bytes | None] = field(default_factory=dict)
    extra_certs: tuple[bytes, ...] = ()
    """Beside those that the protection needs."""
    state: TransactionState | None = None
    """Where the transaction goes; None: it is not remembered."""
    expires: int = 0
    """When that state is given up, in seconds since the epoch."""
    certificate: Certificate | None = None
    status: PKIStatus | None = None
    fail_info: FailInfo | None = None
    text: str = ""
    requests: tuple[TransactionRequest, ...] | None = None
    """The transaction's requests from now on; None: those there are, in the state `state`."""
    response: bytes | None = None
    """The response where it is complete already: that to the one message in a nested one."""


@quick_dataclass(frozen=True, slots=True)
class OuterMessage:
    """What a message came in, where an RA wrapped it in a nested one (RFC 9483, section 5.2.2)."""

    layer: int
    """1 for what an outermost nested message holds."""


Respond = Callable[["TransportRequest", "OuterMessage | None"], Awaitable["TransportResponse"]]
"""`cmpd.cmp.responder.Responder.respond`."""


@dataclass(slots=True)
class Exchange:
    """The working state of one request, from its decoding to its answer."""

    call: TransportRequest
    message: Message
    digest: bytes
    """SHA-256 of the message."""
    clm: Client
    settings: CMPConfig
    now: int
    log_entry: RequestLogEntry
    snapshot: ConfigSnapshot
    """The configuration that holds for this request."""
    compiled: CompiledPolicy
    respond: Respond
    """Answers what a nested message holds."""
    party: Party = NOBODY
    profile: str = ""
    """The certProfile that `served` was chosen by, of this message or the transaction's first."""
    transaction: Transaction | None = None
    """What the store holds under the message's transactionID."""
    issued: Certificate | None = None
    """The certificate of that transaction."""
    issuance: Issuance = field(default_factory=Issuance)
    """What issuers were asked for this message, whatever is tried again."""
    unit: list[Change] = field(default_factory=list)
    """What is committed before the answer leaves."""
    outer: OuterMessage | None = None
    """What the message came in. An RA that wraps a message says that it let it pass; the message stays
    its sender's, and has its sender's rights."""

    @property
    def transaction_id(self) -> bytes:
        """Checked to be there by `cmpd.cmp.transaction.header_checks`."""
        return self.message.header.transaction_id or b""

    @property
    def begun(self) -> Transaction:
        """The open transaction, where the state machine has let only its later messages through."""
        if self.transaction is None:
            raise CMPFailure(FailInfo.systemFailure, "internal error", detail="no transaction to go on with")
        return self.transaction

    @property
    def entity(self) -> Entity | None:
        return self.party.entity

    def require(self, operation: Operation, whom: Target, **facts: Any) -> None:
        """Returns where the party is granted it; `facts` are fields of `Facts`. Raises CMPFailure."""
        grants.require(operation, whom, Facts(self.party, self.compiled.policy, **facts))

    async def commit_claim(self, claim: OpenTransaction | AdvanceTransaction) -> None:
        """Commit what was collected so far together with a claim (`cmpd.cmp.transaction.memory.claim`), from
        which the transaction goes on. Raises Conflict, StoreUnavailable."""
        await self.clm.commit([*self.unit, claim])
        self.unit.clear()
        self.transaction = claim.transaction

    def refuse(self, failure: CMPFailure) -> None:
        """Undo what was collected and write the refusal down instead."""
        self.unit.clear()
        self.log_entry.detail = failure.detail
        outcome = failure.fail_info.name if failure.fail_info is not None else failure.status.name
        self.unit.append(
            self.clm.audited(
                self.party.actor,
                "request.refuse",
                f"transaction:{self.log_entry.transaction}",
                outcome,
                request=self.message.kind,
                text=failure.text,
            )
        )
