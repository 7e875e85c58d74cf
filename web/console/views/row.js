/** One conversation in a list. */

import { html, useEffect, useRef } from "../../vendor/preact.js";
import { Avatar } from "../../shared/avatar.js";
import { clock, dayKey } from "../../shared/time.js";
import { pencil } from "../../shared/icons_more.js";
import { looksUnread, take } from "../actions.js";
import { hasDraft } from "../drafts.js";
import { now, today, urgency } from "../state/clock.js";
import { linkState, marked, world } from "../state/desk.js";
import { isWaiting, unread, waitingSince } from "../state/lists.js";
import { visitorName } from "../state/people.js";
import { hrefOf, place } from "../state/place.js";
import { WaitPill } from "./wait_pill.js";

/** @typedef {import("../state/wire.js").Head} Head */

/** @param {{head: Head, list: import("../state/lists.js").ListName}} props */
export function Row({ head, list }) {
  const name = visitorName(head.visitor);
  const current = place.value.c === head.c;
  const since = waitingSince(head, world.value.lanes[head.c]);
  const late = isWaiting(head) && since !== null && urgency(now.value - since) === "late";
  const ref = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => (current ? ref.current?.scrollIntoView({ block: "nearest" }) : undefined), [current]);
  return html`
    <li class="row" data-current=${current} data-late=${late} ref=${ref}>
      <a class="row-link" href=${hrefOf(list, head.c)} aria-current=${current ? "true" : undefined}>
        <span class="row-face">
          <${Avatar} name=${name} size=${36} />
          ${head.online && head.state !== "closed" && html`<span class="online" title="On the site now" />`}
        </span>
        <span class="row-name"><bdi>${name}</bdi><span class="row-site">${head.site.name}${list === "waiting" && html` · ${head.team.name}`}</span></span>
        <span class="row-when">
          ${since === null ? html`<${When} head=${head} />` : html`<${WaitPill} since=${since} />`}
        </span>
        <span class="row-second">
          ${list === "waiting" && (head.skills ?? []).map((skill) => html`<span key=${skill} class="row-skill">${skill}</span>`)}
          ${list === "team" && html`<span class="row-with">${head.agent?.name}</span>`}
          <span class="row-last"><${LastLine} head=${head} /></span>
          <${Marks} head=${head} />
        </span>
      </a>
      ${
        isWaiting(head) &&
        html`<button type="button" class="button small row-take" disabled=${linkState.value !== "live"}
        aria-label=${`Take the chat with ${name}`} onClick=${() => take(head)}>Take</button>`
      }
    </li>
  `;
}

/** @param {{head: Head}} props */
function When({ head }) {
  const at = head.closed_at ?? head.preview?.at ?? head.queued_at;
  return html`<time datetime=${new Date(at).toISOString()}>${dayKey(at) === today.value ? clock(at) : shortDay.format(at)}</time>`;
}

const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** @param {{head: Head}} props */
function LastLine({ head }) {
  const typedAt = world.value.typing[head.c];
  if (typedAt !== undefined && now.value - world.value.skew - typedAt < 6000)
    return html`<span class="row-typing">typing…</span>`;
  const last = world.value.lanes[head.c]?.public.events.findLast((each) => each.kind === "message");
  const mine = head.preview?.from === "agent" ? (last?.from?.id === world.value.me?.id ? "You: " : "Us: ") : "";
  return html`<bdi>${head.preview ? mine + head.preview.text : "Hasn't written yet"}</bdi>`;
}

/** @param {{head: Head}} props */
function Marks({ head }) {
  const count = unread(head, world.value.lanes[head.c]);
  return html`
    ${hasDraft(head.c) && html`<span class="draft-mark" title="You have a draft here">${pencil(14)}<span class="visually-hidden">Draft</span></span>`}
    ${
      looksUnread(head) &&
      head.state === "active" &&
      html`<span class="count" data-tone="accent">${count > 0 && !marked.value.has(head.c) ? count : "•"}<span class="visually-hidden"> unread</span></span>`
    }
  `;
}
