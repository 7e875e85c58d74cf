/** The keyboard: single keys while nothing is being typed, Alt with a key at any time. */

import { signal } from "../vendor/preact.js";
import { close, markUnread, reopen, take, takeOffer } from "./actions.js";
import { write } from "./composing.js";
import { decline, openOffers } from "./offers.js";
import { beginPassing } from "./passing.js";
import { open, rows, world } from "./state/desk.js";
import { isMine, isWaiting, listed, steers } from "./state/lists.js";
import { go, place, toggleInfo } from "./state/place.js";

/** For the help, in the order in which people learn them. @type {[string[], string][]} */
export const keyTable = [
  [["J", "K"], "Next, previous chat in the list"],
  [["Alt ↑", "Alt ↓"], "The same while you type"],
  [["Alt 1–9"], "Your first to ninth chat"],
  [["G", "M"], "Go to Mine"],
  [["G", "Q"], "Go to Waiting"],
  [["G", "T"], "Go to Team, for supervisors"],
  [["G", "E"], "Go to Messages"],
  [["G", "C"], "Go to Closed"],
  [["R"], "Reply"],
  [["N"], "Internal note"],
  [["/"], "Canned reply, anywhere in the text"],
  [["Tab"], "Next open variable of a canned reply"],
  [["A"], "Take a waiting chat, or the one you are asked to take"],
  [["D"], "Decline the chat you are asked to take"],
  [["T"], "Pass the chat on"],
  [["E"], "Close the chat"],
  [["O"], "Reopen the chat"],
  [["U"], "Mark unread"],
  [["I"], "Visitor's details"],
  [["Esc"], "Leave the text, then the chat"],
  [["?"], "This help"],
];

export const helpOpen = signal(false);
/** "g" waits a moment for its second key. */
let goUntil = 0;

export function startKeys() {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    if (event.altKey && !event.ctrlKey && !event.metaKey) withAlt(event);
    else if (!event.ctrlKey && !event.metaKey && !isTyping(event.target)) single(event);
  });
}

/** @param {EventTarget|null} target */
function isTyping(target) {
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}

/** @param {KeyboardEvent} event */
function withAlt(event) {
  if (event.key === "ArrowDown") step(1);
  else if (event.key === "ArrowUp") step(-1);
  else if (/^Digit[1-9]$/.test(event.code)) {
    const chat = listed(world.peek(), "mine")[Number(event.code.slice(5)) - 1];
    if (chat) go({ list: "mine", c: chat.c });
  } else return;
  event.preventDefault();
}

/** @type {Record<string, import("./state/lists.js").ListName>} */
const lists = { q: "waiting", t: "team", m: "mine", e: "messages", c: "closed" };

/** @param {KeyboardEvent} event */
function single(event) {
  const list = Date.now() < goUntil ? lists[event.key] : undefined;
  goUntil = 0;
  if (list && (list !== "team" || steers(world.peek()))) go({ list, c: null });
  else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "g") goUntil = Date.now() + 1500;
  else if (event.key === "?") helpOpen.value = true;
  else if (!onOpenChat(event.key) && !onOffer(event.key)) return;
  event.preventDefault();
}

/** @param {string} key @returns {boolean} was it ours */
function onOpenChat(key) {
  const head = open.peek();
  if (!head) return false;
  const mine = isMine(world.peek(), head);
  if (key === "r" && mine) write("reply");
  else if (key === "/" && mine) write("reply", "/");
  else if (key === "n") write("note");
  else if (key === "a" && isWaiting(head)) void take(head);
  else if (key === "t" && mine) void beginPassing(head.c);
  else if (key === "e" && mine) void close(head);
  else if (key === "o" && head.state === "closed") void reopen(head);
  else if (key === "u" && mine) markUnread(head);
  else if (key === "i") toggleInfo();
  else if (key === "Escape") go({ c: null });
  else return false;
  return true;
}

/** The most urgent one. @param {string} key @returns {boolean} was it ours */
function onOffer(key) {
  const offer = openOffers(world.peek())[0];
  if (!offer) return false;
  if (key === "a") void takeOffer(offer);
  else if (key === "d") void decline(offer);
  else return false;
  return true;
}

/** @param {1|-1} by */
function step(by) {
  const list = rows.peek();
  const at = list.findIndex((head) => head.c === place.peek().c);
  const next = at === -1 ? list[by === 1 ? 0 : list.length - 1] : list[at + by];
  if (next) go({ c: next.c });
}
