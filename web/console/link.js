/** The one connection of this page: frames in, commands out, and the world in between. */

import { Connection } from "../shared/connection.js";
import { postJson } from "../shared/http.js";
import { Outbox } from "../shared/outbox.js";
import { uuid7 } from "../shared/ids.js";
import { heardFrom } from "./alerts/alerts.js";
import { openDrafts } from "./drafts.js";
import { letGo, resumeFollowing } from "./follow.js";
import { autoAccept } from "./offers.js";
import { signIn } from "./sign_in.js";
import { linkState, outgoing, world } from "./state/desk.js";
import { isMine } from "./state/lists.js";
import { apply } from "./state/store.js";
import { whyUnsent } from "./words.js";

/** @typedef {import("../shared/outbox.js").Entry} Entry */

/** @type {Connection|null} */
let connection = null;
/** @type {Outbox|null} */
let outbox = null;

/** @param {string} agent whose console this is */
export function connect(agent) {
  openDrafts(agent);
  outbox = new Outbox({ scope: `agent:${agent}`, onChange: (entries) => (outgoing.value = entries.map(shown)) });
  connection = new Connection({
    url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`,
    credential: ticket,
    position,
    onSnapshot: (frame) => arrived(/** @type {any} */ (frame)),
    onFrame: (frame) => arrived(/** @type {any} */ (frame)),
    onState: changed,
    outbox,
  });
  connection.start();
}

/**
 * A command and its answer. Rejects with a DeskbellError.
 * @param {{t: string, [field: string]: any}} frame
 * @returns {Promise<any>}
 */
export function command(frame) {
  if (!connection) return Promise.reject(new Error("not connected"));
  return connection.command(frame);
}

/**
 * Hands a text to the outbox, which keeps it until the server has it.
 * @param {"send"|"note"} kind
 * @param {string} c
 * @param {{text: string, canned?: string}} body
 */
export function post(kind, c, body) {
  void connection?.post(kind, { c, m: uuid7(), body });
}

/** What isn't streamed to us any more has no position to keep. @param {string} c */
export const forget = (c) => connection?.lanes.forget(c);
/** @param {string} c @param {import("../shared/wire.js").LaneName} lane @param {number} upTo @param {number} have */
export const catchUp = (c, lane, upTo, have) => connection?.lanes.catchUp(c, lane, upTo, have);
/** @param {string} m */
export const retry = (m) => outbox?.retry(m);
/** @param {string} m */
export const discard = (m) => outbox?.discard(m);

async function ticket() {
  return (await postJson("/api/ticket", {})).ticket;
}

/** Where we stand in the chats that the server streams to us by itself. */
function position() {
  const { heads, lanes } = world.peek();
  /** @type {import("../shared/wire.js").Positions} */
  const positions = {};
  for (const head of Object.values(heads)) {
    const held = lanes[head.c];
    if (held && isMine(world.peek(), head)) {
      positions[head.c] = { public: held.public.have, internal: held.internal.have };
    }
  }
  return positions;
}

/** @param {import("./state/wire.js").Frame} frame */
function arrived(frame) {
  const before = world.peek();
  const after = apply(before, frame, Date.now());
  world.value = after;
  letGo(before, after);
  autoAccept(frame);
  heardFrom(frame, before, after);
}

/** The session is over, not just this connection. */
const SIGNED_OUT = [4500, 4503, 4504, "unauthorized"];

/** @param {import("./state/desk.js").LinkState} state @param {number|string} [code] */
function changed(state, code) {
  if (state !== "live") resumeFollowing();
  linkState.value = state;
  if (state === "refused" && SIGNED_OUT.includes(code ?? "")) signIn();
}

/** @param {Entry} entry @returns {import("./state/timeline.js").Outgoing} */
function shown(entry) {
  return {
    c: entry.c ?? "",
    m: entry.m,
    kind: entry.kind === "note" ? "note" : "send",
    text: String(entry.fields.body?.text ?? ""),
    at: entry.at,
    state: entry.state,
    reason: entry.state === "failed" ? whyUnsent(entry.code) : undefined,
  };
}
