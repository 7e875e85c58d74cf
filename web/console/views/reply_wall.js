/** Instead of the reply field, when a reply can't go from here: why, and the way to it. */

import { html } from "../../vendor/preact.js";
import { reopen, take } from "../actions.js";
import { linkState, world } from "../state/desk.js";
import { isWaiting } from "../state/lists.js";
import { visitorName } from "../state/people.js";

/** Who is being asked to take it. @param {import("../state/wire.js").Head} head */
function asked(head) {
  if (head.state !== "offered") return null;
  return head.agent?.id === world.value.me?.id
    ? "You are being asked right now."
    : `${head.agent?.name ?? "An agent"} is being asked right now.`;
}

/** @param {{head: import("../state/wire.js").Head}} props */
export function ReplyWall({ head }) {
  const name = visitorName(head.visitor);
  const off = linkState.value !== "live";
  if (head.left_message)
    return html`<div class="wall">
      <p>${name} left this while nobody was here. Answer by e-mail, or reopen the chat to answer it here.</p>
      <button type="button" class="button" disabled=${off} onClick=${() => reopen(head)}>Reopen to answer</button>
    </div>`;
  if (head.state === "closed")
    return html`<div class="wall">
      <p>This chat is closed.</p>
      <button type="button" class="button" disabled=${off} onClick=${() => reopen(head)}>Reopen to write</button>
    </div>`;
  if (isWaiting(head))
    return html`<div class="wall">
      <p>${asked(head) ?? `${name} is waiting for an agent.`}</p>
      <button type="button" class="button primary" disabled=${off} onClick=${() => take(head)}>Take this chat</button>
    </div>`;
  return html`<div class="wall"><p>${head.agent?.name ?? "Another agent"} is answering this chat. You can leave a note for the team.</p></div>`;
}
