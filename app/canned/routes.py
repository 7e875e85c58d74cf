"""The JSON routes of canned replies."""

from __future__ import annotations

from fastapi import APIRouter

from app.canned.library import Entry, visible_replies
from app.canned.schemas import Replies, Reply, TeamRef
from app.identity.access import SignedIn
from app.infra.work import RequestWork

router = APIRouter()


@router.get("/api/canned")
async def get_canned(agent: SignedIn, work: RequestWork) -> Replies:
    """The replies that the asking agent can use: their own, their teams', everyone's."""
    entries = await visible_replies(work.session, agent)
    return Replies(replies=[_reply(entry) for entry in entries])


def _reply(entry: Entry) -> Reply:
    row = entry.reply
    team = TeamRef(id=row.team_id, name=entry.team or "") if row.team_id else None
    return Reply.model_validate(
        {
            "id": row.id,
            "scope": row.scope,
            "team": team,
            "title": row.title,
            "shortcut": row.shortcut,
            "body": row.body,
        }
    )
