// Messages that were written but not yet acknowledged. They keep their order and their id, survive a reload,
// and are sent again verbatim until the server has them: see "Sending, exactly once" in docs/protocol.md.

import { memoryStorage, openStorage } from "./outbox_storage.js";

/**
 * @typedef {import("./errors.js").DeskbellError} DeskbellError
 * @typedef {"send" | "note" | "leave_message"} Kind
 * @typedef {{
 *   m: string, scope: string, n: number, kind: Kind, c: string | null, fields: Record<string, any>, at: number,
 *   state: "pending" | "sent" | "failed", code?: string, s?: number,
 * }} Entry `sent` ones stay (in memory only) until their event arrives, so that nothing flickers
 * @typedef {(frame: {t: string, [field: string]: any}) => Promise<any>} Send
 */

const IN_FLIGHT = 16;

export class Outbox {
  /** @type {Entry[]} in the order they were written */
  entries = [];
  /** @type {import("./outbox_storage.js").Storage} */
  #storage = memoryStorage();
  /** @type {Promise<void> | null} */
  #loading = null;
  /** @type {Send | null} null while there is no connection */
  #send = null;
  /** @type {Set<string>} */
  #inFlight = new Set();
  /** @type {Map<string, {until: number, timer: ReturnType<typeof setTimeout>}>} queues that wait before they try again */
  #resting = new Map();
  #scope;
  #onChange;

  /**
   * @param {{scope: string, onChange?: (entries: Entry[]) => void}} options `scope`: whose messages, e.g. `s_demo:visitor-id`
   */
  constructor({ scope, onChange = () => {} }) {
    this.#scope = scope;
    this.#onChange = onChange;
  }

  /** Reads what an earlier page left behind. Safe to call again. */
  load() {
    return (this.#loading ??= this.#load());
  }

  async #load() {
    this.#storage = await openStorage();
    const kept = await this.#storage.all(this.#scope).catch(() => []);
    const fresh = this.entries.filter((entry) => !kept.some((old) => old.m === entry.m));
    for (const entry of fresh) if (entry.state !== "sent") this.#keep(entry);
    this.entries = [...kept.sort((a, b) => a.n - b.n), ...fresh];
    this.#changed();
  }

