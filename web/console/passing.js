/**
 * Passing a chat on to a colleague or another team.
 *
 * @typedef {{id: string, name: string, takes_chats: boolean, room: boolean}} Colleague
 * @typedef {{id: string, name: string, available: boolean}} OtherTeam
 * @typedef {{agents: readonly Colleague[], teams: readonly OtherTeam[]}} Colleagues
 * @typedef {{kind: "agent"|"team", id: string, name: string, why: string|null}} Target `why` it can't be chosen
 */

import { signal } from "../vendor/preact.js";
import { getJson } from "../shared/http.js";
import { command } from "./link.js";
import { world } from "./state/desk.js";
import { go, place } from "./state/place.js";
import { say } from "./toasts.js";
import { codeOf, refusal } from "./words.js";

/** The chat that the dialog is about; null while it is closed. @type {import("../vendor/preact.js").Signal<string|null>} */
export const passing = signal(/** @type {string|null} */ (null));
/** Whom it can go to; null until the server has answered. @type {import("../vendor/preact.js").Signal<readonly Target[]|null>} */
export const targets = signal(/** @type {readonly Target[]|null} */ (null));

/** Is the dialog about who gets a waiting chat? */
export const assigning = signal(false);

/** @param {string} c @param {boolean} [assign] it waits, and a supervisor says who gets it */
export async function beginPassing(c, assign = false) {
  assigning.value = assign;
  passing.value = c;
  targets.value = null;
  try {
    const all = listed(await getJson("/api/colleagues"));
    targets.value = assign ? all.filter(({ kind }) => kind === "agent") : all;
  } catch (error) {
    passing.value = null;
    say(refusal(error), { tone: "bad" });
  }
}

/** Those who can take it first. @param {Colleagues} found @returns {Target[]} */
function listed({ agents, teams }) {
  /** @type {Target[]} */
  const all = [
    ...agents.map(({ id, name, takes_chats, room }) => {
      const why = !takes_chats ? "takes no chats now" : room ? null : "has no room";
      return { kind: /** @type {const} */ ("agent"), id, name, why };
    }),
    ...teams.map(({ id, name, available }) => {
      return { kind: /** @type {const} */ ("team"), id, name, why: available ? null : "nobody takes chats now" };
    }),
  ];
  return [...all.filter(({ why }) => why === null), ...all.filter(({ why }) => why !== null)];
}

/**
 * @param {string} c
 * @param {Target} target
 * @param {string} note
 * @returns {Promise<string|null>} why not, in words; null when it is done
 */
export async function passOn(c, target, note) {
  const head = world.peek().heads[c];
  if (!head) return "This chat isn't there any more.";
  try {
    if (assigning.peek()) {
      await command({ t: "assign", c, gen: head.gen, agent: target.id });
      say(`Given to ${target.name}. If their console doesn't answer, the chat is back in line at its old place.`);
      return null;
    }
    await command({ t: "transfer", c, gen: head.gen, [target.kind]: target.id, ...(note.trim() && { note: note.trim() }) });
  } catch (error) {
    // About somebody else: the server's own sentence names them.
    return ["no_agents", "at_capacity"].includes(codeOf(error)) && error instanceof Error ? error.message : refusal(error);
  }
  const waits = target.kind === "agent" ? "If they don't take it, it comes back to you." : "If nobody takes it within two minutes, it comes back to you.";
  say(`Passed to ${target.name}. ${waits}`);
  if (place.peek().c === c && place.peek().list === "mine") go({ c: null });
  return null;
}
