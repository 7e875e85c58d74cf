/** The times this visitor asked before, how each ended and how it was rated. */

import { html } from "../../vendor/preact.js";
import { day, elapsed, fullTime } from "../../shared/time.js";
import { Stars } from "./system_line.js";

/**
 * @typedef {{number: number, queued_at: number, assigned_at: number|null, closed_at: number|null, outcome: string|null,
 *   agent: {id: string, name: string}|null, score: number|null, comment: string|null}} Episode
 */

/** @param {{episodes: readonly Episode[]}} props */
export function Episodes({ episodes }) {
  const latestFirst = [...episodes].sort((a, b) => b.number - a.number);
  if (latestFirst.length === 0) return null;
  return html`
    <section>
      <h3>Chats with this visitor</h3>
      <ol class="episodes">
        ${latestFirst.map((episode) => html`<${OneEpisode} key=${episode.number} episode=${episode} />`)}
      </ol>
    </section>
  `;
}

/** @param {{episode: Episode}} props */
function OneEpisode({ episode }) {
  return html`
    <li>
      <p>
        <b title=${fullTime(episode.queued_at)}>${day(episode.queued_at)}</b>
        ${episode.agent && html`<span> · ${episode.agent.name}</span>`}
        ${episode.score !== null && html` <${Stars} score=${episode.score} />`}
      </p>
      <p class="muted">${course(episode)}</p>
      ${episode.comment && html`<p class="rated-words" dir="auto">“${episode.comment}”</p>`}
    </li>
  `;
}

/** How it ended when no agent came. @type {Record<string, string>} */
const outcomes = { abandoned: "Went away while waiting", left: "Left the line", offline: "Left a message" };

/** @param {Episode} episode */
function course({ queued_at, assigned_at, closed_at, outcome }) {
  if (assigned_at === null) return closed_at === null ? "Waiting now" : (outcomes[outcome ?? ""] ?? "Ended without an agent");
  const waited = `waited ${elapsed(assigned_at - queued_at)}`;
  return closed_at === null ? `Open, ${waited}` : `Lasted ${elapsed(closed_at - assigned_at)}, ${waited}`;
}
