/** Follows the open conversation: watches what isn't ours, pages history in, reports what was read. */

import { computed, effect, untracked } from "../vendor/preact.js";
import { catchUp, command, forget } from "./link.js";
import { excluding, including, linkState, marked, missing, open, paging, world } from "./state/desk.js";
import { prepend } from "./state/lane.js";
import { isMine } from "./state/lists.js";
import { place } from "./state/place.js";
import { apply, forgetLanes, lanesAt, withHead, withLane, withLanes } from "./state/store.js";
import { say } from "./toasts.js";
import { codeOf, refusal } from "./words.js";

/** @typedef {import("./state/wire.js").LaneName} LaneName */

const PAGE = 60;
/** What we asked the server to stream besides our own chats. @type {string|null} */
let watched = null;

/** Changes only when there is something to do, however often the world does. */
const aim = computed(() => {
  const { c } = place.value;
  const own = open.value !== null && isMine(world.value, open.value);
  return linkState.value === "live" ? `${own ? "own" : "other"} ${c ?? ""}` : "away";
});

export function startFollowing() {
  effect(() => {
    const { c } = place.value;
    // Opened again: a mark set by hand has done its work.
    if (c && untracked(() => marked.value.has(c))) marked.value = excluding(marked.peek(), c);
  });
  effect(() => {
    const [whose, c] = aim.value.split(" ");
    if (whose !== "away") untracked(() => void follow(c || null, whose === "own"));
  });
  for (const kind of ["focus", "visibilitychange"]) addEventListener(kind, reportRead, true);
  effect(() => {
    void [place.value, linkState.value, marked.value, open.value?.public, world.value.lanes];
    untracked(reportRead);
  });
}

/** A new connection follows nothing but our own chats. */
export function resumeFollowing() {
  watched = null;
}

/** @param {string|null} c @param {boolean} own */
async function follow(c, own) {
  if (watched !== null && watched !== c) {
    command({ t: "unwatch", c: watched }).catch(() => {});
    watched = null;
  }
  forgetOthers(c);
  if (c === null) return;
  if (!own && watched !== c && !(await watch(c))) return;
  await loadNewest(c);
}

/** What nobody streams to us would fall behind. @param {string|null} c */
function forgetOthers(c) {
  for (const other of Object.keys(world.peek().lanes)) {
    const head = world.peek().heads[other];
    if (other === c || (head && isMine(world.peek(), head))) continue;
    world.value = forgetLanes(world.peek(), other);
    forget(other);
  }
}

/**
 * A chat that was ours a moment ago and isn't open is streamed to us no longer: when it comes back, it is
 * fetched anew. Without this its lanes would look complete and hide what was said in between.
 * @param {import("./state/store.js").World} before
 * @param {import("./state/store.js").World} after
 */
export function letGo(before, after) {
  if (before.heads === after.heads) return;
  for (const c of Object.keys(after.lanes)) {
    const [was, is] = [before.heads[c], after.heads[c]];
    if (c === place.peek().c || !was || !isMine(before, was) || (is && isMine(after, is))) continue;
    world.value = forgetLanes(world.peek(), c);
    forget(c);
  }
}

/** @param {string} c */
async function loadNewest(c) {
  const head = world.peek().heads[c];
  const held = world.peek().lanes[c];
  if (head && held) {
    catchUp(c, "public", head.public, held.public.have);
    catchUp(c, "internal", head.internal, held.internal.have);
  } else if (head) world.value = withLanes(world.peek(), c, lanesAt(head));
  for (let tries = 0; tries < 3; tries += 1) {
    const lanes = world.peek().lanes[c];
    if (!lanes || lanes.public.first <= 1 || lanes.public.events.length >= PAGE / 2) break;
    await loadEarlier(c);
  }
  if (reachesFurther(c)) await loadEarlier(c);
}

/** @param {string} c @returns {Promise<boolean>} */
async function watch(c) {
  watched = c;
  const lanes = world.peek().lanes[c];
  const pos = lanes && { public: lanes.public.have, internal: lanes.internal.have };
  try {
    const { head } = await command(pos ? { t: "watch", c, pos } : { t: "watch", c });
    const next = withHead(world.peek(), head);
    if (watched !== c) {
      // The agent has gone elsewhere meanwhile, and nobody streams it to us.
      world.value = next;
      return false;
    }
    world.value = next.lanes[c] ? next : withLanes(next, c, lanesAt(head));
    return true;
  } catch (error) {
    if (watched === c) watched = null;
    if (codeOf(error) === "not_found") missing.value = including(missing.peek(), c);
    else if (linkState.peek() === "live") say(refusal(error), { tone: "bad" });
    return false;
  }
}

/**
 * One earlier page of both lanes, or the newest when nothing is held yet.
 * @param {string} c
 */
export async function loadEarlier(c) {
  if (paging.peek().has(c)) return;
  paging.value = including(paging.peek(), c);
  try {
    await page(c, "public");
    // Notes reach back as far as the talk that is shown.
    for (let more = true; more && reachesFurther(c);) more = await page(c, "internal");
  } catch (error) {
    if (linkState.peek() === "live") say(refusal(error), { tone: "bad" });
  } finally {
    paging.value = excluding(paging.peek(), c);
  }
}

/** @param {string} c */
function reachesFurther(c) {
  const lanes = world.peek().lanes[c];
  if (!lanes || lanes.internal.first <= 1) return false;
  const earliest = lanes.internal.events[0]?.at ?? Infinity;
  return lanes.public.first <= 1 || earliest > (lanes.public.events[0]?.at ?? 0);
}

/** @param {string} c @param {LaneName} lane @returns {Promise<boolean>} did it get anywhere */
async function page(c, lane) {
  const held = world.peek().lanes[c]?.[lane];
  if (!held || held.first <= 1) return false;
  const { events } = await command({ t: "sync", c, lane, before: held.first, limit: PAGE });
  const current = world.peek().lanes[c]?.[lane];
  if (!current) return false;
  const longer = prepend(current, events);
  world.value = withLane(world.peek(), c, lane, longer);
  return longer !== current;
}

/** Tells the visitor that their words have been seen: only mine, only when I'm really looking. */
function reportRead() {
  const head = open.peek();
  if (!head || document.visibilityState !== "visible" || !document.hasFocus()) return;
  if (linkState.peek() !== "live" || !isMine(world.peek(), head) || marked.peek().has(head.c)) return;
  const s = world.peek().lanes[head.c]?.public.have ?? 0;
  if (s <= head.read.agent) return;
  world.value = apply(world.peek(), { t: "eph", c: head.c, kind: "read", data: { by: "agent", s } }, Date.now());
  command({ t: "read", c: head.c, s }).catch(() => {});
}
