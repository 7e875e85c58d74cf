"""Who is at the other end of a connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from app.chat.conversations import Actor
from app.ids import ConversationId, SiteId, TeamId, VisitorId
from app.protocol.frames import Position
from app.routing.availability import Availability
from app.routing.wait import Told


@dataclass(slots=True)
class Guest:
    """A visitor. `conversation_id`, `gen` and `state` follow the one conversation they have.

    Attributes:
        team_id: whose line they are, or would be, in: the site's team, or the one that they were passed on to.
        home_team_id: the site's team.
        lane: where their conversation waits, or would: its team and skills.
        told: the wait that was announced last.
        choice: they have waited so long that they were asked whether they would rather leave a message.
    """

    id: VisitorId
    site_id: SiteId
    team_id: TeamId
    home_team_id: TeamId
    name: str | None
    conversation_id: ConversationId | None = None
    gen: int = -1
    state: str = "closed"
    lane: str = ""
    position: int | None = None
    told: Told | None = None
    choice: bool = False
    availability: Availability | None = None

    @property
    def sender(self) -> tuple[str, UUID, str | None]:
        return ("visitor", self.id, self.name)

    def knows(self, _: UUID) -> int:
        """Return the newest generation of their conversation that they were told."""
        return self.gen

    def learn(self, _: UUID, gen: int) -> None:
        """Their conversation is at least at this generation. What it is like then comes by itself."""
        self.gen = max(self.gen, gen)

    def now_at(self, gen: int, state: str) -> bool:
        """Take over a state unless a newer one is known. Returns whether it was taken over."""
        if gen < self.gen:
            return False
        self.gen, self.state = gen, state
        return True


@dataclass(slots=True)
class Host:
    """An agent, on one session.

    Attributes:
        mine: conversations active with them, followed by themselves.
        gens: the newest generation seen of each conversation that was ever theirs.
        pos: where their client stands in conversations that are not followed yet.
        watched: others that their console asked to follow.
        offers: of each conversation that was offered, the generation told last: the offer's, or of what came of it.
    """

    actor: Actor
    session_id: UUID
    team_ids: set[UUID]
    mine: set[UUID] = field(default_factory=set[UUID])
    pos: dict[UUID, Position] = field(default_factory=dict[UUID, Position])
    watched: set[UUID] = field(default_factory=set[UUID])
    gens: dict[UUID, int] = field(default_factory=dict[UUID, int])
    renewals: int = 0
    offers: dict[UUID, int] = field(default_factory=dict[UUID, int])

    @property
    def id(self) -> UUID:
        return self.actor.id

    def knows(self, conversation_id: UUID) -> int | None:
        """Return the newest generation of a conversation of theirs that they were told; None: it never was theirs."""
        return self.gens.get(conversation_id)

    def learn(self, conversation_id: UUID, gen: int) -> None:
        """A conversation of theirs is at least at this generation. What it is like then comes by itself."""
        self.gens[conversation_id] = max(gen, self.gens.get(conversation_id, 0))

    @property
    def sender(self) -> tuple[str, UUID, str | None]:
        return self.actor.sender
