/** Which frames deserve a sound, a notification, a word to the screen reader. */

import { signal } from "../../vendor/preact.js";
import { including, marked } from "../state/desk.js";
import { isMine } from "../state/lists.js";
import { visitorName } from "../state/people.js";
import { place } from "../state/place.js";
import { say } from "../toasts.js";
import { notify } from "./notify.js";
import { ring } from "./sound.js";

/**
 * @typedef {import("../state/store.js").World} World
 * @typedef {import("../state/wire.js").Frame} Frame
 */

/** The latest news for screen readers. */
export const announced = signal("");

/**
 * @param {Frame} frame
 * @param {World} before
 * @param {World} after
 */
export function heardFrom(frame, before, after) {
  if (frame.t === "offer" && frame.mode !== "direct") {
    ring("chat");
    notify("A visitor is waiting for you", `${visitorName(frame.head.visitor)} on ${frame.head.site.name}`, frame.c);
    announced.value = `Offer: ${visitorName(frame.head.visitor)} on ${frame.head.site.name}`;
  }
  if (frame.t === "head") {
    becameMine(frame.head.c, before, after);
    cameBack(frame.head.c, before, after);
    wasTaken(frame.head.c, before, after);
  }
  if (frame.t === "ev") said(frame, before, after);
}

/** @param {string} c @param {World} before @param {World} after */
function becameMine(c, before, after) {
  const head = after.heads[c];
  const was = before.heads[c];
  if (!head || !isMine(after, head) || (was && isMine(before, was))) return;
  const name = visitorName(head.visitor);
  announced.value = `New chat: ${name} on ${head.site.name}`;
  ring("chat");
  notify(`New chat: ${name}`, head.preview?.text ?? head.site.name, c);
}

/** Passed on, and nobody took it. @param {string} c @param {World} before @param {World} after */
function cameBack(c, before, after) {
  const [was, is] = [before.heads[c], after.heads[c]];
  if (!was || !is || was.passed?.by.id !== after.me?.id || !isMine(after, is)) return;
  marked.value = including(marked.peek(), c);
  say(`Nobody took the chat with ${visitorName(is.visitor)}: it is yours again.`);
}

/** From one agent to the next in one step: a supervisor took it. @param {string} c @param {World} before @param {World} after */
function wasTaken(c, before, after) {
  const [was, is] = [before.heads[c], after.heads[c]];
  if (!was || !is || !isMine(before, was) || is.state !== "active" || isMine(after, is) || is.gen !== was.gen + 1) return;
  say(`${is.agent?.name ?? "A supervisor"} took over your chat with ${visitorName(is.visitor)}.`);
}

/** @param {import("../state/wire.js").Ev} event @param {World} before @param {World} after */
function said(event, before, after) {
  const head = after.heads[event.c];
  const fresh = (after.lanes[event.c]?.public.have ?? 0) > (before.lanes[event.c]?.public.have ?? 0);
  if (!head || !fresh || event.lane !== "public" || event.kind !== "message") return;
  if (event.from?.kind !== "visitor" || event.s <= head.read.agent) return;
  const name = visitorName(head.visitor);
  announced.value = `${name}: ${event.data.text}`;
  if (!isMine(after, head) || (document.hasFocus() && place.peek().c === event.c)) return;
  ring("message");
  notify(name, event.data.text, event.c);
}
