/** The canned replies that this agent may use, fetched when first asked for and again after a while. */

import { signal } from "../../vendor/preact.js";
import { getJson } from "../../shared/http.js";
import { signIn } from "../sign_in.js";
import { codeOf } from "../words.js";

/** @typedef {import("./match.js").Reply} Reply */

const FRESH_MS = 60_000;
let fetchedAt = -Infinity;

/** Null until they are here. @type {import("../../vendor/preact.js").Signal<readonly Reply[]|null>} */
export const replies = signal(null);
export const unreachable = signal(false);

export async function refreshReplies() {
  if (performance.now() - fetchedAt < FRESH_MS) return;
  fetchedAt = performance.now();
  try {
    replies.value = (await getJson("/api/canned")).replies;
    unreachable.value = false;
  } catch (error) {
    if (codeOf(error) === "unauthorized") signIn();
    fetchedAt = -Infinity;
    unreachable.value = true;
  }
}

/** Other teams' replies don't fit here. @param {readonly Reply[]} all @param {string} team */
export function usableFor(all, team) {
  return all.filter((reply) => reply.scope !== "team" || !reply.team || reply.team.id === team);
}
