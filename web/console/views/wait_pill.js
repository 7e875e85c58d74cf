/** How long somebody has been waiting: neutral, amber after a minute, red after two. */

import { html } from "../../vendor/preact.js";
import { elapsed } from "../../shared/time.js";
import { lastedInWords, now, urgency } from "../state/clock.js";

/** @param {{since: number}} props */
export function WaitPill({ since }) {
  const ms = Math.max(0, now.value - since);
  return html`
    <span class="pill" data-tone=${urgency(ms)}>
      ${urgency(ms) === "late" && html`<span class="pill-sign" aria-hidden="true">!</span>`}
      <span aria-hidden="true">${ms < 86_400_000 ? elapsed(ms) : `${Math.floor(ms / 86_400_000)} d`}</span>
      <span class="visually-hidden">waiting for ${lastedInWords(ms)}</span>
    </span>
  `;
}
