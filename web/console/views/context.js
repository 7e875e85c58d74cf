/** Who the visitor is, where they are, and what came before. */

import { html, useEffect, useState } from "../../vendor/preact.js";
import { getJson } from "../../shared/http.js";
import { Avatar } from "../../shared/avatar.js";
import { x } from "../../shared/icons.js";
import { ago, fullTime } from "../../shared/time.js";
import { signIn } from "../sign_in.js";
import { now } from "../state/clock.js";
import { world } from "../state/desk.js";
import { visitorName } from "../state/people.js";
import { toggleInfo } from "../state/place.js";
import { codeOf } from "../words.js";
import { Episodes } from "./episodes.js";
import { verified } from "./icons.js";

/** @typedef {import("../state/wire.js").Head} Head */
/**
 * @typedef {{head: Head, episodes: import("./episodes.js").Episode[], visitor: {id: string, name: string|null, email: string|null,
 *   verified: boolean, external_id: string|null, attributes: Record<string, unknown>, first_seen_at: number|null, last_seen_at: number|null}}} Story
 */

/** @param {{c: string}} props */
export function Context({ c }) {
  const head = world.value.heads[c];
  const [story, failed] = useStory(c, head?.gen ?? 0, head?.internal ?? 0);
  return html`
    <aside class="context" aria-label="Visitor's details">
      <header class="context-head">
        <h2>Details</h2>
        <button type="button" class="icon-button" aria-label="Close the details" data-tip="Close  I" onClick=${toggleInfo}>${x()}</button>
      </header>
      ${head && html`<${Who} head=${head} />`}
      ${head && html`<${Where} head=${head} />`}
      ${failed && html`<p class="context-failed">The rest couldn't be fetched. <button type="button" class="text-button" onClick=${failed}>Try again</button></p>`}
      ${story ? html`<${Known} story=${story} online=${Boolean(head?.online)} />` : !failed && html`<div class="context-bones" aria-hidden="true"><i class="bone" /><i class="bone short" /><i class="bone" /></div>`}
    </aside>
  `;
}

/**
 * The story of a conversation, fetched again when something about it changed.
 * @param {string} c
 * @param {number} gen
 * @param {number} internal ratings arrive on the internal lane
 * @returns {[Story|null, (() => void)|null]} the story; how to try again when it couldn't be fetched
 */
function useStory(c, gen, internal) {
  const [story, setStory] = useState(/** @type {Story|null} */ (null));
  const [failed, setFailed] = useState(false);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let current = true;
    getJson(`/api/conversations/${c}`).then(
      (answer) => {
        if (!current) return;
        setStory(answer);
        setFailed(false);
      },
      (error) => {
        if (codeOf(error) === "unauthorized") signIn();
        if (current) setFailed(true);
      },
    );
    return () => {
      current = false;
    };
  }, [c, gen, internal, attempt]);
  const own = story?.head.c === c ? story : null;
  return [own, failed && !own ? () => setAttempt(attempt + 1) : null];
}

/** @param {{head: Head}} props */
function Who({ head }) {
  const { visitor } = head;
  const name = visitorName(visitor);
  return html`
    <section class="context-who">
      <${Avatar} name=${name} size=${48} />
      <div>
        <p class="context-name"><bdi>${name}</bdi></p>
        ${visitor.email ? html`<p class="context-mail"><a href=${`mailto:${encodeURIComponent(visitor.email)}`}>${visitor.email}</a></p>` : html`<p class="muted">No e-mail given</p>`}
        <p class="context-proof" data-verified=${visitor.verified}>
          ${visitor.verified ? html`${verified(14)} Verified by ${head.site.name}` : proofless(visitor)}
        </p>
      </div>
    </section>
  `;
}

/** @param {Head["visitor"]} visitor what an unverified visitor said may be anything; one who said nothing claimed nothing */
function proofless({ name, email }) {
  if (!name && !email) return "Has not said who they are";
  return `Not verified: anybody could have typed this ${name ? "name" : "address"}`;
}

/** @param {{head: Head}} props */
function Where({ head }) {
  const { page } = head;
  const address = page && /^https?:\/\//.test(page.url) ? page.url : null;
  return html`
    <section>
      <h3>${head.online ? "On this page now" : "Last seen on"}</h3>
      ${
        page
          ? html`<p class="context-page">
            <bdi>${page.title || page.url}</bdi>
            ${address && html`<a href=${address} target="_blank" rel="noopener noreferrer nofollow ugc">${address}</a>`}
          </p>`
          : html`<p class="muted">${head.site.name}; the page isn't known.</p>`
      }
    </section>
  `;
}

/** @param {{story: Story, online: boolean}} props */
function Known({ story, online }) {
  const { visitor, episodes } = story;
  const attributes = Object.entries(visitor.attributes ?? {});
  return html`
    <section>
      <h3>Visitor</h3>
      <dl class="facts">
        <${SeenAt} label="First seen" at=${visitor.first_seen_at} />
        <${SeenAt} label="Last seen" at=${online ? now.value : visitor.last_seen_at} />
        ${visitor.external_id && html`<${Fact} label="Your id" value=${visitor.external_id} />`}
        ${attributes.map(([label, value]) => html`<${Fact} key=${label} label=${label} value=${typeof value === "object" ? JSON.stringify(value) : String(value)} />`)}
      </dl>
    </section>
    <${Episodes} episodes=${episodes} />
  `;
}

/** @param {{label: string, at: number|null}} props */
function SeenAt({ label, at }) {
  if (!at) return null;
  return html`<dt>${label}</dt><dd title=${fullTime(at)}>${ago(at, now.value)}</dd>`;
}

/** @param {{label: string, value: string}} props */
function Fact({ label, value }) {
  return html`<dt><bdi>${label}</bdi></dt><dd><bdi>${value}</bdi></dd>`;
}
