"""The console's store in a real browser: a snapshot and what followed it equal a later snapshot."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route

WEB = Path(__file__).resolve().parents[2] / "web"
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
STORIES = sorted((GOLDEN / "frames").glob("agent_*.json"))


@pytest.fixture
async def modules(browser: Browser) -> AsyncIterator[Page]:
    """An empty page that can import the modules under web/; there is no server behind it."""
    page = await browser.new_page()

    async def give(route: Route) -> None:
        file = WEB / route.request.url.partition("/assets/")[2]
        if file.is_file():
            await route.fulfill(path=file, content_type="text/javascript")
        else:
            await route.fulfill(body="<!doctype html><title>Modules</title>", content_type="text/html")

    await page.route("**/*", give)
    await page.goto("http://deskbell.test/")
    yield page
    await page.close()


REPLAY = """
async ({frames, fresh}) => {
  const { apply, nothing } = await import("/assets/console/state/store.js");
  const frozen = (value) => {
    if (value && typeof value === "object" && !Object.isFrozen(value)) Object.values(Object.freeze(value)).map(frozen);
    return value;
  };
  const now = 1795000060000;
  const lived = frames.reduce((world, frame) => frozen(apply(world, frozen(frame), now)), frozen(nothing));
  const seen = ({ me, teams, heads, offers }) => ({ me, teams, heads, offers });
  return { lived: seen(lived), fresh: seen(apply(nothing, fresh, now)) };
}
"""


async def test_what_was_lived_through_equals_a_fresh_snapshot(modules: Page) -> None:
    assert len(STORIES) >= 8
    for story in STORIES:
        told = json.loads(story.read_text())
        worlds = await modules.evaluate(REPLAY, {"frames": told["frames"], "fresh": told["fresh"]})
        assert worlds["lived"] == worlds["fresh"], told["about"]


async def test_canned_replies_are_filled_as_the_server_fills_them(modules: Page) -> None:
    samples = json.loads((GOLDEN / "canned.json").read_text())
    filled = await modules.evaluate(
        """async (samples) => {
          const { fill, textOf } = await import("/assets/shared/canned.js");
          return samples.map(({ body, values }) => {
            const { parts, unfilled } = fill(body, values);
            return { text: textOf(parts), unfilled };
          });
        }""",
        samples,
    )
    assert filled == [{"text": each["text"], "unfilled": each["unfilled"]} for each in samples]


async def test_a_page_of_history_joins_on_or_is_left_out(modules: Page) -> None:
    lanes = await modules.evaluate(
        """async () => {
          const { laneAt, prepend, receive } = await import("/assets/console/state/lane.js");
          const ev = (s) => ({ s });
          const live = receive(laneAt(7), ev(8));
          const numbers = (lane) => [lane.first, lane.have, lane.events.map((event) => event.s)];
          return [
            numbers(prepend(live, [5, 6, 7].map(ev))),
            numbers(prepend(live, [3, 4, 5].map(ev))),
            numbers(prepend(live, [6, 7, 8, 9].map(ev))),
            numbers(receive(live, ev(12))),
            numbers(receive(receive(live, ev(8)), ev(3))),
          ];
        }"""
    )
    assert lanes == [
        [5, 8, [5, 6, 7, 8]],
        [8, 8, [8]],
        [6, 8, [6, 7, 8]],
        [12, 12, [12]],
        [8, 8, [8]],
    ]


async def test_the_timeline_merges_notes_and_keeps_what_is_on_its_way_last(modules: Page) -> None:
    rows = await modules.evaluate(
        """async () => {
          const { timeline } = await import("/assets/console/state/timeline.js");
          const at = Date.UTC(2026, 10, 22, 12), me = "ana";
          const who = { agent: { kind: "agent", id: me }, visitor: { kind: "visitor", id: "vera" } };
          const ev = (lane, s, kind, from, minute, text, m) =>
            ({ lane, s, kind, m, from: who[from], at: at + minute * 60000, data: { text } });
          const publicEvents = [
            ev("public", 4, "message", "visitor", 10, "a", "m1"), ev("public", 5, "message", "visitor", 11, "b", "m2"),
            ev("public", 6, "message", "agent", 13, "c", "m3"),
          ];
          const internalEvents = [
            ev("internal", 1, "note", "agent", 1, "too early", "n1"), ev("internal", 2, "note", "agent", 12, "n", "n2"),
          ];
          const lanes = {
            public: { first: 4, have: 6, events: publicEvents },
            internal: { first: 1, have: 2, events: internalEvents },
          };
          const outgoing = ["m3", "m4"].map((m) => ({ c: "c", m, kind: "send", text: m, at, state: "pending" }));
          const rows = timeline(lanes, outgoing, { me, readByVisitor: 6 });
          return rows.map((row) => row.row === "message" ? [row.text, row.note, row.opens, row.fate] : row.row);
        }"""
    )
    assert rows == [
        "day",
        ["a", False, True, None],
        ["b", False, False, None],
        ["n", True, True, None],
        ["c", False, True, "read"],
        ["m4", False, False, "pending"],
    ]


async def test_a_slash_opens_the_picker_only_where_a_word_begins(modules: Page) -> None:
    texts = {
        "/": "",
        "/ret": "ret",
        "Hi /gre": "gre",
        "two\n/words here": "words here",
        "and/or": None,
        "https://tern": None,
        "done / ": None,
        "/ret\n": None,
    }
    queries = await modules.evaluate(
        """async (texts) => {
          const { triggerAt } = await import("/assets/console/canned/trigger.js");
          return texts.map((text) => triggerAt(text, text.length)?.query ?? null);
        }""",
        list(texts),
    )
    assert dict(zip(texts, queries, strict=True)) == texts


async def test_the_best_canned_reply_comes_first(modules: Page) -> None:
    titles = await modules.evaluate(
        """async () => {
          const { matching } = await import("/assets/console/canned/match.js");
          const reply = (shortcut, title, body = "") =>
            ({ id: title, scope: "everyone", team: null, title, shortcut, body });
          const all = [
            reply("bye", "Goodbye"), reply("return", "Returns"), reply("ret-no", "Returns to Norway"),
            reply("size", "Größen", "Send it back: returns are free"),
            ...Array.from({ length: 9 }, (_, n) => reply(`x${n}`, `X ${n}`)),
          ];
          const titles = (query) => matching(all, query).map((each) => each.title);
          return ["return", "groß", "nrwy", "returns norway", "zzz", ""].map(titles);
        }"""
    )
    assert titles[0][0] == "Returns"
    assert set(titles[0]) == {"Returns", "Returns to Norway", "Größen"}
    assert titles[1] == ["Größen"]
    assert titles[2] == ["Returns to Norway"]
    assert titles[3] == ["Returns to Norway"]
    assert titles[4] == []
    assert len(titles[5]) == 8
