"""Conversations take turns: who floods the journal holds up nobody else."""

from dataclasses import dataclass

from app.chat.fair_line import FairLine
from app.ids import ConversationId, uuid7

VERA, VIC, OTTO = (ConversationId(uuid7()) for _ in range(3))
BATCH = 512


@dataclass
class Word:
    conversation_id: ConversationId
    number: int


def words(conversation_id: ConversationId, count: int, since: int = 0) -> list[Word]:
    return [Word(conversation_id, number) for number in range(since, since + count)]


def line_of(*some: Word) -> FairLine[Word]:
    line = FairLine[Word]()
    for word in some:
        line.add(word)
    return line


def test_beside_a_thousand_of_one_conversation_anothers_goes_in_the_next_batch() -> None:
    line = line_of(*words(OTTO, 1000), *words(VERA, 1))
    first = line.take(BATCH)
    assert words(VERA, 1)[0] in first
    assert [word for word in first if word.conversation_id == OTTO] == words(OTTO, BATCH - 1)
    assert len(line) == 1001 - BATCH
    line.add(words(VIC, 1)[0])
    second = line.take(BATCH)
    assert words(VIC, 1)[0] in second
    assert [word for word in second if word.conversation_id == OTTO] == words(OTTO, 1000 - BATCH + 1, BATCH - 1)
    assert len(line) == 0
    assert line.take(BATCH) == []


def test_each_gets_the_same_share_and_what_one_does_not_need_goes_to_the_others() -> None:
    batch = line_of(*words(OTTO, 900), *words(VERA, 10), *words(VIC, 600)).take(BATCH)
    assert len(batch) == BATCH
    shares = {who: [word for word in batch if word.conversation_id == who] for who in (OTTO, VERA, VIC)}
    assert shares[VERA] == words(VERA, 10)
    assert abs(len(shares[OTTO]) - len(shares[VIC])) <= 1
    assert shares[OTTO] == words(OTTO, len(shares[OTTO])), "and each conversation's order is kept"


def test_with_more_conversations_than_a_batch_holds_all_have_their_turn() -> None:
    crowd = [ConversationId(uuid7()) for _ in range(1000)]
    line = line_of(*words(OTTO, 5000), *(Word(who, 0) for who in crowd))
    heard = [word.conversation_id for _ in range(2) for word in line.take(BATCH)]
    assert set(crowd) <= set(heard)
    assert heard.count(OTTO) <= 24


def test_what_was_put_aside_comes_before_what_came_later() -> None:
    line = line_of(*words(VERA, 3, since=2), *words(VIC, 1))
    line.add_first(words(VERA, 2))
    assert len(line) == 6
    assert [word.number for word in line.take(9) if word.conversation_id == VERA] == [0, 1, 2, 3, 4]


def test_what_is_not_kept_is_gone() -> None:
    line = line_of(*words(VERA, 3), *words(VIC, 1))
    line.keep(lambda some: [word for word in some if word.number])
    assert len(line) == 2
    assert list(line) == words(VERA, 2, since=1)
    line.clear()
    assert len(line) == 0
    assert line.take(BATCH) == []
