// One WebSocket to the server, kept alive: signs in, comes back by itself, resumes exactly. See docs/protocol.md.
// Knows nothing about pages: the widget and the console build on it.

import { Backoff } from "./backoff.js";
import { DeskbellError } from "./errors.js";
import { uuid7 } from "./ids.js";
import { Lanes } from "./lanes.js";
import { PollSocket } from "./poll_socket.js";
import { Requests } from "./requests.js";

/**
 * @typedef {import("./wire.js").Frame} Frame
 * @typedef {"connecting" | "live" | "reconnecting" | "offline" | "refused"} State
 *   reconnecting: just lost, trying · offline: out of reach for several attempts, still trying · refused: will not try again
 * @typedef {{
 *   url: string,
 *   pollUrl?: string,
 *   credential: (options: {fresh: boolean}) => Promise<string>,
 *   position?: () => import("./wire.js").Positions,
 *   onSnapshot?: (snapshot: any) => void,
 *   onFrame?: (frame: Frame) => void,
 *   onState?: (state: State, code?: number | string) => void,
 *   outbox?: import("./outbox.js").Outbox,
 * }} Options
 *   pollUrl: where the same goes over plain HTTP, for networks that block WebSocket
 *   credential: `fresh` after the server refused the last one; a DeskbellError without `retry` ends the attempts
 *   position: what the caller holds, asked at every sign-in; left out, what this connection has applied
 *   onFrame: `ev` in order and without holes, and every frame that is not an answer
 */

const SILENT_MS = 50_000;
const CONNECT_MS = 12_000;
const BAD_CREDENTIAL = 4500;
const BLOCKED_AFTER = 2;

