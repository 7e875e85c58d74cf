"""Wiring: the parts of one server process, and the ASGI application made of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import structlog
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from sqlalchemy import text

from app import retention
from app.canned import routes as canned_routes
from app.chat import routes as chat_routes
from app.chat.journal import Draft, Journal, Outcome
from app.chat.wire import draft_frame, encode
from app.errors import DeskbellError
from app.events import Event
from app.gateway import heartbeat, long_poll, visitor_session
from app.gateway.comings import Comings
from app.gateway.connection import Connection
from app.gateway.desk import Desk
from app.gateway.endpoint import Endpoint
from app.gateway.fanout import Fanout
from app.gateway.following import Following
from app.gateway.heartbeat import Pulse
from app.gateway.hub import Hub
from app.gateway.previews import Previews
from app.gateway.reception import Reception
from app.gateway.roster import Roster
from app.gateway.switchboard import Switchboard
from app.gateway.tail_check import TailCheck
from app.gateway.throttle import Allowances, Pace
from app.gateway.waiting_room import WaitingRoom
from app.identity import routes as identity_routes
from app.identity.origins import own_origins
from app.ids import GatewayId, uuid7
from app.infra.background import Background
from app.infra.bus import Bus
from app.infra.database import Database
from app.infra.gate import Gate
from app.infra.headcount import Headcount, Proxies
from app.infra.jobs.runner import Handler, JobRunner
from app.infra.keys import Keys
from app.infra.limits import Limits
from app.infra.mail import MailServer
from app.infra.presence import Kind
from app.infra.redis import connect
from app.infra.redis_places import Places
from app.infra.turns import Turns
from app.infra.work import WorkUnits
from app.letters import promises
from app.letters.answers import AnswersLetter, AnswersWatch
from app.letters.left_message import LeftMessageLetter
from app.pages import admin, assets, console, demo, problems, widget
from app.pages.edge import Edge
from app.protocol.codes import Close
from app.protocol.frames import Reconnect
from app.reactions import Reactions
from app.routing import routes as routing_routes
from app.routing.queue import Queue
from app.settings import Settings
from app.sweeper import Sweeper

log = structlog.get_logger()

COMMANDS_AT_ONCE, PAIRINGS_AT_ONCE, ARRIVALS_AT_ONCE = 2, 4, 1
"""Units of work that a process carries out at the same time. It has one processor: more would not be done sooner, only
each of them later. Pairing, and telling of it, comes before what people in chats ask for, and that before who comes."""
DRAIN_S = 8.0
"""Seconds over which a leaving process sends its sockets away."""


class Deskbell:
    """One server process: an ASGI application and the tasks behind it.

    Args:
        settings: complete, with addresses of Postgres and Redis and a secret key.
        pulse: of the sockets.
    """

    def __init__(self, settings: Settings, pulse: Pulse | None = None) -> None:
        self._settings = settings
        self._pulse = pulse or Pulse()
        self.gateway_id = GatewayId(uuid7())
        keys = Keys(settings.redis_prefix)
        self.background = Background()
        self.reactions = Reactions(self.background)
        self.database = Database(settings.database_url, settings.database_pool_size)
        self.lease_database = Database(settings.database_url, 1)
        self.lease_work = WorkUnits(self.lease_database, self.reactions)
        promise = promises.LetterPromises(settings.mail_gather_seconds) if settings.mail_url else None
        self.work = WorkUnits(
            self.database, self.reactions, promise=promise, trouble=self._trouble, gate=Gate(COMMANDS_AT_ONCE)
        )
        pairing_work = self.work.through(Gate(PAIRINGS_AT_ONCE))
        # With them goes what is looked after meanwhile.
        arrivals = self.work.through(Gate(ARRIVALS_AT_ONCE))
        places = Places(settings.redis_url)
        self.redis = connect(places)
        self.limits = Limits(self.redis, keys.limit(""))
        self.queue = Queue(self.redis, keys, pairing_work)
        self.hub = Hub(self._missed, self._heard, lambda team_id: self.waiting_room.moved(team_id))
        self.bus = Bus(places, keys, self.gateway_id.hex[-12:], self.hub.receive, self._bus_recovered)
        self.hub.use(self.bus)
        self.following = Following(self.hub, arrivals)
        self.waiting_room = WaitingRoom(self.hub, self.queue, arrivals)
        self.roster = Roster(self.gateway_id, arrivals, self._present)
        self.previews = Previews(self.hub, arrivals, self.background)
        self.comings = Comings(self.hub, arrivals, self.background, self.previews)
        self.journal = Journal(self.database.raw, self._publish)
        self.tail_check = TailCheck(self.hub, self.following, arrivals)
        self.sweeper = Sweeper(
            arrivals,
            self.queue,
            Turns(self.redis, keys),
            self.gateway_id,
            self.roster.may_bury,
            lambda visitor_id: self._present(visitor_id, "visitor", False),
            self.waiting_room.look_around,
        )
        self.jobs = self._job_runner()
        self.reactions.connect(self.hub, self.queue, pairing_work)
        secret = settings.secret_key.encode()
        per_s = settings.visitor_messages_per_minute / 60
        self.desk = Desk(
            work=self.work,
            arrivals=arrivals,
            journal=self.journal,
            hub=self.hub,
            queue=self.queue,
            reception=Reception(arrivals),
            roster=self.roster,
            waiting_room=self.waiting_room,
            secret=secret,
            own_origins=own_origins(settings.public_url, settings.console_origins),
            allowances=Allowances(
                Pace(
                    visitor_messages_per_s=per_s,
                    agent_messages_per_s=max(10, per_s),
                    frames_per_s=max(20, per_s * 2),
                )
            ),
            background=self.background,
            limits=self.limits,
            addresses=Headcount(settings.connections_per_address, Proxies(settings.forwarded_allow_ips)),
            most_sockets=settings.connections,
            polls=asyncio.Semaphore(settings.connections // 4),
        )
        self.fanout = Fanout(self.desk, self.following)
        self.switchboard = Switchboard(self.desk, self.following)
        self.endpoint = Endpoint(self.desk, self.switchboard)
        self._tasks: list[asyncio.Task[None]] = []
        self.web = FastAPI(title="Deskbell", lifespan=self._lifespan, docs_url=None, redoc_url=None, openapi_url=None)
        self.web.state.settings = settings
        self.web.state.work = self.work
        self.web.state.redis = self.redis
        self.web.state.secret = secret
        self.web.state.desk = self.desk
        self.web.state.switchboard = self.switchboard
        self.web.state.draining = lambda: self.endpoint.draining
        self.web.state.limits = self.limits
        for router in (
            identity_routes.router,
            canned_routes.router,
            chat_routes.router,
            routing_routes.router,
            visitor_session.router,
            long_poll.router,
            admin.router,
            console.router,
            widget.router,
            demo.router,
            assets.router,
        ):
            self.web.include_router(router)
        self.web.add_middleware(Edge)
        problems.install(self.web)
        self.web.add_api_route("/healthz", self._healthz, methods=["GET"])
        self.web.add_api_route("/readyz", self._readyz, methods=["GET"])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Sockets go straight to the gateway: FastAPI would cost each message a tenth more."""
        if scope["type"] == "websocket":
            await self.endpoint(scope, receive, send)
        else:
            await self.web(scope, receive, send)

    async def drain(self) -> None:
        """Send every socket away, each in its own slot, after its messages were committed."""
        self.jobs.leave()
        self.endpoint.draining = True
        connections = list(self.hub.connections)
        await asyncio.gather(*(self._send_away(connection) for connection in connections))
        await self.journal.drained()

    async def _send_away(self, connection: Connection) -> None:
        slot_s = random.uniform(0, DRAIN_S if len(self.hub.connections) > 50 else 1)
        connection.push(encode(Reconnect(after_ms=round(slot_s * 1000))))
        await asyncio.sleep(slot_s)
        while connection.in_flight:  # noqa: ASYNC110 - an event for each connection would cost memory all day
            await asyncio.sleep(0.01)
        connection.close(Close.DRAINING)

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncGenerator[None]:
        self.bus.start()
        self.journal.start()
        self.sweeper.start()
        self.jobs.start()
        self._tasks = [
            asyncio.create_task(
                self.roster.heartbeat_forever(WorkUnits(self.lease_database, self.reactions)), name="roster"
            ),
            asyncio.create_task(self.tail_check.run_forever(), name="tail_check"),
            asyncio.create_task(heartbeat.beat_forever(self.hub, self._pulse), name="heartbeat"),
        ]
        log.info("started", gateway=str(self.gateway_id))
        yield
        await self.jobs.stop(patience_s=1)
        await self.sweeper.stop()
        for connection in list(self.hub.connections):
            connection.close(Close.DRAINING)
        await self.roster.stop()
        await self.background.finish(patience_s=2)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.journal.stop()
        await self.bus.stop()
        await self.redis.aclose()
        await self.database.close()
        await self.lease_database.close()
        log.info("stopped")

    def _job_runner(self) -> JobRunner:
        """Who carries out which kind of job. Letters wait while there is no mail server."""
        settings, handlers, nightly = self._settings, dict[str, Handler](), list[str]()
        if settings.mail_url:
            mail = MailServer(settings.mail_url, settings.mail_from)
            handlers[promises.LEFT_MESSAGE] = LeftMessageLetter(self.work, mail, settings.public_url)
            handlers[promises.ANSWERS] = AnswersWatch(self.work, settings.mail_gather_seconds)
            handlers[promises.ANSWERS_LETTER] = AnswersLetter(self.work, mail)
        # A batch of long threads takes longer than somebody who waits for an answer would.
        unhurried = WorkUnits(self.database, self.reactions, patience_s=60)
        handlers[retention.KIND] = retention.Retention(unhurried, settings.retention_days)
        if settings.retention_days:
            nightly.append(retention.KIND)
        return JobRunner(self.work, handlers, nightly)

    def _missed(self, connection: Connection, topic: str) -> None:
        self.following.missed(connection, topic)

    def _heard(self, connection: Connection, topic: str, payload: bytes) -> None:
        self.fanout.heard(connection, topic, payload)

    def _bus_recovered(self) -> None:
        """Redis is heard (again). It may be another server than before, with an older index."""
        self.tail_check.soon()
        self.background(self.queue.compare())

    def _publish(self, draft: Draft, outcome: Outcome) -> None:
        """A message is committed: tell everybody."""
        self.hub.event(draft.conversation_id, draft.lane, outcome.seq, draft_frame(draft, outcome))
        if outcome.state != "active":
            self.previews.touch(draft.conversation_id)

    def _trouble(self, in_doubt: Sequence[Event]) -> None:
        """Postgres failed under a transaction: here and elsewhere somebody may not have been told what it did."""
        self.tail_check.soon()
        if in_doubt:
            self.background(self.reactions.in_doubt(in_doubt))

    def _present(self, subject: UUID, kind: Kind, online: bool) -> None:
        """A visitor came or went: their agents see it."""
        if kind == "visitor":
            self.comings.tell(subject, online=online)

    async def _healthz(self) -> dict[str, str]:
        return {"status": "ok"}

    async def _readyz(self) -> JSONResponse:
        """Whether this process can serve: not leaving, and Postgres answers. Redis may be away."""
        if self.endpoint.draining:
            return JSONResponse({"status": "draining"}, 503)
        try:
            async with self.work.reading() as session:
                await session.execute(text("SELECT 1"))
        except DeskbellError as error:
            return JSONResponse({"status": error.code}, 503)
        return JSONResponse({"status": "ready"})


def create_app(settings: Settings) -> Deskbell:
    """Return the application of one server process."""
    return Deskbell(settings)
