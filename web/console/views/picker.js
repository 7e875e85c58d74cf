/** Canned replies that fit what was typed after `/`: eight rows left, the chosen one filled in at the right. */

import { html } from "../../vendor/preact.js";
import { fill } from "../../shared/canned.js";
import { replies, unreachable } from "../canned/library.js";

/** @typedef {import("../canned/match.js").Reply} Reply */

/**
 * @param {{id: string, found: readonly Reply[], chosen: number, values: Record<string, string|null>,
 *   onChoose: (reply: Reply) => void, onPoint: (index: number) => void}} props
 */
export function Picker({ id, found, chosen, values, onChoose, onPoint }) {
  const reply = found[chosen];
  return html`
    <div class="picker">
      <ul class="picker-rows" role="listbox" id=${id} aria-label="Canned replies">
        ${found.length === 0 && html`<li class="picker-none">${nothing()}</li>`}
        ${found.map(
          (each, index) => html`
            <li key=${each.id} id=${`${id}-${index}`} role="option" aria-selected=${index === chosen ? "true" : "false"}
              onPointerMove=${() => index !== chosen && onPoint(index)}
              onPointerDown=${(/** @type {PointerEvent} */ event) => (event.preventDefault(), onChoose(each))}>
              <span class="picker-title"><bdi>${each.title}</bdi></span>
              <kbd>/${each.shortcut.replace(/^\//, "")}</kbd>
            </li>
          `,
        )}
      </ul>
      ${reply && html`<${Preview} reply=${reply} values=${values} />`}
    </div>
  `;
}

function nothing() {
  if (replies.value === null)
    return unreachable.value
      ? "The canned replies couldn't be fetched. Write on; we'll try again."
      : "Fetching the canned replies…";
  return replies.value.length === 0
    ? "There are no canned replies yet. An admin can write the first one."
    : "No canned reply fits.";
}

/** @type {Record<Reply["scope"], (reply: Reply) => string>} */
const scopeWords = {
  personal: () => "Only yours",
  team: (reply) => reply.team?.name ?? "Team",
  everyone: () => "Everyone",
};

/** @param {{reply: Reply, values: Record<string, string|null>}} props */
function Preview({ reply, values }) {
  const { parts, unfilled } = fill(reply.body, values);
  const open = unfilled.length;
  return html`
    <div class="picker-preview" aria-hidden="true">
      <p class="picker-scope">${scopeWords[reply.scope](reply)}${open > 0 ? ` · ${open} to fill in` : ""}</p>
      <p class="picker-body" dir="auto">${parts.map((part) => (part.kind === "text" ? part.text : html`<span data-kind=${part.kind}>${part.text}</span>`))}</p>
      <p class="picker-keys"><kbd>↑</kbd><kbd>↓</kbd> choose · <kbd>Enter</kbd> insert · <kbd>Esc</kbd> leave</p>
    </div>
  `;
}
