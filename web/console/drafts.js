/**
 * What an agent has written but not sent, per conversation and tab of the composer. Kept in this
 * browser under the agent's id, so two people at one machine never see each other's words.
 *
 * @typedef {'reply'|'note'} Mode
 * @typedef {{text: string, canned?: string}} Draft
 */

import { signal } from "../vendor/preact.js";

/** Keys `<c>/<mode>` of the current agent. @type {import('../vendor/preact.js').Signal<Readonly<Record<string, Draft>>>} */
const held = signal({});
let prefix = "";

/** Reads the drafts of this agent. @param {string} agent */
export function openDrafts(agent) {
  const wanted = `deskbell.draft.${agent}.`;
  if (wanted === prefix) return;
  prefix = wanted;
  /** @type {Record<string, Draft>} */
  const found = {};
  for (const key of storedKeys()) {
    const draft = key.startsWith(prefix) ? parsed(read(key)) : null;
    if (draft) found[key.slice(prefix.length)] = draft;
  }
  held.value = found;
}

/** @param {string} c @param {Mode} mode @returns {Draft} */
export function draftOf(c, mode) {
  return held.value[`${c}/${mode}`] ?? { text: "" };
}

/** @param {string} c */
export function hasDraft(c) {
  return draftOf(c, "reply").text.trim() !== "" || draftOf(c, "note").text.trim() !== "";
}

/** @param {string} c @param {Mode} mode @param {Draft} draft */
export function keepDraft(c, mode, draft) {
  const key = `${c}/${mode}`;
  if (draft.text === "") {
    const { [key]: _gone, ...rest } = held.value;
    held.value = rest;
  } else {
    held.value = { ...held.value, [key]: draft };
  }
  write(prefix + key, draft.text === "" ? null : JSON.stringify(draft));
}

/** @returns {string[]} */
function storedKeys() {
  try {
    return Object.keys(localStorage);
  } catch {
    return [];
  }
}

/** @param {string} key */
function read(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Storage can be full or forbidden; the draft then lives as long as the page. @param {string} key @param {string|null} value */
function write(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // The signal above still holds it.
  }
}

/** @param {string|null} raw @returns {Draft|null} */
function parsed(raw) {
  try {
    const draft = JSON.parse(raw ?? "null");
    return typeof draft?.text === "string" && draft.text ? draft : null;
  } catch {
    return null;
  }
}
