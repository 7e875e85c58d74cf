// The events of one lane of one conversation, in order, however they arrive: live, resumed or paged from the past.

/** @typedef {import("./wire.js").Ev} Ev */

export class Thread {
  /** @type {readonly Ev[]} ascending; a new array whenever something changed */
  events = [];

  /** The highest sequence number held: the position for `hello`. */
  get have() {
    return this.events.at(-1)?.s ?? 0;
  }

  /** Is there something earlier that can be paged in? */
  get hasEarlier() {
    const first = this.events[0];
    return first !== undefined && first.s > 1;
  }

  /**
   * @param {Ev[]} events
   * @returns {boolean} did anything change?
   */
  add(...events) {
    const known = new Set(this.events.map((ev) => ev.s));
    const fresh = events.filter((ev) => !known.has(ev.s));
    if (fresh.length === 0) return false;
    const appends = fresh.length === 1 && /** @type {Ev} */ (fresh[0]).s > this.have;
    this.events = appends ? [...this.events, ...fresh] : [...this.events, ...fresh].sort((a, b) => a.s - b.s);
    return true;
  }
}
