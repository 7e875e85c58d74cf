/** Where the agent writes: a reply for the visitor, or a note for the team. */

import { html, useLayoutEffect, useRef } from "../../vendor/preact.js";
import { arrowUp } from "../../shared/icons.js";
import { codePoints } from "../../shared/text.js";
import { LONGEST, mode, obstacle, submit, wanted } from "../composing.js";
import { draftOf } from "../drafts.js";
import { world } from "../state/desk.js";
import { isMine } from "../state/lists.js";
import { ComposerText } from "./composer_text.js";
import { ReplyWall } from "./reply_wall.js";

/** @typedef {import("../state/wire.js").Head} Head */

/** @param {{head: Head}} props */
export function Composer({ head }) {
  const mine = isMine(world.value, head);
  useLayoutEffect(() => {
    mode.value = mine || draftOf(head.c, "note").text === "" ? "reply" : "note";
  }, [mine]);
  const text = draftOf(head.c, mode.value).text;
  const walled = mode.value === "reply" && !mine;
  return html`
    <div class="composer" data-mode=${mode.value}>
      <${Tabs} c=${head.c} />
      ${walled ? html`<${ReplyWall} head=${head} />` : html`<${ComposerText} key=${mode.value} head=${head} />`}
      ${!walled && html`<${SendLine} c=${head.c} text=${text} />`}
    </div>
  `;
}

/** @param {{c: string}} props */
function Tabs({ c }) {
  const reply = useRef(/** @type {HTMLButtonElement|null} */ (null));
  const note = useRef(/** @type {HTMLButtonElement|null} */ (null));
  /** @param {import("../composing.js").Mode} next */
  const choose = (next) => {
    mode.value = next;
    wanted.value = { insert: "" };
  };
  /** Arrow keys move between tabs. @param {KeyboardEvent} event */
  const arrows = (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    mode.value = mode.value === "reply" ? "note" : "reply";
    (mode.value === "reply" ? reply : note).current?.focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label="What to write" onKeyDown=${arrows}>
      <button type="button" role="tab" ref=${reply} aria-selected=${mode.value === "reply" ? "true" : "false"} tabindex=${mode.value === "reply" ? 0 : -1}
        data-tip="Reply  R" onClick=${() => choose("reply")}>Reply${draftOf(c, "reply").text && mode.value !== "reply" ? " ·" : ""}</button>
      <button type="button" role="tab" ref=${note} aria-selected=${mode.value === "note" ? "true" : "false"} tabindex=${mode.value === "note" ? 0 : -1}
        data-tip="Note  N" onClick=${() => choose("note")}>Note${draftOf(c, "note").text && mode.value !== "note" ? " ·" : ""}</button>
    </div>
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
