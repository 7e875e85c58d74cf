/** What the composer does: which tab, what stands in the way of sending, and sending itself. */

import { signal } from "../vendor/preact.js";
import { openPlaces } from "../shared/canned.js";
import { codePoints } from "../shared/text.js";
import { draftOf, keepDraft } from "./drafts.js";
import { command, post } from "./link.js";

/** @typedef {import("./drafts.js").Mode} Mode */

export const LONGEST = 5000;
const TYPING_MS = 3000;

/** @type {import("../vendor/preact.js").Signal<Mode>} */
export const mode = signal(/** @type {Mode} */ ("reply"));

/** Asks the composer to take the focus, writing something first if given. @type {import("../vendor/preact.js").Signal<{insert: string}|null>} */
export const wanted = signal(null);

/** @param {Mode} next @param {string} [insert] */
export function write(next, insert = "") {
  mode.value = next;
  wanted.value = { insert };
}

/**
 * Why a text can't go yet, in words; null when it can, "" when there is nothing to send.
 * @param {string} text
 * @returns {string|null}
 */
export function obstacle(text) {
  if (text.trim() === "") return "";
  const length = codePoints(text.trim());
  if (length > LONGEST) {
    const over = (length - LONGEST).toLocaleString();
    return `${over} characters too many for one message. Your draft is kept: shorten it or send it in parts.`;
  }
  if (openPlaces(text).length > 0) return "Fill in the highlighted part first; Tab takes you there.";
  return null;
}

/** @param {string} c @returns {boolean} was it handed over */
export function submit(c) {
  const draft = draftOf(c, mode.peek());
  if (obstacle(draft.text) !== null) return false;
  const text = draft.text.trim();
  if (mode.peek() === "note") post("note", c, { text });
  else post("send", c, draft.canned ? { text, canned: draft.canned } : { text });
  keepDraft(c, mode.peek(), { text: "" });
  tellTyping(c, false);
  return true;
}

let toldAt = -Infinity;
let toldOf = "";

/** The visitor sees that somebody writes: told at most every three seconds. @param {string} c @param {boolean} on */
export function tellTyping(c, on) {
  const now = performance.now();
  if (on && toldOf === c && now - toldAt < TYPING_MS) return;
  if (!on && toldOf !== c) return;
  toldOf = on ? c : "";
  toldAt = now;
  command({ t: "typing", c, on }).catch(() => {});
}