  /**
   * @param {Kind} kind
   * @param {string} m
   * @param {string | null} c null: not known yet, see `assign`
   * @param {Record<string, any>} fields what goes into the frame beside t, id, c and m
   * @returns {Entry}
   */
  add(kind, m, c, fields) {
    const now = Date.now();
    const n = Math.max(now, (this.entries.at(-1)?.n ?? 0) + 1);
    /** @type {Entry} */
    const entry = { m, scope: this.#scope, n, kind, c, fields, at: now, state: "pending" };
    this.entries = [...this.entries, entry];
    this.#keep(entry);
    this.#changed();
    return entry;
  }

  /**
   * Gives the messages that were written before their conversation existed (or was open again) their conversation.
   * @param {string} c
   */
  assign(c) {
    this.entries = this.entries.map((entry) => {
      if (entry.c !== null || entry.kind === "leave_message") return entry;
      const assigned = { ...entry, c };
      this.#keep(assigned);
      return assigned;
    });
    this.#changed();
  }

  /** Is a message waiting for `assign`? */
  get unassigned() {
    return this.entries.some((entry) => entry.c === null && entry.state === "pending" && entry.kind !== "leave_message");
  }

  /**
   * Sends a failed message again: same id, same words, now at the end of the line.
   * @param {string} m
   * @param {string | null} [c] its conversation, when that has to be opened again first: null
   */
  retry(m, c) {
    const entry = this.entries.find((one) => one.m === m);
    if (entry?.state !== "failed") return;
    this.discard(m);
    const { code, ...rest } = entry;
    const n = Math.max(Date.now(), (this.entries.at(-1)?.n ?? 0) + 1);
    /** @type {Entry} */
    const again = { ...rest, n, c: c === undefined ? entry.c : c, state: "pending" };
    this.entries = [...this.entries, again];
    this.#keep(again);
    this.#changed();
  }

  /** @param {string} m */
  discard(m) {
    this.entries = this.entries.filter((entry) => entry.m !== m);
    void this.#storage.remove(m).catch(() => {});
    this.#changed();
  }

  /**
   * Its event has arrived: the conversation shows it from now on.
   * @param {string} m
   */
  seen(m) {
    if (this.entries.some((entry) => entry.m === m)) this.discard(m);
  }

  /** @param {Send} send the connection is live: everything unacknowledged goes out again, in order */
  connected(send) {
    this.#send = send;
    this.#inFlight.clear();
    for (const { timer } of this.#resting.values()) clearTimeout(timer);
    this.#resting.clear();
    this.#flush();
  }

  disconnected() {
    this.#send = null;
  }

  #changed() {
    this.#onChange(this.entries);
    this.#flush();
  }

  #flush() {
    const send = this.#send;
    if (!send) return;
    /** @type {Map<string, number>} */
    const flying = new Map();
    for (const entry of this.entries) {
      const queue = queueOf(entry);
      if (entry.state !== "pending" || queue === null || this.#resting.has(queue)) continue;
      const count = (flying.get(queue) ?? 0) + 1;
      flying.set(queue, count);
      if (count > IN_FLIGHT || this.#inFlight.has(entry.m)) continue;
      this.#inFlight.add(entry.m);
      const target = entry.kind === "leave_message" ? {} : { c: entry.c };
      send({ t: entry.kind, m: entry.m, ...target, ...entry.fields }).then(
        (ok) => this.#send === send && this.#acknowledged(entry.m, ok),
        (error) => this.#send === send && this.#refused(entry, error),
      );
    }
  }

  /**
   * @param {string} m
   * @param {{s?: number, at?: number}} ok
   */
  #acknowledged(m, ok) {
    this.#inFlight.delete(m);
    void this.#storage.remove(m).catch(() => {});
    this.#change(m, { state: "sent", s: ok.s, at: ok.at ?? Date.now() });
  }

  /**
   * @param {Entry} entry
   * @param {DeskbellError} error
   */
  #refused(entry, error) {
    this.#inFlight.delete(entry.m);
    if (!error.retry) {
      const failed = this.#change(entry.m, { state: "failed", code: error.code });
      if (failed) this.#keep(failed);
      return;
    }
    // Everything behind it comes back as out_of_order; the whole queue rests, then starts again from this one.
    this.#rest(queueOf(entry) ?? "", error.after_ms ?? (error.code === "out_of_order" ? 50 : 1000 + Math.random() * 1000));
  }

  /**
   * @param {string} queue
   * @param {number} wait
   */
  #rest(queue, wait) {
    const until = Date.now() + wait;
    const resting = this.#resting.get(queue);
    if (resting && resting.until >= until) return;
    clearTimeout(resting?.timer);
    const timer = setTimeout(() => {
      this.#resting.delete(queue);
      // Wait for the last answers: an overtaking resend would break the order.
      if (this.entries.some((entry) => queueOf(entry) === queue && this.#inFlight.has(entry.m))) this.#rest(queue, 50);
      else this.#flush();
    }, wait);
    this.#resting.set(queue, { until, timer });
  }

  /**
   * @param {string} m
   * @param {Partial<Entry>} change
   */
  #change(m, change) {
    /** @type {Entry | undefined} */
    let changed;
    this.entries = this.entries.map((entry) => (entry.m === m ? (changed = { ...entry, ...change }) : entry));
    this.#changed();
    return changed;
  }

  /** @param {Entry} entry */
  #keep(entry) {
    void this.#storage.put(entry).catch(() => {});
  }
}

/**
 * Messages of one conversation wait for each other; null: cannot go yet.
 * @param {Entry} entry
 */
function queueOf(entry) {
  return entry.kind === "leave_message" ? "leave_message" : entry.c;
}
