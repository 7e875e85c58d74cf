/** Where the agent writes: a reply for the visitor, or a note for the team. */

import { html, useLayoutEffect, useRef } from "../../vendor/preact.js";
import { arrowUp } from "../../shared/icons.js";
import { codePoints } from "../../shared/text.js";
import { LONGEST, mode, obstacle, submit, wanted, write } from "../composing.js";
import { draftOf } from "../drafts.js";
import { world } from "../state/desk.js";
import { isMine } from "../state/lists.js";
import { ComposerText } from "./composer_text.js";
import { ReplyWall } from "./reply_wall.js";

/** @typedef {import("../state/wire.js").Head} Head */

/** @param {{head: Head}} props */
export function Composer({ head }) {
  const mine = isMine(world.value, head);
  // Only when the chat is opened: a note must never turn into a reply under somebody's hands.
  useLayoutEffect(() => {
    mode.value = mine || draftOf(head.c, "note").text === "" ? "reply" : "note";
  }, []);
  const text = draftOf(head.c, mode.value).text;
  const walled = mode.value === "reply" && !mine;
  return html`
    <div class="composer" data-mode=${mode.value}>
      <${Tabs} c=${head.c} />
      <div id="write-panel" role="tabpanel" aria-labelledby=${`tab-${mode.value}`}>
        ${walled ? html`<${ReplyWall} head=${head} />` : html`<${ComposerText} key=${mode.value} head=${head} />`}
        ${!walled && html`<${SendLine} c=${head.c} text=${text} />`}
      </div>
    </div>
  `;
}

/** @typedef {import("../composing.js").Mode} Mode */

/** @type {Record<Mode, {label: string, tip: string}>} */
const tabs = { reply: { label: "Reply", tip: "Reply  R" }, note: { label: "Note", tip: "Note  N" } };

/** @param {{c: string}} props */
function Tabs({ c }) {
  const list = useRef(/** @type {HTMLElement|null} */ (null));
  /** Arrow keys move between the two. @param {KeyboardEvent} event */
  const arrows = (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    mode.value = mode.value === "reply" ? "note" : "reply";
    const next = list.current?.querySelector(`#tab-${mode.value}`);
    if (next instanceof HTMLElement) next.focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label="What to write" ref=${list} onKeyDown=${arrows}>
      <${Tab} c=${c} name="reply" />
      <${Tab} c=${c} name="note" />
    </div>
  `;
}

/** @param {{c: string, name: Mode}} props */
function Tab({ c, name }) {
  const chosen = mode.value === name;
  const waiting = !chosen && draftOf(c, name).text !== "";
  return html`
    <button
      type="button"
      role="tab"
      id=${`tab-${name}`}
      aria-selected=${chosen ? "true" : "false"}
      aria-controls="write-panel"
      tabindex=${chosen ? 0 : -1}
      data-tip=${tabs[name].tip}
      onClick=${() => write(name)}
    >
      ${tabs[name].label}${waiting && html`<span class="tab-draft" title="You have a draft here" />`}
    </button>
  `;
}

/** @param {{c: string, text: string}} props */
function SendLine({ c, text }) {
  const why = obstacle(text);
  const length = codePoints(text);
  const note = mode.value === "note";
  const send = () => {
    submit(c);
    wanted.value = { insert: "" };
  };
  return html`
    <div class="send-line">
      <p class="send-why" id="send-why" role="status" data-bad=${Boolean(why)}>
        ${why || (note ? "Only the team sees notes." : html`<span class="wide-only"><kbd>/</kbd> canned replies · <kbd>Shift Enter</kbd> new line</span>`)}
      </p>
      ${length > LONGEST * 0.9 && html`<span class="send-length" data-over=${length > LONGEST}>${length.toLocaleString()} of ${LONGEST.toLocaleString()}</span>`}
      <button type="button" class="button primary send" disabled=${why !== null} onClick=${send}>
        ${note ? "Add note" : "Send"} ${arrowUp()}
      </button>
    </div>
  `;
}