export class Connection {
  /** @type {State} */
  state = "connecting";
  /** @type {WebSocket | PollSocket | null} */
  #socket = null;
  /** Attempts in a row whose WebSocket did not open. */
  #blocked = 0;
  #requests = new Requests();
  #heardAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watch;
  #backoff = new Backoff();
  #running = false;
  /** Rises with every attempt, so that an answer to an abandoned one is recognised. */
  #attempt = 0;
  #refusals = 0;
  #options;
  /** @type {Lanes} */
  lanes;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.lanes = new Lanes(
      (ev) => {
        options.onFrame?.(ev);
        if (ev.m) options.outbox?.seen(ev.m);
      },
      (c, lane, after) => this.command({ t: "sync", c, lane, after, limit: 200 }),
    );
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#refusals = 0;
    addEventListener("online", this.#nudge);
    document.addEventListener("visibilitychange", this.#nudge);
    this.#watch = setInterval(() => this.#checkSilence(), 5000);
    void this.#options.outbox?.load();
    this.#become("connecting");
    void this.#connect();
  }

  stop() {
    this.#running = false;
    removeEventListener("online", this.#nudge);
    document.removeEventListener("visibilitychange", this.#nudge);
    clearInterval(this.#watch);
    clearTimeout(this.#timer);
    this.#attempt += 1;
    this.#drop();
  }

  /**
   * Sends a command now and waits for its answer.
   * @param {Frame} frame without `id`
   * @returns {Promise<any>} the `ok` frame; rejects with a DeskbellError
   */
  command(frame) {
    if (this.state !== "live") return Promise.reject(new DeskbellError("offline", { retry: true }));
    return this.#ask(frame);
  }

  /**
   * Hands a message to the outbox, which sends it as soon and as often as needed.
   * @param {import("./outbox.js").Kind} kind
   * @param {{c?: string | null, m?: string, [field: string]: any}} message
   * @returns {string} its message id
   */
  post(kind, { c = null, m = uuid7(), ...fields }) {
    const outbox = this.#options.outbox;
    if (!outbox) throw new Error("this connection has no outbox");
    outbox.add(kind, m, c, fields);
    return m;
  }

  async #connect() {
    clearTimeout(this.#timer);
    this.#drop();
    const attempt = (this.#attempt += 1);
    this.#timer = setTimeout(() => this.#lost(), CONNECT_MS);
    /** @type {string} */
    let token;
    try {
      token = await this.#options.credential({ fresh: this.#refusals > 0 });
    } catch (error) {
      if (attempt !== this.#attempt) return;
      const { retry, after_ms, code } = /** @type {DeskbellError} */ (error);
      if (code && !retry) this.#refuse(code);
      else this.#lost(after_ms);
      return;
    }
    if (attempt !== this.#attempt) return;
    const { url, pollUrl } = this.#options;
    const polling = pollUrl && this.#blocked >= BLOCKED_AFTER;
    /** @type {WebSocket | PollSocket} */
    const socket = polling ? new PollSocket(pollUrl) : new WebSocket(url, ["deskbell.v1"]);
    this.#socket = socket;
    // A socket that never opens may be blocked, or the server may be away: then polling fails too, and both are tried in turn.
    this.#blocked = polling ? 0 : this.#blocked + 1;
    socket.onopen = () => {
      if (!polling) this.#blocked = 0;
      const positions = this.#options.position?.() ?? this.lanes.positions();
      this.lanes.reset(positions);
      this.#ask({ t: "hello", token, caps: ["batch"], pos: positions }).catch(() => {});
    };
    socket.onmessage = (/** @type {{data: unknown}} */ event) => {
      this.#heardAt = Date.now();
      for (const line of String(event.data).split("\n")) if (line) this.#receive(line);
    };
    socket.onclose = (/** @type {{code: number}} */ event) => this.#closed(event.code);
  }

  /** @param {string} line */
  #receive(line) {
    /** @type {Frame} */
    let frame;
    try {
      frame = JSON.parse(line);
    } catch {
      return;
    }
    const { onFrame, onSnapshot, outbox } = this.#options;
    switch (frame.t) {
      case "ok":
        for (const ev of frame.events ?? []) if (ev.m) outbox?.seen(ev.m);
        this.#requests.answered(frame);
        break;
      case "err":
        this.#requests.answered(frame);
        break;
      case "ping":
        this.#socket?.send('{"t":"pong"}');
        this.#backoff.spread(frame.spread_ms);
        break;
      case "snapshot":
        if (this.#socket instanceof PollSocket) this.#blocked = BLOCKED_AFTER;
        clearTimeout(this.#timer);
        this.#backoff.reset();
        this.#refusals = 0;
        onSnapshot?.(frame);
        this.#become("live");
        outbox?.connected(this.#ask);
        break;
      case "ev":
        this.lanes.receive(/** @type {any} */ (frame));
        break;
      case "gap":
        this.lanes.catchUp(frame.c, frame.lane, frame.head, frame.have);
        break;
      case "reconnect":
        this.#backoff.wait(frame.after_ms);
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#lost(0), frame.after_ms);
        break;
      default:
        onFrame?.(frame);
    }
  }

  /** @type {(frame: Frame) => Promise<any>} */
  #ask = (frame) => this.#requests.ask(frame, (text) => this.#socket?.send(text));

  /** @param {number} code */
  #closed(code) {
    if (code === BAD_CREDENTIAL && this.#refusals === 0) {
      this.#refusals = 1;
      this.#lost(0);
    } else if (code >= 4500 && code < 5000) this.#refuse(code);
    else this.#lost();
  }

  /** @param {number | string} code */
  #refuse(code) {
    this.stop();
    this.#become("refused", code);
  }

  /** @param {number} [afterMs] */
  #lost(afterMs) {
    this.#attempt += 1;
    this.#drop();
    if (!this.#running) return;
    const wait = this.#backoff.next(afterMs);
    this.#become(this.#backoff.failures > 2 || !navigator.onLine ? "offline" : "reconnecting");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#connect(), wait);
  }

  // Lets go of the socket without waiting for a goodbye that may never come.
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this.#options.outbox?.disconnected();
    this.#requests.abandon();
  }

  #checkSilence() {
    if (this.state === "live" && Date.now() - this.#heardAt > SILENT_MS) this.#lost(0);
  }

  /** The network is back, or somebody looks at the page again: don't sit out the rest of the wait. */
  #nudge = () => {
    if (document.hidden) return;
    this.#checkSilence();
    if (this.state === "offline" || (this.state === "reconnecting" && !this.#socket)) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#connect(), Math.random() * 500);
    }
  };

  /**
   * @param {State} state
   * @param {number | string} [code]
   */
  #become(state, code) {
    if (this.state === state && state !== "connecting") return;
    this.state = state;
    this.#options.onState?.(state, code);
  }
}
