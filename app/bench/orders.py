"""What the load generator is told, and what it hands back: JSON files between two processes."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Side = Literal["visitor", "agent"]


class Seat(Struct):
    """One socket to open.

    Attributes:
        port: of the server process.
        token: the visitor's token or the agent's ticket.
        side: whose it is.
        conversations: places in `Orders.conversations` that it takes part in.
    """

    port: int
    token: str
    side: Side
    conversations: list[int] = []


class Orders(Struct):
    """The generator's whole work.

    Attributes:
        seats: the sockets, in the order to open them.
        conversations: ids.
        rate: messages offered a second, over all conversations.
        in_flight: instead of a rate: so many messages of each conversation are always on their way.
        warm_s: seconds at that rate before the measurement.
        seconds: of the measurement.
        seed: of the arrival times.
        refuge: instead of talking: the port to come back to when the other server process dies.
    """

    seats: list[Seat]
    conversations: list[str]
    rate: float = 0
    in_flight: int = 0
    warm_s: float = 0
    seconds: float = 0
    seed: int = 0
    refuge: int = 0


class Said(Struct, array_like=True):
    """One message. `socket` is the place of its seat; `s` is 0 while no `ok` has come."""

    conversation: int
    socket: int
    s: int = 0


class Heard(Struct, array_like=True):
    """What one socket received of one conversation, in the order of arrival.

    Attributes:
        socket: the place of its seat.
        events: (sequence number, place of the message among all).
    """

    conversation: int
    socket: int
    events: list[tuple[int, int]]


class Diary(Struct):
    """What the generator saw.

    Attributes:
        said: all messages, by their place.
        warm: how many of them came before the measurement.
        heard: one entry for each socket and conversation, even if it heard nothing.
        retried: messages sent again because the server asked for it.
        busy_s: from the first measured message to the later of the schedule's end and the last acknowledgement.
        ack_ms, delivery_ms, late_ms: of measured messages. From the moment a message was due: until its `ok`, until
            the other side had it, until it was written to the socket.
    """

    said: list[Said]
    warm: int
    heard: list[Heard]
    retried: int
    busy_s: float
    ack_ms: list[float]
    delivery_ms: list[float]
    late_ms: list[float]


class Return(Struct):
    """What the generator saw of a loss.

    Attributes:
        spread_s: from the first attempt to come back to the last.
        handshake_ms: of each that came back: from the connection to the snapshot.
        refused: attempts that failed.
        caught_up_s: from the loss until everybody was back and had everything.
        missing: conversations whose visitor has not got the agent's message.
        doubled: messages that a visitor got again.
        unacknowledged: messages of agents without an `ok`.
    """

    spread_s: float
    handshake_ms: list[float]
    refused: int
    caught_up_s: float
    missing: int
    doubled: int
    unacknowledged: int


class Flooded(Struct):
    """What somebody who floods saw.

    Attributes:
        sent: messages.
        taken: those that were acknowledged.
        refused: those that were answered with an error.
        sent_away: sockets that the server closed.
    """

    sent: int = 0
    taken: int = 0
    refused: int = 0
    sent_away: int = 0
