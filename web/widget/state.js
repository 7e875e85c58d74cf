// Everything the chat's views are drawn from.

import { computed, signal } from "../vendor/preact.js";

/**
 * @typedef {import("../shared/wire.js").VisitorConversation} Conversation
 * @typedef {import("../shared/wire.js").Ev} Ev
 * @typedef {import("../shared/outbox.js").Entry} Entry
 */

const page = document.documentElement.dataset;

/** What the page says of its site. */
export const site = {
  key: page.site ?? "",
  name: page.name ?? "",
  greeting: page.greeting ?? "",
  accent: page.accent ?? "",
  preChat: /** @type {"off" | "optional" | "required"} */ (page.preChat ?? "off"),
  locale: page.locale ?? "en",
};

/** @type {import("../vendor/preact.js").Signal<import("../shared/connection.js").State>} */
export const link = signal("connecting");
/** Why the server will not have us, once `link` is `refused`. */
export const refusal = signal(/** @type {number | string | undefined} */ (undefined));
/** Is the panel open, and the page in front? */
export const opened = signal(false);
/** The person has just opened it: the keyboard goes where one writes. */
export const takesFocus = signal(false);
export const inFront = signal(!document.hidden);

export const visitor = signal(/** @type {import("../shared/wire.js").Visitor | null} */ (null));
/** Is anybody there? null: not known yet. */
export const available = signal(/** @type {boolean | null} */ (null));
/** When the team is there again, if its hours say so. @type {import("../vendor/preact.js").Signal<number | null>} */
export const opensAt = signal(/** @type {number | null} */ (null));
/** Somebody is there, but as many wait as may. */
export const full = signal(false);
export const conversation = signal(/** @type {Conversation | null} */ (null));
export const events = signal(/** @type {readonly Ev[]} */ ([]));
export const unsent = signal(/** @type {readonly Entry[]} */ ([]));
/** The agent who is writing. */
export const typing = signal(/** @type {string | null} */ (null));

export const draft = signal("");
/** Name and e-mail as written before the chat, and the number to call back. */
export const intro = signal({ name: "", email: "", phone: "" });
/** A field the server or we did not like: its name, and what is wrong with it as a key of the texts. */
export const fieldError = signal(/** @type {{field: string, key: string} | null} */ (null));
/** The visitor would rather leave a message than wait, or be called back. @type {import("../vendor/preact.js").Signal<boolean | "call">} */
export const prefersMessage = signal(/** @type {boolean | "call"} */ (false));
/** The rating card was sent or put away. */
export const ratingStep = signal(/** @type {"ask" | "thanks" | "away"} */ ("ask"));
/** Too many new visitors from this address just now: an office shares one. */
export const crowded = signal(false);
/** A sentence about something that did not work, until the next action. */
export const trouble = signal(/** @type {string | null} */ (null));

/** @type {import("../vendor/preact.js").ReadonlySignal<"waiting" | "active" | null>} */
export const open = computed(() => {
  const state = conversation.value?.state;
  return state === "waiting" || state === "active" ? state : null;
});

/** Has anything been said since they got in line? */
export const said = computed(() => events.value.findLast((ev) => ev.kind === "queued" || ev.kind === "message")?.kind === "message");

/** Is a message on its way for which a chat has to be started first? */
const starting = computed(() => unsent.value.some((entry) => entry.c === null && entry.kind === "send" && entry.state === "pending"));

/** What stands at the foot of the chat: the composer, or the form for a message that is answered later. */
export const foot = computed(() => {
  if (open.value === "waiting" && prefersMessage.value) return "form";
  if (open.value || starting.value) return "composer";
  return prefersMessage.value || available.value === false ? "form" : "composer";
});

/** Names are asked for before the first chat; before later ones only where the site insists and has none yet. */
export const asksIntro = computed(() => {
  if (site.preChat === "off" || open.value || visitor.value?.verified) return false;
  if (visitor.value?.name && visitor.value.email) return false;
  return conversation.value === null || site.preChat === "required";
});

export const asksRating = computed(() => conversation.value?.state === "closed" && conversation.value.can_rate && ratingStep.value !== "away");
