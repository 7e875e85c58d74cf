/**
 * The two lanes of a conversation and what is still on its way, merged into the rows of one thread.
 * Pure.
 *
 * @typedef {import('./wire.js').Ev} Ev
 * @typedef {import('./store.js').Lanes} Lanes
 *
 * @typedef {object} Outgoing a message on its way, as the outbox holds it
 * @property {string} c
 * @property {string} m
 * @property {'send'|'note'} kind
 * @property {string} text
 * @property {number} at
 * @property {'pending'|'failed'|'sent'} state
 * @property {string} [reason] why it failed, in words
 *
 * @typedef {'visitor'|'mine'|'colleague'} Side
 * @typedef {{row: 'day', key: string, at: number}} DayRow
 * @typedef {{row: 'system', key: string, at: number, event: Ev}} SystemRow
 * @typedef {object} MessageRow
 * @property {'message'} row
 * @property {string} key
 * @property {number} at
 * @property {Side} side
 * @property {boolean} note
 * @property {string} text
 * @property {string|null} name who wrote it; null for a visitor without a name
 * @property {boolean} opens the first of a run by the same writer
 * @property {'pending'|'failed'|'sent'|'read'|null} fate of my own messages
 * @property {string} m
 * @property {string} [reason]
 * @typedef {DayRow|SystemRow|MessageRow} Row
 */

import { dayKey } from "../../shared/time.js";

const RUN_MS = 5 * 60_000;

/**
 * @param {Lanes|undefined} lanes
 * @param {readonly Outgoing[]} outgoing of this conversation, oldest first
 * @param {{me: string, readByVisitor: number}} seen
 * @returns {Row[]}
 */
export function timeline(lanes, outgoing, seen) {
  const events = lanes ? interleaved(lanes) : [];
  /** @type {Row[]} */
  const rows = [];
  const arrived = new Set();
  for (const event of events) {
    if (event.m) arrived.add(event.m);
    if (event.kind === "message" || event.kind === "note") rows.push(messageRow(event, seen));
    else if (isTold(event)) rows.push({ row: "system", key: `${event.lane}${event.s}`, at: event.at, event });
  }
  for (const item of outgoing) {
    if (!arrived.has(item.m)) rows.push(outgoingRow(item));
  }
  return grouped(rows);
}

/**
 * Both lanes in the order in which things happened; at the same moment what the team knows comes before what came of it
 * ("didn't answer", then "joined"). Internal events from before the earliest public one
 * held wait until that part has been paged in.
 * @param {Lanes} lanes
 * @returns {Ev[]}
 */
function interleaved(lanes) {
  const known = lanes.public.events;
  const from = lanes.public.first > 1 ? (known[0]?.at ?? Infinity) : 0;
  const internal = lanes.internal.events.filter((event) => event.at >= from);
  /** @type {Ev[]} */
  const merged = [];
  let next = 0;
  for (const event of known) {
    for (let other = internal[next]; other && other.at <= event.at; other = internal[++next]) merged.push(other);
    merged.push(event);
  }
  return [...merged, ...internal.slice(next)];
}

const told = [
  "queued", "joined", "requeued", "passed", "closed", "reopened", "left_message", "missed", "overflowed", "taken_over", "rated",
]; // prettier-ignore

/** @param {Ev} event */
function isTold({ kind, data }) {
  // Offers that come and go would drown the talk; these tell the story, and why it was this agent is there to look up.
  return told.includes(kind) || (kind === "offered" && Boolean(data.why || data.by));
}

/**
 * @param {Ev} event
 * @param {{me: string, readByVisitor: number}} seen
 * @returns {MessageRow}
 */
function messageRow(event, seen) {
  /** @type {Side} */
  const side = event.from?.kind === "visitor" ? "visitor" : event.from?.id === seen.me ? "mine" : "colleague";
  const note = event.kind === "note";
  const told = side === "visitor" || note ? null : event.s <= seen.readByVisitor ? "read" : "sent";
  return {
    row: "message",
    key: event.m ?? `${event.lane}${event.s}`,
    at: event.at,
    side,
    note,
    text: String(event.data.text ?? ""),
    name: event.from?.name ?? null,
    opens: true,
    fate: told,
    m: event.m ?? "",
  };
}

/** @param {Outgoing} item @returns {MessageRow} */
function outgoingRow(item) {
  return {
    row: "message",
    key: item.m,
    at: item.at,
    side: "mine",
    note: item.kind === "note",
    text: item.text,
    name: null,
    opens: true,
    fate: item.state,
    m: item.m,
    reason: item.reason,
  };
}

/**
 * Puts a divider before each new day and marks where a run of messages by one writer opens.
 * @param {Row[]} rows
 * @returns {Row[]}
 */
function grouped(rows) {
  /** @type {Row[]} */
  const out = [];
  /** @type {Row|null} */
  let before = null;
  for (const row of rows) {
    if (!before || dayKey(before.at) !== dayKey(row.at)) {
      out.push({ row: "day", key: `day ${dayKey(row.at)}`, at: row.at });
      before = null;
    }
    if (row.row === "message") row.opens = !(before && before.row === "message" && continues(before, row));
    out.push(row);
    before = row;
  }
  return out;
}

/** @param {MessageRow} before @param {MessageRow} row */
function continues(before, row) {
  return (
    before.side === row.side &&
    before.note === row.note &&
    row.at - before.at < RUN_MS &&
    (row.side !== "colleague" || before.name === row.name)
  );
}
