/** What an agent does to a chat, each with a sentence for when it is refused. */

import { signal } from "../vendor/preact.js";
import { getJson } from "../shared/http.js";
import { draftOf } from "./drafts.js";
import { command } from "./link.js";
import { accept } from "./offers.js";
import { signIn } from "./sign_in.js";
import { including, marked, world } from "./state/desk.js";
import { isMine, unread } from "./state/lists.js";
import { visitorName } from "./state/people.js";
import { go, place } from "./state/place.js";
import { withHead } from "./state/store.js";
import { say } from "./toasts.js";
import { codeOf, refusal } from "./words.js";

/** @typedef {import("./state/wire.js").Head} Head */

/** @param {Head} head */
export async function take(head) {
  const offer = world.peek().offers[head.c];
  if (offer) return takeOffer(offer);
  try {
    await command({ t: "claim", c: head.c, gen: head.gen });
    go({ list: "mine", c: head.c });
  } catch (error) {
    const taken = ["stale", "not_yours", "not_found"].includes(codeOf(error));
    if (taken) await news();
    const faster = world.peek().heads[head.c]?.agent?.name;
    say(taken ? `${faster ?? "Somebody"} was faster.` : refusal(error), { tone: taken ? "plain" : "bad" });
  }
}

/** @param {import("./state/store.js").StandingOffer} offer */
export async function takeOffer(offer) {
  if (await accept(offer)) go({ list: "mine", c: offer.c });
}

/** @param {Head} head */
export async function close(head) {
  if (draftOf(head.c, "reply").text.trim() === "") return closeNow(head);
  say("You have not sent what you wrote here.", { action: { label: "Close anyway", run: () => void closeNow(head) } });
}

/** @param {Head} head */
async function closeNow(head) {
  if (!(await fenced("close", head, (now) => isMine(world.peek(), now)))) return;
  say(`Chat with ${visitorName(head.visitor)} closed.`, { action: { label: "Reopen", run: () => reopenNow(head.c) } });
  if (place.peek().c === head.c && place.peek().list === "mine") go({ c: null });
}

/** From the agent who has it. @param {Head} head */
export async function takeOver(head) {
  const theirs = (/** @type {Head} */ now) => now.state === "active" && now.agent?.id === head.agent?.id;
  if (await fenced("takeover", head, theirs)) go({ list: "mine", c: head.c });
}

/** @param {Head} head */
export async function reopen(head) {
  if (await fenced("reopen", head, (now) => now.state === "closed")) go({ list: "mine", c: head.c });
}

/**
 * A command that names a generation. When something that doesn't matter here has changed it meanwhile (a
 * rating came in), it is said once more with the new one.
 * @param {"close"|"reopen"|"takeover"} t
 * @param {Head} head
 * @param {(now: Head) => boolean} stillMeant
 * @returns {Promise<boolean>}
 */
async function fenced(t, head, stillMeant) {
  try {
    await command({ t, c: head.c, gen: head.gen });
    return true;
  } catch (error) {
    if (codeOf(error) === "stale") await news();
    const now = world.peek().heads[head.c];
    if (now && now.gen > head.gen && stillMeant(now)) return done({ t, c: head.c, gen: now.gen });
    say(refusal(error), { tone: "bad" });
    return false;
  }
}

/** What made a command stale comes a moment after its refusal. */
const news = () => new Promise((resolve) => setTimeout(resolve, 300));

/** @param {string} c */
function reopenNow(c) {
  const head = world.peek().heads[c];
  if (head) void reopen(head);
}

/** @param {Head} head */
export async function markDone(head) {
  if (await done({ t: "done", c: head.c })) go({ list: "messages", c: null });
}

/** @param {boolean} accepting */
export function acceptChats(accepting) {
  return done({ t: "status", accept: accepting });
}

/** @param {{t: string, [field: string]: any}} frame */
async function done(frame) {
  try {
    await command(frame);
    return true;
  } catch (error) {
    say(refusal(error), { tone: "bad" });
    return false;
  }
}

/** @param {Head} head */
export function markUnread(head) {
  marked.value = including(marked.peek(), head.c);
  go({ c: null });
}

/** @param {Head} head */
export function looksUnread(head) {
  return marked.value.has(head.c) || unread(head, world.value.lanes[head.c]) > 0;
}

/** Where the next page of closed chats ends; null before the first. @type {number|null} */
let closedBefore = null;
/** Is there more than what was fetched? */
export const moreClosed = signal(true);

/** The team's closed chats, a page at a time: the snapshot holds only the latest of one's own. */
export async function fetchClosed() {
  try {
    const query = closedBefore === null ? "" : `&before=${closedBefore}`;
    const { heads, more } = await getJson(`/api/conversations?state=closed&limit=50${query}`);
    world.value = heads.reduce(withHead, world.peek());
    closedBefore = heads.at(-1)?.closed_at ?? closedBefore;
    moreClosed.value = more;
  } catch (error) {
    if (codeOf(error) === "unauthorized") signIn();
    say(refusal(error), { tone: "bad" });
  }
}

export const closedFetched = () => closedBefore !== null;
