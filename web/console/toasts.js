/**
 * Short sentences about what just happened. Bad news stays until it is read; the rest goes by itself.
 *
 * @typedef {{id: number, text: string, tone: "plain"|"bad", action: {label: string, run: () => void}|null}} Toast
 */

import { signal } from "../vendor/preact.js";

const SHOWN_MS = 6000;
const MOST = 3;
let last = 0;

/** @type {import("../vendor/preact.js").Signal<readonly Toast[]>} */
export const toasts = signal([]);

/**
 * @param {string} text
 * @param {{tone?: "plain"|"bad", action?: {label: string, run: () => void}}} [more]
 */
export function say(text, { tone = "plain", action } = {}) {
  const id = ++last;
  const others = toasts.value.filter((toast) => toast.text !== text);
  toasts.value = [...others, { id, text, tone, action: action ?? null }].slice(-MOST);
  setTimeout(() => dismiss(id), tone === "bad" ? SHOWN_MS * 2 : SHOWN_MS);
}

/** @param {number} id */
export function dismiss(id) {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
