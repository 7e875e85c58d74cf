/** The four panes of the desk, and what floats above them. */

import { html } from "../../vendor/preact.js";
import { announced } from "../alerts/alerts.js";
import { infoOpen, place } from "../state/place.js";
import { Context } from "./context.js";
import { Help } from "./help.js";
import { List } from "./list.js";
import { Offers } from "./offers.js";
import { PassDialog } from "./pass_dialog.js";
import { Rail } from "./rail.js";
import { Thread } from "./thread.js";
import { Toasts } from "./toasts.js";

export function Console() {
  const { c } = place.value;
  const info = c !== null && infoOpen.value;
  return html`
    <div class="desk" data-pane=${c === null ? "list" : info ? "info" : "thread"} data-info=${info ? "open" : "closed"}>
      <${Rail} />
      <${List} />
      <${Thread} />
      ${info && html`<${Context} c=${c} />`}
    </div>
    <${Offers} />
    <${Toasts} />
    <${PassDialog} />
    <${Help} />
    <p class="visually-hidden" aria-live="polite">${announced}</p>
  `;
}
