// The conversation: what the server says becomes state, what the visitor does becomes commands.

import { Connection } from "../shared/connection.js";
import { Outbox } from "../shared/outbox.js";
import { Thread } from "../shared/thread.js";
import { batch } from "../vendor/preact.js";
import { applied, unread } from "./episode.js";
import { Starter } from "./start.js";
import * as state from "./state.js";

/**
 * @typedef {import("../shared/wire.js").Frame} Frame
 * @typedef {import("../shared/wire.js").Ev} Ev
 * @typedef {import("../shared/errors.js").DeskbellError} DeskbellError
 */

const TYPING_MS = 6000;

export class Chat {
  thread = new Thread();
  /** @type {Outbox} */
  outbox;
  /** @type {Connection} */
  connection;
  /** Called with the agent's messages that arrive while we watch. @type {(ev: Ev) => void} */
  onMessage = () => {};
  starter = new Starter(this);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typingOver;

  /**
   * @param {import("./session.js").Session} session
   * @param {() => {url: string, title: string} | undefined} page where the visitor is
   */
  constructor(session, page) {
    this.session = session;
    this.page = page;
    this.outbox = new Outbox({ scope: state.site.key, onChange: (entries) => this.#unsentChanged(entries) });
    this.connection = new Connection({
      url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`,
      pollUrl: "/api/wire",
      credential: (options) => session.credential(options),
      position: () => this.#position(),
      onSnapshot: (snapshot) => this.#snapshot(snapshot),
      onFrame: (frame) => this.#frame(frame),
      onState: (link, code) => this.#linked(link, code),
      outbox: this.outbox,
    });
  }

  #position() {
    const c = state.conversation.peek()?.c;
    return c && this.thread.have > 0 ? { [c]: { public: this.thread.have } } : {};
  }

  /**
   * @param {import("../shared/connection.js").State} link
   * @param {number | string} [code]
   */
  #linked(link, code) {
    batch(() => {
      state.link.value = link;
      state.refusal.value = code;
      if (link !== "live") state.typing.value = null;
    });
    if (link === "live") {
      const page = this.page();
      if (page && state.open.peek()) this.quietly({ t: "page", ...page });
      void this.starter.ensure();
    }
  }

  /** @param {import("../shared/wire.js").VisitorSnapshot} snapshot */
  #snapshot(snapshot) {
    const before = state.conversation.peek();
    const now = snapshot.conversation;
    if (before && before.c !== now?.c) this.#clear();
    batch(() => {
      state.visitor.value = snapshot.visitor;
      state.available.value = snapshot.available;
      state.opensAt.value = snapshot.opens_at;
      state.full.value = snapshot.full ?? false;
      state.conversation.value = now && { ...now, choice: now.episode === before?.episode && before.choice };
      if (now?.score && state.ratingStep.peek() !== "thanks") state.ratingStep.value = "away";
    });
  }

  #clear() {
    this.thread = new Thread();
    state.events.value = [];
  }

  /** Signs in again, as whoever the session says by now; nothing that was written is lost. */
  reconnect() {
    const { state: link } = this.connection;
    this.connection.stop();
    if (link === "live" || state.opened.peek()) this.connection.start();
  }

  /** Forgets the person and their words: the page's `logout`. */
  forget() {
    this.connection.stop();
    for (const { m } of this.outbox.entries) this.outbox.discard(m);
    this.#clear();
    batch(() => {
      state.conversation.value = null;
      state.visitor.value = null;
      state.intro.value = { name: "", email: "", phone: "" };
      state.draft.value = "";
    });
  }

  /** @param {Frame} frame */
  #frame(frame) {
    const now = state.conversation.peek();
    switch (frame.t) {
      case "ev":
        this.#event(/** @type {any} */ (frame));
        break;
      case "queue":
        if (now) state.conversation.value = { ...now, position: frame.position, wait: frame.wait ?? null, choice: frame.choice ?? false };
        break;
      case "available":
        state.available.value = frame.available;
        state.opensAt.value = frame.opens_at;
        state.full.value = frame.full;
        break;
      case "eph":
        if (frame.kind === "typing" && frame.from?.kind === "agent") this.#typing(frame.data.on ? (frame.from.name ?? "") : null);
        if (frame.kind === "read" && now && frame.data.by === "agent" && frame.data.s > now.read.agent)
          state.conversation.value = { ...now, read: { ...now.read, agent: frame.data.s } };
        break;
      default:
    }
  }

  /** @param {string | null} name */
  #typing(name) {
    clearTimeout(this.#typingOver);
    state.typing.value = name;
    if (name !== null) this.#typingOver = setTimeout(() => (state.typing.value = null), TYPING_MS);
  }

  /** @param {Ev} ev */
  #event(ev) {
    if (ev.lane !== "public" || !this.thread.add(ev)) return;
    const before = state.conversation.peek();
    const news = !before || ev.s > before.public;
    batch(() => {
      state.events.value = this.thread.events;
      if (!news) return;
      state.conversation.value = applied(before, ev);
      if (ev.kind === "closed") state.ratingStep.value = "ask";
      if (ev.kind === "queued" || ev.kind === "joined") state.prefersMessage.value = false;
      if (ev.kind !== "message" || ev.from?.kind === "agent") this.#typing(null);
    });
    if (news && ev.kind === "message" && ev.from?.kind === "agent") this.onMessage(ev);
  }

  /** @param {readonly import("../shared/outbox.js").Entry[]} entries */
  #unsentChanged(entries) {
    state.unsent.value = entries;
    // The chat was closed, or is gone, under a message on its way: it opens the next one instead.
    for (const entry of entries)
      if (entry.state === "failed" && entry.kind === "send" && (entry.code === "conversation_closed" || entry.code === "not_found")) {
        queueMicrotask(() => {
          this.outbox.retry(entry.m, null);
          void this.starter.ensure();
        });
        return;
      }
  }

  /** @param {string} text */
  send(text) {
    const c = state.open.peek() ? (state.conversation.peek()?.c ?? null) : null;
    this.connection.post("send", { c, body: { text } });
    void this.starter.ensure();
  }

  /** @param {string} m */
  retry(m) {
    const c = state.open.peek() ? (state.conversation.peek()?.c ?? null) : null;
    this.outbox.retry(m, c);
    void this.starter.ensure();
  }

  /**
   * A command whose failure only matters to whoever looks at the result.
   * @param {Frame} frame
   * @returns {Promise<boolean>} did it work?
   */
  async attempt(frame) {
    state.trouble.value = null;
    try {
      await this.connection.command(frame);
      return true;
    } catch (error) {
      const { code } = /** @type {DeskbellError} */ (error);
      if (code === "conversation_closed") return true;
      state.trouble.value = code === "offline" ? "trouble.offline" : "trouble.again";
      return false;
    }
  }

  /** @param {Frame} frame one that may be lost */
  quietly(frame) {
    this.connection.command(frame).catch(() => {});
  }

  /** Pages the part of the conversation before what is shown. */
  async loadEarlier() {
    const c = state.conversation.peek()?.c;
    const first = this.thread.events[0];
    if (!c || !first || first.s <= 1) return;
    const page = await this.connection.command({ t: "sync", c, lane: "public", before: first.s, limit: 50 });
    if (this.thread.add(...page.events)) state.events.value = this.thread.events;
  }

  /** Says that everything so far has been seen. */
  markRead() {
    const now = state.conversation.peek();
    if (!now || this.connection.state !== "live" || unread(now, state.events.peek()) === 0) return;
    const s = this.thread.have;
    state.conversation.value = { ...now, read: { ...now.read, visitor: s } };
    this.quietly({ t: "read", c: now.c, s });
  }
}
