"""How far each side has read. Marks only go forward."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def mark_read(
    session: AsyncSession, conversation_id: UUID, side: Literal["visitor", "agent"], s: int
) -> int | None:
    """Move one side's mark to `s`, never back and never beyond the lane's end.

    Returns:
        The new mark, or None when it did not move.
    """
    row = await session.execute(
        text(
            f"UPDATE conversation SET {side}_read = least(:s, public_seq) "
            f"WHERE id = :c AND {side}_read < least(:s, public_seq) RETURNING {side}_read"
        ),
        {"c": conversation_id, "s": s},
    )
    return row.scalar_one_or_none()
