/** Who this is, where they are, how long it has taken, and what can be done. */

import { html } from "../../vendor/preact.js";
import { Avatar } from "../../shared/avatar.js";
import { elapsed } from "../../shared/time.js";
import { check, mail } from "../../shared/icons.js";
import { forward, hand, info, undo2, user } from "../../shared/icons_more.js";
import { close, markDone, reopen, take, takeOver } from "../actions.js";
import { beginPassing } from "../passing.js";
import { now } from "../state/clock.js";
import { linkState, world } from "../state/desk.js";
import { isMine, isWaiting, steers, waitingSince } from "../state/lists.js";
import { visitorName } from "../state/people.js";
import { hrefOf, infoOpen, place, toggleInfo } from "../state/place.js";
import { arrowLeft, verified } from "./icons.js";
import { WaitPill } from "./wait_pill.js";

/** @typedef {import("../state/wire.js").Head} Head */

/** @param {{head: Head}} props */
export function ThreadHead({ head }) {
  const name = visitorName(head.visitor);
  return html`
    <header class="thread-head">
      <a class="icon-button back" href=${hrefOf(place.value.list)} aria-label="Back to the list">${arrowLeft(20)}</a>
      <span class="row-face">
        <${Avatar} name=${name} size=${36} />
        ${head.online && head.state !== "closed" && html`<span class="online" />`}
      </span>
      <div class="thread-who">
        <h2>
          <bdi>${name}</bdi>
          ${head.visitor.verified && html`<span class="verified" title="Verified by the site">${verified(16)}<span class="visually-hidden">Verified</span></span>`}
        </h2>
        <p class="thread-where"><${Where} head=${head} /></p>
      </div>
      <${Timer} head=${head} />
      <${Actions} head=${head} />
    </header>
  `;
}

/** @param {{head: Head}} props */
function Where({ head }) {
  if (head.left_message) return html`${head.site.name} · left a message`;
  if (head.state === "closed") return html`${head.site.name} · closed`;
  if (!head.online) return html`${head.site.name} · not on the site right now`;
  if (!head.page) return html`${head.site.name} · on the site now`;
  return html`${head.site.name} · <span title=${head.page.url}><bdi>${head.page.title || head.page.url}</bdi></span>`;
}

/** @param {{head: Head}} props */
function Timer({ head }) {
  const since = waitingSince(head, world.value.lanes[head.c]);
  if (since !== null)
    return html`<span class="thread-timer" title="Waiting for us"><${WaitPill} since=${since} /></span>`;
  if (head.state !== "active" || head.assigned_at === null) return null;
  return html`<span class="thread-timer muted" title="Since the chat began">${elapsed(Math.max(0, now.value - head.assigned_at))}</span>`;
}

/** @param {{head: Head}} props */
function Actions({ head }) {
  const mine = isMine(world.value, head);
  return html`
    <div class="actions">
      ${isWaiting(head) && html`<${Action} label="Take" tip="Take  A" icon=${hand} primary run=${() => take(head)} />`}
      ${isWaiting(head) && steers(world.value) && html`<${Action} label="Assign" tip="Say who gets it" icon=${user} run=${() => beginPassing(head.c, true)} />`}
      ${
        head.state === "active" &&
        !mine &&
        steers(world.value) &&
        html`<${Action} label="Take over" tip=${`Take it over from ${head.agent?.name ?? "its agent"}`} icon=${hand} run=${() => takeOver(head)} />`
      }
      ${
        head.left_message &&
        head.visitor.email &&
        html`<a class="button" href=${mailTo(head)} data-tip="Write an e-mail">${mail()} E-mail</a>`
      }
      ${head.left_message && html`<${Action} label="Mark as done" tip="Needs no answer any more" icon=${check} run=${() => markDone(head)} />`}
      ${head.state === "closed" && !head.left_message && html`<${Action} label="Reopen" tip="Reopen  O" icon=${undo2} run=${() => reopen(head)} />`}
      <button type="button" class="icon-button" data-tip="Details  I" aria-label="Visitor's details" aria-pressed=${infoOpen.value ? "true" : "false"} onClick=${toggleInfo}>${info()}</button>
      ${mine && html`<${Action} label="Pass on" tip="Pass on  T" icon=${forward} run=${() => beginPassing(head.c)} />`}
      ${mine && html`<${Action} label="Close" tip="Close  E" icon=${check} run=${() => close(head)} />`}
    </div>
  `;
}

/** @param {{label: string, tip: string, icon: () => any, run: () => void, primary?: boolean}} props */
function Action({ label, tip, icon, run, primary = false }) {
  return html`
    <button type="button" class=${primary ? "button primary" : "button"} data-tip=${tip} aria-label=${label} disabled=${linkState.value !== "live"} onClick=${run}>
      ${icon()} <span>${label}</span>
    </button>
  `;
}

/** @param {Head} head */
function mailTo(head) {
  return `mailto:${encodeURIComponent(head.visitor.email ?? "")}?subject=${encodeURIComponent(`Your message to ${head.site.name}`)}`;
}
