// From events and unsent messages to what is shown, line by line. Pure.

import { dayKey } from "../shared/time.js";

/**
 * @typedef {import("../shared/wire.js").Ev} Ev
 * @typedef {import("../shared/outbox.js").Entry} Entry
 * @typedef {{type: "day", key: string, at: number}} Day
 * @typedef {{type: "line", key: string, text: string, values: Record<string, string | number>}} Line
 * @typedef {{
 *   type: "message", key: string, mine: boolean, name: string | null, text: string, at: number,
 *   first: boolean, last: boolean, s: number, entry: Entry | null,
 * }} Message `first`, `last` of a run by one person; `entry` while it is not part of the conversation yet
 * @typedef {Day | Line | Message} Item
 */

const RUN_MS = 5 * 60_000;

/**
 * @param {readonly Ev[]} events
 * @param {readonly Entry[]} unsent
 * @returns {Item[]}
 */
export function timeline(events, unsent) {
  /** @type {Item[]} */
  const items = [];
  let today = "";
  /** @type {Message | null} */
  let before = null;

  /** @param {number} at */
  const turnDay = (at) => {
    const key = dayKey(at);
    if (key === today) return;
    today = key;
    before = null;
    items.push({ type: "day", key: `day ${key}`, at });
  };
  /** @param {Omit<Message, "type" | "first" | "last">} message */
  const say = (message) => {
    turnDay(message.at);
    const joins = before !== null && before.mine === message.mine && before.name === message.name && message.at - before.at < RUN_MS;
    if (joins && before) before.last = false;
    before = { type: "message", first: !joins, last: true, ...message };
    items.push(before);
  };

  for (const ev of events) {
    if (ev.kind === "message") {
      const mine = ev.from?.kind === "visitor";
      say({ key: ev.m ?? `s${ev.s}`, mine, name: mine ? null : (ev.from?.name ?? null), text: ev.data.text, at: ev.at, s: ev.s, entry: null });
      continue;
    }
    const line = systemLine(ev);
    if (!line) continue;
    turnDay(ev.at);
    before = null;
    items.push({ type: "line", key: `s${ev.s}`, ...line });
  }
  const known = new Set(events.map((ev) => ev.m));
  for (const entry of unsent) {
    if (known.has(entry.m) || entry.kind === "note") continue;
    say({ key: entry.m, mine: true, name: null, text: entry.fields.body.text, at: entry.at, s: entry.s ?? Infinity, entry });
  }
  return items;
}

/**
 * @param {Ev} ev
 * @returns {{text: string, values: Record<string, string | number>} | null}
 */
function systemLine({ kind, data }) {
  const name = data.agent?.name ?? "";
  switch (kind) {
    case "queued":
      return data.episode > 1 ? { text: "line.queued", values: {} } : null;
    case "joined":
    case "reopened":
      return { text: `line.${kind}`, values: { name } };
    case "passed":
      return { text: "line.passed", values: { name, to: (data.to.agent ?? data.to.team).name } };
    case "requeued":
    case "left_message":
      return { text: `line.${kind}`, values: {} };
    case "closed": {
      const how = data.by === "visitor" ? data.reason : data.by;
      return { text: `line.closed.${["agent", "ended", "left", "abandoned"].includes(how) ? how : "system"}`, values: { name } };
    }
    default:
      return null;
  }
}
