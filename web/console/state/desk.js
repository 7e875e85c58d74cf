/** What the whole console shares: signals that the views read and `link.js` writes. */

import { computed, signal } from "../../vendor/preact.js";
import { listed, unreadChats } from "./lists.js";
import { place } from "./place.js";
import { nothing } from "./store.js";

/** @type {import("../../vendor/preact.js").Signal<import("./store.js").World>} */
export const world = signal(nothing);

/** @typedef {"connecting"|"live"|"reconnecting"|"offline"|"refused"} LinkState */
/** @type {import("../../vendor/preact.js").Signal<LinkState>} */
export const linkState = signal("connecting");

/** Messages on their way, oldest first. @type {import("../../vendor/preact.js").Signal<readonly import("./timeline.js").Outgoing[]>} */
export const outgoing = signal([]);

/** Chats marked unread by hand, until they are opened again. @type {import("../../vendor/preact.js").Signal<ReadonlySet<string>>} */
export const marked = signal(new Set());

/** Conversations whose earlier page is being fetched. @type {import("../../vendor/preact.js").Signal<ReadonlySet<string>>} */
export const paging = signal(new Set());

/** Conversations that the server doesn't know, or won't show to this agent. @type {import("../../vendor/preact.js").Signal<ReadonlySet<string>>} */
export const missing = signal(new Set());

export const rows = computed(() => listed(world.value, place.value.list));

export const open = computed(() => {
  const { c } = place.value;
  return c ? (world.value.heads[c] ?? null) : null;
});

export const unreadCount = computed(() => unreadChats(world.value, marked.value).length);

/** @template T @param {ReadonlySet<T>} set @param {T} item @returns {ReadonlySet<T>} */
export function including(set, item) {
  return new Set([...set, item]);
}

/** @template T @param {ReadonlySet<T>} set @param {T} item @returns {ReadonlySet<T>} */
export function excluding(set, item) {
  const rest = new Set(set);
  rest.delete(item);
  return rest;
}
