/** Why this agent? In plain words, for whoever sees the internal lane. */

import { html } from "../../vendor/preact.js";
import { elapsed } from "../../shared/time.js";

/** @typedef {import("../../shared/wire.js").Why} Reason */
/** @typedef {import("../../shared/wire.js").Candidate} Candidate */

/** @type {Record<string, string>} */
const rules = {
  least_busy: "whoever has the most room",
  round_robin: "whoever has gone longest without a new chat",
  longest_idle: "whoever began or finished a chat the longest ago",
  manual: "whoever takes it",
};

/** @type {Record<string, string>} */
const ruledOut = {
  offline: "not here",
  away: "not accepting chats",
  skills: "can't do what is asked for",
  declined: "declined or missed it just now",
  reserved: "kept for the agent of last time",
  full: "no room",
  share: "has as many of this team as one may",
  more: "would have come later",
};

/** @param {{why: Reason, agent: {id: string, name: string}}} props */
export function Why({ why, agent }) {
  const free = why.agents.filter((each) => !each.out);
  const out = why.agents.filter((each) => each.out);
  return html`
    <details class="why">
      <summary>Why ${agent.name}?</summary>
      <p>${reasonFor(why, agent)} ${why.skills.length > 0 && html`Asked for: ${why.skills.join(", ")}. `}The visitor had waited ${elapsed(why.waited_ms)}; choosing took ${why.took_ms < 1 ? "less than 1" : Math.round(why.took_ms)} ms.</p>
      ${
        free.length > 0 &&
        html`<ol>
          ${free.map((each) => html`<li key=${each.id} data-chosen=${each.id === agent.id}><bdi>${each.name}</bdi> <span>${each.load} of ${each.capacity} chats${each.id === agent.id ? " · got it" : ""}</span></li>`)}
        </ol>`
      }
      ${
        out.length > 0 &&
        html`<ul>
          ${out.map((each) => html`<li key=${each.id}><bdi>${each.name}</bdi> <span>${each.out === "full" ? `no room, ${each.load} of ${each.capacity}` : (ruledOut[each.out ?? ""] ?? each.out)}</span></li>`)}
        </ul>`
      }
      ${Object.entries(why.others).map(([word, n]) => html`<p key=${word}>${n} more: ${ruledOut[word] ?? word}</p>`)}
    </details>
  `;
}

/** @param {Reason} why @param {{name: string}} agent */
function reasonFor(why, agent) {
  if (why.reserved) return `${agent.name} had this visitor last time, so the place was kept for them.`;
  return `The team gives the next chat to ${rules[why.strategy] ?? "the next agent"}.`;
}
