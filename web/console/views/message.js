/** One message or note, and what became of it. */

import { html } from "../../vendor/preact.js";
import { check, checkCheck, clock as clockIcon } from "../../shared/icons.js";
import { linked } from "../../shared/text.js";
import { clock, fullTime } from "../../shared/time.js";
import { discard, retry } from "../link.js";
import { linkState } from "../state/desk.js";
import { say } from "../toasts.js";

/** @typedef {import("../state/timeline.js").MessageRow} MessageRow */

/** @param {{row: MessageRow, visitor: string, last: boolean}} props `last`: my latest message, which tells its fate */
export function Message({ row, visitor, last }) {
  const name = row.side === "visitor" ? visitor : row.side === "mine" ? "You" : (row.name ?? "A colleague");
  return html`
    <article class="message" data-side=${row.side} data-note=${row.note} data-opens=${row.opens} data-fate=${row.fate ?? "none"}>
      ${
        row.opens &&
        html`<p class="message-by">
        <b><bdi>${name}</bdi></b>${row.note && html`<span class="note-tag">Note · only the team sees this</span>`}
        <time datetime=${new Date(row.at).toISOString()} title=${fullTime(row.at)}>${clock(row.at)}</time>
      </p>`
      }
      <p class="bubble" dir="auto" title=${fullTime(row.at)}>${linked(row.text)}</p>
      <${Fate} row=${row} last=${last} />
    </article>
  `;
}

/** @param {{row: MessageRow, last: boolean}} props */
function Fate({ row, last }) {
  switch (row.fate) {
    case "failed":
      return html`<p class="fate failed" role="alert">
        <span>Not sent. ${row.reason}.</span>
        <button type="button" class="text-button" onClick=${() => retry(row.m)}>Retry</button>
        <button type="button" class="text-button" onClick=${() => copy(row.text)}>Copy</button>
        <button type="button" class="text-button" onClick=${() => discard(row.m)}>Discard</button>
      </p>`;
    case "pending":
      return html`<p class="fate">${clockIcon(12)} ${linkState.value === "live" ? "Sending…" : "Kept here, goes out when we're back"}</p>`;
    case "sent":
      return last ? html`<p class="fate">${check(14)} Sent</p>` : null;
    case "read":
      return last ? html`<p class="fate">${checkCheck(14)} Read</p>` : null;
    default:
      return null;
  }
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("Your browser didn't allow copying. Select the text and copy it by hand.", { tone: "bad" });
  }
}
