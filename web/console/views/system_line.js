/** What happened to the chat, as one small line. */

import { html } from "../../vendor/preact.js";
import { clock, fullTime } from "../../shared/time.js";
import { world } from "../state/desk.js";
import { Why } from "./why.js";
import { star } from "./icons.js";

/** @typedef {import("../state/wire.js").Ev} Ev */

/** @param {{event: Ev, visitor: string}} props */
export function SystemLine({ event, visitor }) {
  const time = html`<time datetime=${new Date(event.at).toISOString()} title=${fullTime(event.at)}>${clock(event.at)}</time>`;
  if (event.kind === "offered") return html`<${Offered} event=${event} time=${time} />`;
  if (event.kind === "rated") return html`<${Rated} event=${event} visitor=${visitor} />`;
  return html`<p class="system" data-kind=${event.kind}><span><bdi>${sentence(event, visitor)}</bdi></span> ${time}</p>`;
}

/** @param {Ev} event @param {string} visitor @returns {string} */
function sentence({ kind, data }, visitor) {
  const agent = nameOf(data.agent);
  switch (kind) {
    case "queued":
      return data.episode > 1 ? `${visitor} asked for an agent again` : `${visitor} asked for an agent`;
    case "joined":
      return `${agent} joined`;
    case "requeued":
      return "The agent went away; back in line at the old place";
    case "passed":
      return `${agent} passed the chat to ${data.to.agent?.id === world.value.me?.id ? "you" : nameOf(data.to.agent ?? data.to.team)}`;
    case "reopened":
      return `${agent} reopened the chat`;
    case "left_message":
      return leftWords(data);
    case "taken_over":
      return `${agent} took the chat over from ${nameOf(data.from)}`;
    case "overflowed":
      return `Waited too long for ${data.from.name}; goes on waiting for ${data.to.name}, at the old place`;
    case "missed": {
      const where = data.passed ? "" : "; back in line at the old place";
      return data.reason === "declined" ? `${agent} declined the offer${where}` : `${agent} didn't answer the offer${where}`;
    }
    case "closed":
      return closing(data, agent, visitor);
    default:
      return "";
  }
}

/** @param {{email?: string, phone?: string}} data */
function leftWords({ email, phone }) {
  const where = email ? `, to be answered at ${email}` : "";
  return `Left as a message${where}${phone ? `. Asks to be called back: ${phone}` : ""}`;
}

/** @param {any} data @param {string} agent @param {string} visitor */
function closing(data, agent, visitor) {
  if (data.reason === "left") return `${visitor} left the line`;
  if (data.reason === "abandoned") return `${visitor} went away while waiting`;
  if (data.by === "visitor") return `${visitor} ended the chat`;
  return data.by === "agent" ? `${agent} closed the chat` : "The chat ended";
}

/** @param {{event: Ev, time: any}} props */
function Offered({ event, time }) {
  const { agent, by, why } = event.data;
  if (why) return html`<${Why} why=${why} agent=${agent} />`;
  const whom = agent.id === world.value.me?.id ? "you" : agent.name;
  return html`<p class="system" data-kind="offered"><span><bdi>${nameOf(by)} gave the chat to ${whom}</bdi></span> ${time}</p>`;
}

/** @param {{id: string, name: string}|null|undefined} agent */
function nameOf(agent) {
  if (!agent) return "An agent";
  return agent.id === world.value.me?.id ? "You" : agent.name;
}

/** @param {{event: Ev, visitor: string}} props */
function Rated({ event, visitor }) {
  const { score, comment } = event.data;
  return html`
    <div class="rated">
      <p><bdi>${visitor}</bdi> rated this chat <${Stars} score=${score} /></p>
      ${comment && html`<p class="rated-words" dir="auto">“${comment}”</p>`}
    </div>
  `;
}

/** @param {{score: number}} props */
export function Stars({ score }) {
  return html`<span class="stars" role="img" aria-label=${`${score} of 5`}>
    ${[1, 2, 3, 4, 5].map((each) => html`<span key=${each} data-full=${each <= score}>${star(14)}</span>`)}
  </span>`;
}
