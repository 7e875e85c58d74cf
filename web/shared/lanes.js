// The receiver rule of docs/protocol.md: every lane of a conversation is applied in order, without holes.

/**
 * @typedef {import("./wire.js").Ev} Ev
 * @typedef {import("./wire.js").LaneName} LaneName
 * @typedef {{c: string, name: LaneName, have: number, held: Map<number, Ev>, target: number, syncing: boolean}} Lane
 */

export class Lanes {
  /** @type {Map<string, Lane>} */
  #lanes = new Map();
  #apply;
  #fetch;

  /**
   * @param {(ev: Ev) => void} apply called once for every event, in order
   * @param {(c: string, lane: LaneName, after: number) => Promise<{events: Ev[], more: boolean}>} fetch one page of what was missed
   */
  constructor(apply, fetch) {
    this.#apply = apply;
    this.#fetch = fetch;
  }

  /**
   * Declares where a lane stands. Without it the first event that arrives is taken as the start.
   * @param {string} c
   * @param {LaneName} name
   * @param {number} have
   */
  begin(c, name, have) {
    this.#lanes.set(`${c} ${name}`, { c, name, have, held: new Map(), target: have, syncing: false });
  }

  /** @param {string} c */
  forget(c) {
    this.#lanes.delete(`${c} public`);
    this.#lanes.delete(`${c} internal`);
  }

  /** @param {import("./wire.js").Positions} positions */
  reset(positions) {
    this.#lanes.clear();
    for (const [c, lanes] of Object.entries(positions)) {
      if (lanes.public !== undefined) this.begin(c, "public", lanes.public);
      if (lanes.internal !== undefined) this.begin(c, "internal", lanes.internal);
    }
  }

  /** @returns {import("./wire.js").Positions} */
  positions() {
    /** @type {import("./wire.js").Positions} */
    const positions = {};
    for (const lane of this.#lanes.values()) (positions[lane.c] ??= {})[lane.name] = lane.have;
    return positions;
  }

  /** @param {Ev} ev */
  receive(ev) {
    const lane = this.#lanes.get(`${ev.c} ${ev.lane}`);
    if (!lane) {
      this.begin(ev.c, ev.lane, ev.s);
      this.#apply(ev);
    } else if (ev.s === lane.have + 1 && !lane.syncing) {
      this.#take(lane, ev);
    } else if (ev.s > lane.have) {
      lane.held.set(ev.s, ev);
      void this.#mend(lane);
    }
  }

  /**
   * Fetches what lies between what we have and `upTo`: after a `gap`, or when a head is ahead of us.
   * @param {string} c
   * @param {LaneName} name
   * @param {number} upTo
   * @param {number} [have] where to begin when the lane is not known yet
   */
  catchUp(c, name, upTo, have = 0) {
    if (!this.#lanes.has(`${c} ${name}`)) this.begin(c, name, have);
    const lane = /** @type {Lane} */ (this.#lanes.get(`${c} ${name}`));
    lane.target = Math.max(lane.target, upTo);
    if (lane.target > lane.have) void this.#mend(lane);
  }

  /**
   * @param {Lane} lane
   * @param {Ev} ev
   */
  #take(lane, ev) {
    lane.have = ev.s;
    this.#apply(ev);
  }

  /** @param {Lane} lane */
  #drain(lane) {
    for (let next = lane.held.get(lane.have + 1); next; next = lane.held.get(lane.have + 1)) this.#take(lane, next);
    for (const s of lane.held.keys()) if (s <= lane.have) lane.held.delete(s);
  }

  /** @param {Lane} lane */
  async #mend(lane) {
    if (lane.syncing) return;
    lane.syncing = true;
    try {
      while (this.#current(lane) && !this.#whole(lane)) {
        const page = await this.#fetch(lane.c, lane.name, lane.have);
        if (!this.#current(lane)) return;
        for (const ev of page.events) if (ev.s === lane.have + 1) this.#take(lane, ev);
        this.#drain(lane);
        if (this.#whole(lane)) return;
        if (page.events.length === 0 && !page.more) {
          // The server has nothing in between: go on with what is here rather than wait for ever.
          lane.have = lane.held.size > 0 ? Math.min(...lane.held.keys()) - 1 : lane.target;
          this.#drain(lane);
        }
      }
    } catch (error) {
      // The connection went, or the server could not answer. After the next hello this lane is a new one.
      const { retry, after_ms } = /** @type {import("./errors.js").DeskbellError} */ (error);
      if (retry) setTimeout(() => this.#current(lane) && void this.#mend(lane), after_ms ?? 1500);
    } finally {
      lane.syncing = false;
    }
  }

  /** @param {Lane} lane */
  #whole(lane) {
    return lane.held.size === 0 && lane.have >= lane.target;
  }

  /** @param {Lane} lane */
  #current(lane) {
    return this.#lanes.get(`${lane.c} ${lane.name}`) === lane;
  }
}
