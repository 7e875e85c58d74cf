/** The rail: the lists with what is to do in them, alerts, help, and whose desk this is. */

import { html } from "../../vendor/preact.js";
import { Avatar } from "../../shared/avatar.js";
import { clock, mail } from "../../shared/icons.js";
import { archive, inbox, keyboard, settings, users } from "../../shared/icons_more.js";
import { helpOpen } from "../keys.js";
import { now, urgency } from "../state/clock.js";
import { unreadCount, world } from "../state/desk.js";
import { listed, steers } from "../state/lists.js";
import { hrefOf, place } from "../state/place.js";
import { AlertsButton, AlertsMenu } from "./alerts_menu.js";
import { deskBell } from "./icons.js";

/** @typedef {import("../state/lists.js").ListName} ListName */

/** @type {Record<ListName, {label: string, keys: string, icon: (size?: number) => any}>} */
export const listLabels = {
  mine: { label: "Mine", keys: "G M", icon: inbox },
  waiting: { label: "Waiting", keys: "G Q", icon: clock },
  team: { label: "Team", keys: "G T", icon: users },
  messages: { label: "Messages", keys: "G E", icon: mail },
  closed: { label: "Closed", keys: "G C", icon: archive },
};

export function Rail() {
  const { me } = world.value;
  return html`
    <nav class="rail" aria-label="Lists">
      <span class="rail-mark" aria-hidden="true">${deskBell(20)}</span>
      <ul class="rail-lists">
        <${RailLink} list="mine" count=${unreadCount.value} unit="unread" tone="accent" />
        <${WaitingLink} />
        ${steers(world.value) && html`<${RailLink} list="team" count=${0} unit="" tone="plain" />`}
        <${RailLink} list="messages" count=${listed(world.value, "messages").length} unit="to answer" tone="plain" />
        <${RailLink} list="closed" count=${0} unit="" tone="plain" />
      </ul>
      <div class="rail-end">
        <${AlertsButton} />
        <button type="button" class="rail-button" data-tip="Keyboard  ?" aria-label="Keyboard help" onClick=${() => (helpOpen.value = true)}>
          ${keyboard(20)}
        </button>
        ${me && me.role !== "agent" && html`<a class="rail-button" href="/admin" data-tip="Admin" aria-label="Admin">${settings(20)}</a>`}
        <button type="button" class="rail-me" popovertarget="me-menu" aria-label=${`Signed in as ${me?.name ?? ""}`}>
          <${Avatar} name=${me?.name} size=${32} />
        </button>
      </div>
      <${AlertsMenu} />
      <div id="me-menu" class="menu" popover>
        <p class="menu-title">${me?.name}</p>
        <p class="menu-note">${me ? roleWords[me.role] : ""}</p>
        <form method="post" action="/sign-out"><button type="submit" class="button">Sign out</button></form>
      </div>
    </nav>
  `;
}

/** @type {Record<string, string>} */
const roleWords = { agent: "Agent", supervisor: "Supervisor", admin: "Admin", owner: "Owner" };

/** @param {{list: ListName, count: number, unit: string, tone: string}} props */
function RailLink({ list, count, unit, tone }) {
  const { label, keys, icon } = listLabels[list];
  const current = place.value.list === list;
  return html`
    <li>
      <a class="rail-button" href=${hrefOf(list)} aria-current=${current ? "page" : undefined} data-tip=${`${label}  ${keys}`}>
        ${icon(20)}
        <span class="rail-label">${label}</span>
        ${count > 0 && html`<span class="count" data-tone=${tone}>${tone === "late" ? `${count}!` : count}<span class="visually-hidden"> ${unit}</span></span>`}
      </a>
    </li>
  `;
}

/** The number of people in line, in the colour of the one who has waited longest. */
function WaitingLink() {
  const waiting = listed(world.value, "waiting");
  const oldest = waiting[0];
  const tone = oldest ? urgency(now.value - oldest.queued_at) : "calm";
  return html`<${RailLink} list="waiting" count=${waiting.length} unit=${tone === "late" ? "waiting, somebody for too long" : "waiting"} tone=${tone} />`;
}
