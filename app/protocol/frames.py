"""Every frame on the wire, both ways. The twin of docs/protocol.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

Id = Annotated[int, Meta(ge=1, le=2**53)]
Seq = Annotated[int, Meta(ge=0, le=2**53)]
Gen = Annotated[int, Meta(ge=0, le=2**53)]
Lane = Literal["public", "internal"]
Short = Annotated[str, Meta(max_length=200)]
Address = Annotated[str, Meta(max_length=320)]
Url = Annotated[str, Meta(max_length=2000)]


class Command(Struct, tag_field="t", forbid_unknown_fields=True, kw_only=True):
    """A frame from the client."""


class Numbered(Command):
    """A command that is answered by one `ok` or `err` with its `id`."""

    id: Id


class Body(Struct, forbid_unknown_fields=True):
    """The content of a message; `canned` names the canned reply it was made from."""

    text: str
    canned: UUID | UnsetType = UNSET


class Page(Struct, forbid_unknown_fields=True):
    """A page of the site that the visitor is on."""

    url: Url
    title: Short = ""


class Position(Struct, forbid_unknown_fields=True):
    """The highest sequence numbers a client has applied in one conversation."""

    public: Seq | UnsetType = UNSET
    internal: Seq | UnsetType = UNSET


class Hello(Numbered, tag="hello"):
    token: Annotated[str, Meta(max_length=4096)]
    caps: Annotated[list[Short], Meta(max_length=20)] = []
    pos: dict[UUID, Position] = {}


class Pong(Command, tag="pong"):
    pass


class Send(Numbered, tag="send"):
    c: UUID
    m: UUID
    body: Body


class Note(Numbered, tag="note"):
    c: UUID
    m: UUID
    body: Body


class Read(Numbered, tag="read"):
    c: UUID
    s: Seq


class Typing(Numbered, tag="typing"):
    c: UUID
    on: bool


class Sync(Numbered, tag="sync"):
    c: UUID
    lane: Lane
    after: Seq | None = None
    before: Seq | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 200


class Start(Numbered, tag="start"):
    name: Short | None = None
    email: Address | None = None
    page: Page | None = None
    language: Short | None = None


class LeaveMessage(Numbered, tag="leave_message"):
    m: UUID
    email: Address
    body: Body
    name: Short | None = None
    phone: Annotated[str, Meta(max_length=40)] | None = None
    instead: Annotated[int, Meta(ge=1, le=2**31)] | None = None


class Leave(Numbered, tag="leave"):
    c: UUID


class End(Numbered, tag="end"):
    c: UUID


class Rate(Numbered, tag="rate"):
    c: UUID
    score: Annotated[int, Meta(ge=1, le=5)]
    comment: str | None = None


class PageChange(Numbered, tag="page"):
    url: Url
    title: Short = ""


class OfferAccept(Numbered, tag="offer.accept"):
    c: UUID
    gen: Gen


class OfferDecline(Numbered, tag="offer.decline"):
    c: UUID
    gen: Gen


class Status(Numbered, tag="status"):
    accept: bool


class Claim(Numbered, tag="claim"):
    c: UUID
    gen: Gen


class CloseConversation(Numbered, tag="close"):
    c: UUID
    gen: Gen


class Reopen(Numbered, tag="reopen"):
    c: UUID
    gen: Gen


class Transfer(Numbered, tag="transfer"):
    c: UUID
    gen: Gen
    agent: UUID | None = None
    team: UUID | None = None
    note: str = ""


class TakeOver(Numbered, tag="takeover"):
    c: UUID
    gen: Gen


class Assign(Numbered, tag="assign"):
    c: UUID
    gen: Gen
    agent: UUID


class Done(Numbered, tag="done"):
    c: UUID


class Watch(Numbered, tag="watch"):
    c: UUID
    pos: Position | None = None


class Unwatch(Numbered, tag="unwatch"):
    c: UUID


EveryoneCommand = Hello | Pong | Send | Read | Typing | Sync
VisitorCommand = Start | LeaveMessage | Leave | End | Rate | PageChange
AgentCommand = (
    OfferAccept
    | OfferDecline
    | Status
    | Claim
    | CloseConversation
    | Reopen
    | Transfer
    | TakeOver
    | Assign
    | Done
    | Note
    | Watch
    | Unwatch
)
AnyCommand = EveryoneCommand | VisitorCommand | AgentCommand


class Reply(Struct, tag_field="t", kw_only=True, omit_defaults=True):
    """A frame from the server."""


class Ok(Reply, tag="ok"):
    id: int
    s: int | UnsetType = UNSET
    at: int | UnsetType = UNSET
    dup: bool | UnsetType = UNSET
    c: UUID | UnsetType = UNSET
    gen: int | UnsetType = UNSET
    conversation: dict[str, Any] | UnsetType = UNSET
    head: dict[str, Any] | int | UnsetType = UNSET
    events: list[Raw] | UnsetType = UNSET
    more: bool | UnsetType = UNSET


class Err(Struct, tag_field="t", tag="err", kw_only=True, omit_defaults=True):
    id: int | None
    code: str
    message: str
    retry: bool = False
    after_ms: int | UnsetType = UNSET
    field: str | UnsetType = UNSET


class From(Struct):
    """Who did it. `name` is the name at that time; null for visitors who gave none, and for the system."""

    kind: Literal["visitor", "agent", "system"]
    id: UUID
    name: str | None = None


class Ev(Struct, tag_field="t", tag="ev", kw_only=True, rename={"from_": "from"}):
    c: UUID
    lane: Lane
    s: int
    kind: str
    m: UUID
    from_: From
    at: int
    data: Any


class Eph(Struct, tag_field="t", tag="eph", kw_only=True, rename={"from_": "from"}):
    c: UUID
    kind: Literal["typing", "read", "presence", "page"]
    from_: From
    data: dict[str, Any]


class Gap(Reply, tag="gap"):
    c: UUID
    lane: Lane
    have: int
    head: int


class Queue(Reply, tag="queue"):
    c: UUID
    position: int
    wait: tuple[int, int] | None = None
    choice: bool = False


class Available(Struct, tag_field="t", tag="available"):
    available: bool
    opens_at: int | None
    full: bool


class Offer(Reply, tag="offer"):
    c: UUID
    gen: int
    mode: str
    ttl_ms: int
    head: dict[str, Any]


class OfferGone(Reply, tag="offer.gone"):
    c: UUID
    gen: int
    reason: Literal["expired", "declined", "left"]


class HeadChanged(Reply, tag="head"):
    head: dict[str, Any]


class Me(Reply, tag="me"):
    me: dict[str, Any]


class Ping(Reply, tag="ping"):
    spread_ms: int


class Reconnect(Reply, tag="reconnect"):
    after_ms: int
