/**
 * Where the agent is: which list, which conversation, is the context panel open. It lives in the address
 * (`#/mine/<id>`), so Back, reload and a second tab do what people expect.
 *
 * @typedef {import("./lists.js").ListName} ListName
 * @typedef {{list: ListName, c: string|null}} Place
 */

import { signal } from "../../vendor/preact.js";
import { listNames } from "./lists.js";

const wide = matchMedia("(min-width: 1180px)");

export const place = signal(parsed(location.hash));

/** Is the context panel shown? It begins open where there is room for it. */
export const infoOpen = signal(wide.matches && remembered() !== "closed");

addEventListener("hashchange", arrive);

function arrive() {
  const next = parsed(location.hash);
  const { list, c } = place.peek();
  if (next.list === list && next.c === c) return;
  if (next.c !== c && !wide.matches) infoOpen.value = false;
  place.value = next;
}

/** @param {Partial<Place>} next */
export function go(next) {
  const { list, c } = { ...place.peek(), ...next };
  const hash = hrefOf(list, c);
  if (location.hash === hash) return;
  location.hash = hash;
  // At once, not with the event: a key that follows on the heels of this one is meant for the chat it opened.
  arrive();
}

/** The address of a place, for links. @param {ListName} list @param {string|null} [c] */
export function hrefOf(list, c) {
  return c ? `#/${list}/${c}` : `#/${list}`;
}

export function toggleInfo() {
  infoOpen.value = !infoOpen.value;
  if (!wide.matches) return;
  try {
    localStorage.setItem("deskbell.info", infoOpen.value ? "open" : "closed");
  } catch {
    // It is only a preference; without storage it lasts as long as the page.
  }
}

function remembered() {
  try {
    return localStorage.getItem("deskbell.info");
  } catch {
    return null;
  }
}

/** @param {string} hash @returns {Place} */
function parsed(hash) {
  const [, list = "", c = ""] = hash.split("/");
  const known = listNames.find((name) => name === list);
  return { list: known ?? "mine", c: known && /^[0-9a-f-]{36}$/.test(c) ? c : null };
}
