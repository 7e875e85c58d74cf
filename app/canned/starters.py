"""Replies that every desk can use from its first minute. Their owner makes them their own, or deletes them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from app.canned.models import CannedReply
from app.canned.render import check
from app.ids import AgentId, TeamId

EVERYONE = (
    ("Greeting", "hello", "Hello {{visitor.name|there}}, this is {{agent.name}}. How can I help?"),
    ("One moment", "moment", "One moment, please: I'm looking into it and will be right back."),
    (
        "Anything else",
        "else",
        "Is there anything else I can do for you, {{visitor.name|or shall we leave it there}}?",
    ),
    (
        "Goodbye",
        "bye",
        "Thank you for writing to {{site.name}}. If anything comes up, just write here again. Have a good day!",
    ),
    (
        "Chat number",
        "number",
        "Your chat has the number {{conversation.id}}. Please name it if you ask about this anywhere else.",
    ),
)
"""Title, shortcut and body."""

SHOP = (
    (
        "Delivery times",
        "delivery",
        "Orders placed before noon leave the same day. Within the country they take one to two working days, "
        "elsewhere in Europe three to five.",
    ),
    (
        "Where is my parcel",
        "parcel",
        "I'm happy to look that up, {{visitor.name|of course}}. What is the order number? It begins with KL "
        "and stands at the top of the mail we sent you.",
    ),
    (
        "Returns",
        "returns",
        "You can send anything back within 30 days, as long as it has not been used. Pack it as it came, put the "
        "slip inside, and we refund you on the day it arrives.",
    ),
    (
        "Arrived broken",
        "broken",
        "I'm sorry to hear that, {{visitor.name|and thank you for telling us}}. Which piece is it, "
        "and what is the order number? I'll have a new one on its way today; you don't need to send the pieces back.",
    ),
    (
        "Caring for stoneware",
        "care",
        "Our stoneware is fine in the dishwasher and the oven, not on the hob. Unglazed teapots are happier with "
        "warm water and no soap.",
    ),
    (
        "Brewing green tea",
        "green",
        "For our green teas: 75 °C, two minutes, one heaped teaspoon a cup. A second brew of one minute is often "
        "the better one.",
    ),
    (
        "Gift wrapping",
        "gift",
        "With pleasure: choose “as a gift” in the basket and write your card there. We wrap in linen, and no price "
        "goes into the parcel.",
    ),
)
"""The demo shop's, for its team."""


def add_starters(session: AsyncSession, owner: AgentId) -> None:
    """Add the replies for everyone."""
    for title, shortcut, body in EVERYONE:
        check(body)
        session.add(CannedReply(scope="everyone", title=title, shortcut=shortcut, body=body, created_by=owner))


def add_shop_replies(session: AsyncSession, owner: AgentId, team: TeamId) -> None:
    """Add the demo shop's replies for its team."""
    for title, shortcut, body in SHOP:
        check(body)
        session.add(
            CannedReply(scope="team", team_id=team, title=title, shortcut=shortcut, body=body, created_by=owner)
        )
