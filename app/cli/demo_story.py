"""What was said in the demo shop: short chats as they really go. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

VISITORS = (
    "Vera Holm", "Tomás Ribeiro", "Ingrid Falk", "Kofi Mensah", "Lucía Ferrer", "Jonas Beck", "Aisha Rahman",
    "Piotr Nowak", "Hana Sato", "Émile Girard", "Noor de Vries", "Owen Price", "Chiara Conti", "Mateo Ruiz", None, None,
)  # fmt: skip
"""Names; None is somebody who gave none."""

CHATS = (
    (
        ("v", "Hi, is the Ember teapot safe in the dishwasher?"),
        ("a", "Hello {v}! It is unglazed inside, so warm water without soap is kinder to it."),
        ("v", "Good to know, thanks"),
        ("a", "You're welcome. Over the years it takes on the taste of the tea; that is the idea."),
    ),
    (
        ("v", "My parcel should have been here on Tuesday. Order KL-20418"),
        ("a", "Let me look, {v}."),
        ("a", "It sat in the depot over the weekend; the carrier has it on the van today before 5 pm."),
        ("v", "Ah ok. Will I get a message?"),
        ("a", "Yes, about an hour before. If it isn't there tonight, just write here again."),
        ("v", "Will do"),
    ),
    (
        ("v", "one of the moss cups came with a crack :("),
        ("a", "I'm sorry, {v}. Could you send me the order number?"),
        ("v", "KL-20377"),
        ("a", "Thank you. A new cup leaves today, and please keep the cracked one; it makes a fine pen pot."),
        ("v", "Wow, that was quick. Thank you!"),
    ),
    (
        ("v", "Do you ship to Norway?"),
        ("a", "We do: five to seven days, and customs are paid already."),
        ("v", "perfect"),
    ),
    (
        ("v", "What water for sencha? Mine always gets bitter"),
        ("a", "75 °C and no longer than two minutes, {v}. Bitter is nearly always too hot."),
        ("v", "I have been boiling it. That explains a lot"),
        ("a", "Let it stand five minutes after boiling and it will be about right."),
    ),
    (
        ("v", "Can I change the address of an order I placed an hour ago?"),
        ("a", "If it has not been packed yet. Which order is it?"),
        ("v", "KL-20455. The street number should be 14, not 41"),
        ("a", "Done: 14 it is. You'll get a new confirmation in a minute."),
    ),
    (
        ("v", "Is the night bowl back soon?"),
        ("a", "The kiln opens on the 4th. Shall I put one aside for you?"),
        ("v", "Yes please!"),
        ("a", "It has your name on it. You get a mail when it is glazed, and nothing is charged before."),
    ),
    (
        ("v", "I want to return two cups, never used"),
        (
            "a",
            "Of course, {v}. Pack them as they came, slip inside; the refund goes out the day they arrive.",
        ),
        ("v", "Do I pay the postage?"),
        ("a", "No. I've sent you a label by mail."),
    ),
)
"""Turns of visitor (v) and agent (a)."""

COMMENTS = {
    5: (
        "Lovely, and knew exactly what I needed.",
        "Answered in under a minute. More of this, please.",
        "Kind, quick, no nonsense.",
        "They simply sent a new cup. Customer for life.",
        "I had a silly question and did not feel silly.",
        "My sencha is no longer bitter!",
        "Even checked the carrier for me.",
        "Better than any phone queue.",
    ),
    4: ("Good help, the wait was a little long.", "Solved it, thank you.", "Clear answer, two tries to get there."),
    3: ("Friendly, but I had to give my order number twice.",),
    2: ("I waited for ten minutes and then the answer was a link.",),
    1: ("Nobody could tell me where my parcel is.",),
}
QUESTION = "Can I pay on invoice? We are a small café and would order 40 cups."


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a visitor answered, if they did."""

    score: int
    comment: str | None


def opinion(chance: Random) -> Opinion | None:
    """Return an answer as people give them: two in three answer, most are content, one in three adds words."""
    if chance.random() > 0.66:
        return None
    score = chance.choices((5, 4, 3, 2, 1), weights=(62, 25, 7, 3, 3))[0]
    return Opinion(score, chance.choice(COMMENTS[score]) if chance.random() < 0.34 else None)
