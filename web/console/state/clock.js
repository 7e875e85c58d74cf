/** One clock for every timer on the page, in the server's time. */

import { computed, signal } from "../../vendor/preact.js";
import { dayKey } from "../../shared/time.js";
import { world } from "./desk.js";

/** Ticks once a second. @type {import("../../vendor/preact.js").Signal<number>} */
export const now = signal(Date.now());

/** Changes at midnight only: for what depends on the day, not on the second. */
export const today = computed(() => dayKey(now.value));

export function startClock() {
  const tick = () => (now.value = Date.now() + world.peek().skew);
  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);
}

/** A wait as a screen reader says it. @param {number} ms */
export function lastedInWords(ms) {
  const minutes = Math.floor(Math.max(0, ms) / 60_000);
  if (minutes < 1) return "less than a minute";
  if (minutes < 60) return minutes === 1 ? "1 minute" : `${minutes} minutes`;
  const hours = Math.floor(minutes / 60);
  return hours === 1 ? "over an hour" : `over ${hours} hours`;
}

/** How long a wait is allowed to feel calm. @param {number} ms @returns {"calm"|"long"|"late"} */
export function urgency(ms) {
  return ms >= 120_000 ? "late" : ms >= 60_000 ? "long" : "calm";
}
