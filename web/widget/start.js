// Messages may be written before there is a chat, or after the last one ended. They wait in the outbox without a
// conversation until `start` has opened one.

import { batch } from "../vendor/preact.js";
import * as state from "./state.js";

/** @typedef {import("../shared/errors.js").DeskbellError} DeskbellError */

export class Starter {
  #busy = false;
  #chat;

  /** @param {import("./chat.js").Chat} chat */
  constructor(chat) {
    this.#chat = chat;
  }

  /** Opens a chat if a message waits for one. Called whenever that may have become possible. */
  async ensure() {
    const { outbox, connection } = this.#chat;
    if (this.#busy || !outbox.unassigned || connection.state !== "live") return;
    this.#busy = true;
    let again = 0;
    try {
      const { name, email } = state.intro.peek();
      const page = this.#chat.page();
      const introduced = { ...(name && { name }), ...(email && { email }) };
      const ok = await connection.command({ t: "start", ...introduced, ...(page && { page }), language: navigator.language });
      const now = state.conversation.peek();
      if (!now || now.c !== ok.c || ok.conversation.public >= now.public) state.conversation.value = ok.conversation;
      state.prefersMessage.value = false;
      const known = state.visitor.peek();
      if (known) state.visitor.value = { ...known, name: known.name || name || null, email: known.email || email || null };
      outbox.assign(ok.c);
    } catch (error) {
      const { code, retry, after_ms, field } = /** @type {DeskbellError} */ (error);
      if (retry) again = after_ms ?? 1000;
      else this.#refused(code, field);
    } finally {
      this.#busy = false;
    }
    if (again) setTimeout(() => void this.ensure(), again);
  }

  /**
   * What was written goes back into the composer or the form, so that no word is lost.
   * @param {string} code
   * @param {string} [field]
   */
  #refused(code, field) {
    const { outbox } = this.#chat;
    const waiting = outbox.entries.filter((entry) => entry.c === null && entry.kind === "send" && entry.state === "pending");
    const words = [...waiting.map((entry) => entry.fields.body.text), state.draft.peek()].filter(Boolean).join("\n");
    batch(() => {
      state.draft.value = words;
      if (code === "no_agents") state.available.value = false;
      else if (field === "name" || field === "email") state.fieldError.value = { field, key: `field.${field}` };
      else state.trouble.value = "trouble.start";
    });
    for (const { m } of waiting) outbox.discard(m);
  }
}
