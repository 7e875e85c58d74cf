/** The open conversation: head, talk, composer. */

import { html } from "../../vendor/preact.js";
import { messageSquare } from "../../shared/icons_more.js";
import { linkState, missing, open, unreadCount, world } from "../state/desk.js";
import { listed } from "../state/lists.js";
import { place } from "../state/place.js";
import { Composer } from "./composer.js";
import { LinkLine } from "./foot.js";
import { ThreadHead } from "./thread_head.js";
import { Bones, Timeline } from "./timeline.js";

export function Thread() {
  const { c } = place.value;
  const head = open.value;
  if (c === null) return html`<main class="thread"><${NothingOpen} /></main>`;
  if (!head) return html`<main class="thread"><${Unknown} c=${c} /></main>`;
  return html`
    <main class="thread" aria-label="Conversation">
      <${ThreadHead} head=${head} />
      <${Timeline} key=${c} head=${head} />
      ${linkState.value !== "live" && linkState.value !== "connecting" && html`<div class="thread-link"><${LinkLine} /></div>`}
      <${Composer} key=${`composer ${c}`} head=${head} />
    </main>
  `;
}

function NothingOpen() {
  const waiting = listed(world.value, "waiting").length;
  const unread = unreadCount.value;
  const line =
    unread > 0
      ? `${unread} ${unread === 1 ? "chat has" : "chats have"} something new for you.`
      : waiting > 0
        ? `${waiting} ${waiting === 1 ? "visitor is" : "visitors are"} waiting.`
        : "All quiet.";
  return html`
    <div class="blank">
      <span class="blank-icon" aria-hidden="true">${messageSquare(28)}</span>
      <p class="blank-title">${world.value.me ? line : ""}</p>
      <p>Choose a chat, or press <kbd>J</kbd>. All keys: <kbd>?</kbd></p>
    </div>
  `;
}

/** An address to a chat that isn't in our lists: most of the time it is still on its way. @param {{c: string}} props */
function Unknown({ c }) {
  if (!missing.value.has(c)) return html`<div class="talk-rows"><${Bones} /></div>`;
  return html`
    <div class="blank">
      <p class="blank-title">This chat isn't there</p>
      <p>It may belong to another team, or have been erased. <a href="#/mine">Back to your chats</a></p>
    </div>
  `;
}
