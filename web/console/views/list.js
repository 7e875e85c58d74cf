/** The list pane: rows of the chosen list, and the agent's own state at its foot. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { closedFetched, fetchClosed, moreClosed } from "../actions.js";
import { linkState, rows, world } from "../state/desk.js";
import { place } from "../state/place.js";
import { Foot } from "./foot.js";
import { listLabels } from "./rail.js";
import { Row } from "./row.js";

export function List() {
  const { list } = place.value;
  const { label } = listLabels[list];
  const loading = world.value.me === null;
  return html`
    <section class="list" aria-label=${label}>
      <header class="list-head">
        <h1>${label}</h1>
        ${rows.value.length > 0 && list !== "closed" && html`<span class="list-count">${rows.value.length}</span>`}
      </header>
      <div class="list-rows" tabindex="-1">
        ${loading ? html`<${Skeleton} />` : html`<${Rows} list=${list} />`}
      </div>
      <${Foot} />
    </section>
  `;
}

/** @param {{list: import("../state/lists.js").ListName}} props */
function Rows({ list }) {
  return html`
    ${rows.value.length === 0 && html`<${Empty} list=${list} />`}
    <ul>
      ${rows.value.map((head) => html`<${Row} key=${head.c} head=${head} list=${list} />`)}
    </ul>
    ${list === "closed" && html`<${Earlier} />`}
  `;
}

function Earlier() {
  const [busy, setBusy] = useState(false);
  const load = async () => {
    setBusy(true);
    await fetchClosed();
    setBusy(false);
  };
  useEffect(() => {
    if (!closedFetched()) void load();
  }, []);
  if (!moreClosed.value) return null;
  return html`<button
    type="button"
    class="button list-more"
    disabled=${busy || linkState.value !== "live"}
    onClick=${load}
  >
    ${busy ? "Fetching…" : "Show earlier chats"}
  </button>`;
}

/** @type {Record<string, [string, string]>} */
const emptyWords = {
  mine: ["No chats yet", "New ones come to you by themselves while you accept chats."],
  waiting: ["Nobody is waiting", "Visitors who ask while everybody is busy stand here in order."],
  team: ["No chats of others", "What your colleagues are talking about stands here; you can read along, or take over."],
  messages: ["No messages to answer", "What visitors leave while nobody is here is kept here until it is done."],
  closed: ["No closed chats yet", "Chats that have ended stay readable here."],
};

/** @param {{list: string}} props */
function Empty({ list }) {
  const accepting = world.value.me?.accept;
  const [title, text] = emptyWords[list] ?? ["", ""];
  return html`
    <div class="empty">
      <p class="empty-title">${title}</p>
      <p>${list === "mine" && !accepting ? "You aren't accepting chats right now. Turn it on below when you're ready." : text}</p>
    </div>
  `;
}

function Skeleton() {
  return html`
    <ul aria-hidden="true">
      ${[1, 2, 3, 4].map((each) => html`<li key=${each} class="row skeleton"><i class="bone round" /><span><i class="bone" /><i class="bone short" /></span></li>`)}
    </ul>
    <p class="visually-hidden" role="status">Fetching your chats</p>
  `;
}
