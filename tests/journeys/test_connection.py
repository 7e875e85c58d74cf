"""The connection and the outbox of web/shared against a scripted server: order, repeats, holes, refusals."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route

HERE = Path(__file__).resolve().parent
WEB = HERE.parents[1] / "web"

BEGIN = """
  const { Connection } = await import("/assets/shared/connection.js");
  const { Outbox } = await import("/assets/shared/outbox.js");
  const { ScriptedSocket, until, soon } = await import("/scripted_socket.js");
  globalThis.WebSocket = ScriptedSocket;
  const frames = [], states = [];
  const make = async (more = {}) => {
    const outbox = new Outbox({ scope: "test" });
    const connection = new Connection({
      url: "ws://deskbell.test/ws",
      credential: async () => "token",
      onFrame: (frame) => frames.push(frame),
      onState: (state, code) => states.push(code === undefined ? state : `${state} ${code}`),
      outbox,
      ...more,
    });
    connection.start();
    await until(() => ScriptedSocket.now?.of("hello").length);
    return { outbox, connection };
  };
  const ev = (s, text = `text ${s}`, m = null) =>
    ({ t: "ev", c: "c1", lane: "public", s, kind: "message", m, from: { kind: "agent" }, at: 1, data: { text } });
  const ok = (frame, more = {}) => ScriptedSocket.now.tell({ t: "ok", id: frame.id, ...more });
  const err = (frame, code, more = {}) =>
    ScriptedSocket.now.tell({ t: "err", id: frame.id, code, retry: false, ...more });
  const ids = (list) => list.map((frame) => frame.m).join();
  const words = (list) => list.map((frame) => frame.body.text);
