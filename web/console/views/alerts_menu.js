/** Sounds and desktop notifications. */

import { html } from "../../vendor/preact.js";
import { bellRing, volume2, volumeX } from "../../shared/icons_more.js";
import { askToNotify, permission } from "../alerts/notify.js";
import { setSound, soundOn } from "../alerts/sound.js";

export function AlertsButton() {
  const label = soundOn.value ? "Alerts" : "Alerts (sound off)";
  return html`
    <button type="button" class="rail-button" popovertarget="alerts-menu" data-tip=${label} aria-label=${label}>
      ${soundOn.value ? volume2(20) : volumeX(20)}
    </button>
  `;
}

export function AlertsMenu() {
  return html`
    <div id="alerts-menu" class="menu" popover>
      <p class="menu-title">Alerts</p>
      <label class="check">
        <input type="checkbox" checked=${soundOn.value} onChange=${(/** @type {any} */ event) => setSound(event.target.checked)} />
        Play a sound for new chats and messages
      </label>
      <${Notifications} />
    </div>
  `;
}

function Notifications() {
  switch (permission.value) {
    case "granted":
      return html`<p class="menu-note">Desktop notifications are on. They show while you look elsewhere.</p>`;
    case "denied":
      return html`<p class="menu-note">Desktop notifications are blocked. Allow them for this page in your browser's settings.</p>`;
    case "missing":
      return html`<p class="menu-note">This browser has no desktop notifications; the title and the sound still tell you.</p>`;
    default:
      return html`<button type="button" class="button" onClick=${askToNotify}>${bellRing()} Turn on desktop notifications</button>`;
  }
}