"""


@pytest.fixture
async def modules(browser: Browser) -> AsyncIterator[Page]:
    """An empty page that can import the modules under web/ and the scripted socket."""
    page = await browser.new_page()

    async def give(route: Route) -> None:
        path = route.request.url.removeprefix("http://deskbell.test/")
        file = HERE / path if path == "scripted_socket.js" else WEB / path.removeprefix("assets/")
        if path and file.is_file():
            await route.fulfill(path=file, content_type="text/javascript")
        else:
            await route.fulfill(body="<!doctype html><title>Modules</title>", content_type="text/html")

    await page.route("**/*", give)
    await page.goto("http://deskbell.test/")
    yield page
    await page.close()


async def play(page: Page, script: str) -> Any:
    return await page.evaluate("async () => {" + BEGIN + script + "}")


async def test_at_most_sixteen_are_in_flight_and_the_rest_follow_in_order(modules: Page) -> None:
    sent = await play(
        modules,
        """
        const { connection } = await make();
        ScriptedSocket.now.welcome();
        for (let i = 0; i < 40; i += 1) connection.post("send", { c: "c1", body: { text: `${i}` } });
        const socket = ScriptedSocket.now, most = [];
        for (let answered = 0; answered < 40; answered += 1) {
          await until(() => socket.of("send").length > answered);
          most.push(socket.of("send").length - answered);
          ok(socket.of("send")[answered], { s: answered + 1, at: 1 });
          await soon(1);
        }
        return { words: words(socket.of("send")), most: Math.max(...most) };
        """,
    )
    assert sent == {"words": [str(number) for number in range(40)], "most": 16}


async def test_a_passing_refusal_makes_the_whole_line_come_again_in_order(modules: Page) -> None:
    result = await play(
        modules,
        """
        const { connection, outbox } = await make();
        const socket = ScriptedSocket.now;
        socket.welcome();
        for (const text of ["a", "b", "c"]) connection.post("send", { c: "c1", body: { text } });
        connection.post("send", { c: "c2", body: { text: "another conversation" } });
        await until(() => socket.of("send").length === 4);
        const [a, b, c, d] = socket.of("send");
        ok(d, { s: 1 });
        err(a, "rate_limited", { retry: true, after_ms: 200 });
        err(b, "out_of_order", { retry: true });
        await soon(350);
        const early = socket.of("send").length;
        err(c, "out_of_order", { retry: true });
        await until(() => socket.of("send").length === 7);
        const again = socket.of("send").slice(4);
        again.forEach((frame, i) => ok(frame, { s: i + 1 }));
        await soon();
        return { early, again: words(again), same: ids(again) === ids([a, b, c]),
          states: outbox.entries.map((entry) => entry.state) };
        """,
    )
    assert result["early"] == 4, "nothing overtakes the one that failed"
    assert result["again"] == ["a", "b", "c"]
    assert result["same"], "the same ids, verbatim"
    assert result["states"] == ["sent"] * 4


async def test_a_message_is_shown_from_the_outbox_until_its_event_comes(modules: Page) -> None:
    result = await play(
        modules,
        """
        const { connection, outbox } = await make();
        const socket = ScriptedSocket.now;
        socket.welcome();
        const shown = () => outbox.entries.map((entry) => entry.state).join();
        const a = connection.post("send", { c: "c1", body: { text: "a" } });
        const b = connection.post("send", { c: "c1", body: { text: "b" } });
        await until(() => socket.of("send").length === 2);
        ok(socket.of("send")[0], { s: 1 });
        await soon();
        const acknowledged = shown();
        socket.tell(ev(1, "a", a), ev(2, "b", b));
        const seen = shown();
        ok(socket.of("send")[1], { s: 2 });
        await soon();
        return [acknowledged, seen, shown()];
        """,
    )
    assert result == ["sent,pending", "", ""]


async def test_a_final_refusal_stays_failed_and_the_others_go_on(modules: Page) -> None:
    result = await play(
        modules,
        """
        const { connection, outbox } = await make();
        const socket = ScriptedSocket.now;
        socket.welcome();
        const m = connection.post("send", { c: "c1", body: { text: "a" } });
        connection.post("send", { c: "c1", body: { text: "b" } });
        await until(() => socket.of("send").length === 2);
        err(socket.of("send")[0], "bad_text");
        ok(socket.of("send")[1], { s: 1 });
        await soon();
        const after = outbox.entries.map((entry) => [entry.fields.body.text, entry.state, entry.code ?? null]);
        outbox.retry(m);
        await until(() => socket.of("send").length === 3);
        const same = socket.of("send")[2].m === m;
        err(socket.of("send")[2], "bad_text");
        await soon();
        outbox.discard(m);
        return { after, same, left: outbox.entries.map((entry) => entry.fields.body.text) };
        """,
    )
    assert result["after"] == [["a", "failed", "bad_text"], ["b", "sent", None]]
    assert result["same"]
    assert result["left"] == ["b"]


async def test_after_a_lost_connection_the_unacknowledged_go_out_again(modules: Page) -> None:
    result = await play(
        modules,
        """
        const { connection } = await make();
        const first = ScriptedSocket.now;
        first.welcome();
        first.tell(ev(1), ev(2));
        for (const text of ["a", "b"]) connection.post("send", { c: "c1", body: { text } });
        await until(() => first.of("send").length === 2);
        ok(first.of("send")[0], { s: 3 });
        await soon();
        const waiting = connection.command({ t: "sync", c: "c1" }).then(() => "ok", (error) => error.code);
        first.hangUp(1006);
        connection.post("send", { c: "c1", body: { text: "c" } });
        await until(() => ScriptedSocket.now !== first && ScriptedSocket.now.of("hello").length);
        const hello = ScriptedSocket.now.welcome();
        await until(() => ScriptedSocket.now.of("send").length === 2);
        return { pos: hello.pos, sent: words(ScriptedSocket.now.of("send")), states, waiting: await waiting,
          same: ScriptedSocket.now.of("send")[0].m === first.of("send")[1].m };
        """,
    )
    assert result["pos"] == {"c1": {"public": 2}}
    assert result["sent"] == ["b", "c"]
    assert result["same"]
    assert result["waiting"] == "offline"
    assert result["states"] == ["connecting", "live", "reconnecting", "live"]


async def test_unsent_messages_survive_a_reload(modules: Page) -> None:
    await play(
        modules,
        """
        const { connection, outbox } = await make();
        connection.post("send", { c: "c1", m: "m-1", body: { text: "kept" } });
        connection.post("send", { c: null, m: "m-2", body: { text: "kept too" } });
        await soon(200);
        """,
    )
    await modules.reload()
    result = await play(
        modules,
        """
        const { connection, outbox } = await make();
        ScriptedSocket.now.welcome();
        await until(() => ScriptedSocket.now.of("send").length === 1);
        await soon();
        const before = words(ScriptedSocket.now.of("send"));
        outbox.assign("c9");
        await until(() => ScriptedSocket.now.of("send").length === 2);
        const sent = ScriptedSocket.now.of("send").map((frame) => [frame.m, frame.c, frame.body.text]);
        for (const frame of ScriptedSocket.now.of("send")) ok(frame, { s: 1 });
        await soon(200);
        return { before, sent };
        """,
    )
    assert result["before"] == ["kept"], "what has no conversation yet waits"
    assert result["sent"] == [["m-1", "c1", "kept"], ["m-2", "c9", "kept too"]]
    await modules.reload()
    left = await play(modules, "const { outbox } = await make(); await outbox.load(); return outbox.entries.length;")
    assert left == 0


async def test_a_hole_is_held_and_fetched(modules: Page) -> None:
    result = await play(
        modules,
        """
        const { connection } = await make();
        const socket = ScriptedSocket.now;
        socket.welcome();
        socket.tell(ev(1), ev(2), ev(2), ev(5), ev(6));
        await until(() => socket.of("sync").length === 1);
        const asked = socket.of("sync")[0];
        socket.tell(ev(7));
        ok(asked, { events: [ev(3), ev(4)], head: 7, more: false });
        await soon();
        socket.tell(ev(8), ev(4));
        await soon();
        return { after: asked.after, seen: frames.filter((frame) => frame.t === "ev").map((frame) => frame.s),
          asked: socket.of("sync").length };
        """,
    )
    assert result == {"after": 2, "seen": [1, 2, 3, 4, 5, 6, 7, 8], "asked": 1}


async def test_a_gap_is_paged_before_what_follows_it(modules: Page) -> None:
    result = await play(
        modules,
        """
        const { connection } = await make();
        const socket = ScriptedSocket.now;
        socket.welcome();
        socket.tell(ev(1), { t: "gap", c: "c1", lane: "public", have: 1, head: 500 }, ev(501));
        for (let page = 1; page <= 5; page += 1) {
          await until(() => socket.of("sync").length === page);
          const { after } = socket.of("sync")[page - 1];
          const events = [];
          for (let s = after + 1; s <= Math.min(after + 120, 500); s += 1) events.push(ev(s));
          ok(socket.of("sync")[page - 1], { events, head: 501, more: after + 120 < 500 });
          await soon(5);
        }
        await soon();
        const seen = frames.filter((frame) => frame.t === "ev").map((frame) => frame.s);
        return { whole: seen.every((s, i) => s === i + 1), count: seen.length, asked: socket.of("sync").length };
        """,
    )
    assert result == {"whole": True, "count": 501, "asked": 5}


@pytest.mark.parametrize(
    ("code", "states"),
    [
        (4501, ["connecting", "live", "refused 4501"]),
        (4503, ["connecting", "live", "refused 4503"]),
        (4506, ["connecting", "live", "refused 4506"]),
    ],
)
async def test_some_closes_are_final(modules: Page, code: int, states: list[str]) -> None:
    result = await play(
        modules,
        f"""
        await make();
        ScriptedSocket.now.welcome();
        ScriptedSocket.now.hangUp({code});
        await soon(900);
        return {{ states, sockets: ScriptedSocket.all.length }};
        """,
    )
    assert result == {"states": states, "sockets": 1}


async def test_a_refused_credential_is_renewed_once(modules: Page) -> None:
    result = await play(
        modules,
        """
        const asked = [];
        await make({ credential: async ({ fresh }) => (asked.push(fresh), "token") });
        ScriptedSocket.now.hangUp(4500);
        await until(() => ScriptedSocket.all.length === 2 && ScriptedSocket.now.of("hello").length);
        ScriptedSocket.now.hangUp(4500);
        await soon(300);
        return { asked, states, sockets: ScriptedSocket.all.length };
        """,
    )
    assert result == {"asked": [False, True], "states": ["connecting", "reconnecting", "refused 4500"], "sockets": 2}


async def test_a_server_that_goes_away_names_the_time_to_come_back(modules: Page) -> None:
    result = await play(
        modules,
        """
        await make();
        ScriptedSocket.now.welcome();
        const began = Date.now();
        ScriptedSocket.now.tell({ t: "reconnect", after_ms: 400 });
        ScriptedSocket.now.hangUp(4001);
        await until(() => ScriptedSocket.all.length === 2);
        return Date.now() - began;
        """,
    )
    assert 350 <= result < 1500


async def test_many_who_lose_a_server_come_back_within_the_time_that_its_ping_named(modules: Page) -> None:
    result = await play(
        modules,
        """
        const { Backoff } = await import("/assets/shared/backoff.js");
        Math.random = () => 0.99;
        const backoff = new Backoff();
        backoff.spread(4000);
        const waits = [1, 2, 3, 4, 5].map(() => Math.round(backoff.next()));
        backoff.wait(0);
        waits.push(backoff.next());

        await make();
        ScriptedSocket.now.welcome();
        ScriptedSocket.now.tell({ t: "ping", spread_ms: 60000 });
        ScriptedSocket.now.hangUp(1006);
        await new Promise((done) => setTimeout(done, 1000));
        return { waits, sockets: ScriptedSocket.all.length, states };
        """,
    )
    assert result["waits"] == [3960, 3960, 3960, 3960, 7920, 0]
    assert result["sockets"] == 1, "by itself it would have tried again after half a second"
    assert result["states"] == ["connecting", "live", "reconnecting"]


async def test_a_ping_is_answered_and_unknown_frames_do_no_harm(modules: Page) -> None:
    result = await play(
        modules,
        """
        await make();
        ScriptedSocket.now.welcome();
        ScriptedSocket.now.onmessage({ data: '{"t":"ping"}\\n{"t":"news from tomorrow"}\\nnot json\\n' });
        return { pongs: ScriptedSocket.now.of("pong").length, frames };
        """,
    )
    assert result == {"pongs": 1, "frames": [{"t": "news from tomorrow"}]}


async def test_ids_rise_with_time(modules: Page) -> None:
    ids = await modules.evaluate(
        "import('/assets/shared/ids.js').then(({ uuid7 }) => Array.from({ length: 9000 }, uuid7))",
    )
    assert ids == sorted(set(ids))
    assert all(len(one) == 36 and one[14] == "7" and one[19] in "89ab" for one in ids)
