/** The text field of the composer, with the canned picker above and open variables marked behind it. */

import { html, useEffect, useId, useLayoutEffect, useRef, useState } from "../../vendor/preact.js";
import { fill, openPlaces, textOf } from "../../shared/canned.js";
import { announced } from "../alerts/alerts.js";
import { refreshReplies, replies, usableFor } from "../canned/library.js";
import { matching } from "../canned/match.js";
import { replaced, triggerAt } from "../canned/trigger.js";
import { valuesFor } from "../canned/values.js";
import { mode, obstacle, submit, tellTyping, wanted } from "../composing.js";
import { draftOf, keepDraft } from "../drafts.js";
import { world } from "../state/desk.js";
import { Picker } from "./picker.js";

/** @param {{head: import("../state/wire.js").Head}} props */
export function ComposerText({ head }) {
  const field = useRef(/** @type {HTMLTextAreaElement|null} */ (null));
  const caretWanted = useRef(/** @type {[number, number]|null} */ (null));
  const [trigger, setTrigger] = useState(/** @type {import("../canned/trigger.js").Trigger|null} */ (null));
  const [chosen, setChosen] = useState(0);
  const dismissed = useRef(-1);
  const listId = useId();
  const draft = draftOf(head.c, mode.value);
  const values = valuesFor(head, world.value.me?.name ?? "");
  const found = trigger ? matching(usableFor(replies.value ?? [], head.team.id), trigger.query) : [];
  const picking = trigger !== null && (found.length > 0 || !trigger.query.includes(" "));

  /** @param {string} text @param {string} [canned] */
  const keep = (text, canned = draft.canned) => {
    keepDraft(head.c, mode.value, canned && text.trim() ? { text, canned } : { text });
    if (mode.value === "reply") tellTyping(head.c, text.trim() !== "");
  };
  const look = () => {
    const element = field.current;
    if (!element || mode.value !== "reply") return;
    const next =
      element.selectionStart === element.selectionEnd ? triggerAt(element.value, element.selectionStart) : null;
    if (next) void refreshReplies();
    if (next?.query !== trigger?.query) setChosen(0);
    // After Esc this slash is just a slash.
    if (next?.start !== dismissed.current) dismissed.current = -1;
    setTrigger(next && next.start === dismissed.current ? null : next);
  };
  const dismiss = () => {
    dismissed.current = trigger?.start ?? -1;
    setTrigger(null);
  };
  /** @param {import("../canned/match.js").Reply} reply */
  const insert = (reply) => {
    if (!trigger) return;
    const next = replaced(draft.text, trigger, textOf(fill(reply.body, values).parts));
    const open = openPlaces(next.text).find(({ start }) => start >= trigger.start);
    caretWanted.current = open ? [open.start, open.end] : [next.caret, next.caret];
    keep(next.text, draft.canned ?? reply.id);
    setTrigger(null);
    field.current?.focus();
  };

  useEffect(() => {
    if (picking && found[0]) announced.value = `${found.length} canned ${found.length === 1 ? "reply" : "replies"}, arrow keys choose`;
  }, [picking, found.length]);
  useLayoutEffect(() => {
    if (!caretWanted.current || !field.current) return;
    field.current.setSelectionRange(...caretWanted.current);
    caretWanted.current = null;
  });
  useLayoutEffect(() => {
    const ask = wanted.value;
    const element = field.current;
    if (!ask || !element) return;
    wanted.value = null;
    element.focus();
    if (ask.insert) {
      const lead = draft.text && !/\s$/.test(draft.text) ? " " : "";
      element.setRangeText(lead + ask.insert, draft.text.length, draft.text.length, "end");
      keep(element.value);
      look();
    }
  }, [wanted.value]);

  /** @param {KeyboardEvent} event */
  const keys = (event) => {
    if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    if (picking && pickerKey(event, found, chosen, setChosen, insert, dismiss)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      if (obstacle(draft.text) === null) submit(head.c);
      else selectPlace(field.current, 0);
    } else if (event.key === "Tab" && !event.shiftKey) {
      if (selectPlace(field.current, field.current?.selectionEnd ?? 0)) event.preventDefault();
    } else if (event.key === "Escape") {
      field.current?.blur();
      event.preventDefault();
    }
  };

  const name = mode.value === "note" ? "Internal note" : "Reply";
  return html`
    <div class="write">
      ${picking && html`<${Picker} id=${listId} found=${found} chosen=${chosen} values=${values} onChoose=${insert} onPoint=${setChosen} />`}
      <div class="write-grow">
        <div class="write-mirror" aria-hidden="true">${marked(draft.text)}${"\u200b"}</div>
        <textarea ref=${field} rows="2" aria-label=${name} aria-describedby="send-why" dir="auto" spellcheck="true"
          aria-autocomplete="list" aria-haspopup="listbox" aria-controls=${picking ? listId : undefined}
          aria-activedescendant=${picking && found[chosen] ? `${listId}-${chosen}` : undefined}
          placeholder=${mode.value === "note" ? "Write a note for the team…" : "Write a reply…"}
          value=${draft.text} onInput=${(/** @type {any} */ event) => (keep(event.target.value), look())}
          onKeyDown=${keys} onKeyUp=${look} onClick=${look} onBlur=${() => setTrigger(null)}></textarea>
      </div>
    </div>
  `;
}

/**
 * Keys of the open picker. @returns {boolean} was it one
 * @param {KeyboardEvent} event
 * @param {readonly import("../canned/match.js").Reply[]} found
 * @param {number} chosen
 * @param {(index: number) => void} choose
 * @param {(reply: import("../canned/match.js").Reply) => void} insert
 * @param {() => void} leave
 */
function pickerKey(event, found, chosen, choose, insert, leave) {
  const reply = found[chosen];
  if (event.key === "Escape") leave();
  else if (event.key === "ArrowDown" && reply) choose((chosen + 1) % found.length);
  else if (event.key === "ArrowUp" && reply) choose((chosen + found.length - 1) % found.length);
  else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey && reply) insert(reply);
  else return false;
  event.preventDefault();
  return true;
}

/**
 * Selects the next open variable from `from` on; a last one that is selected already lets Tab leave the field.
 * @param {HTMLTextAreaElement|null} field
 * @param {number} from
 * @returns {boolean}
 */
function selectPlace(field, from) {
  if (!field) return false;
  const places = openPlaces(field.value);
  const onOne = places.some(({ start, end }) => start === field.selectionStart && end === field.selectionEnd);
  const next = places.find(({ start }) => start >= from) ?? (onOne ? undefined : places[0]);
  if (!next) return false;
  field.setSelectionRange(next.start, next.end);
  return true;
}

/** The same text with its open variables marked; it lies behind the field and makes it grow. @param {string} text */
function marked(text) {
  const parts = [];
  let end = 0;
  for (const place of openPlaces(text)) {
    parts.push(text.slice(end, place.start), html`<mark>${text.slice(place.start, place.end)}</mark>`);
    end = place.end;
  }
  return [...parts, text.slice(end)];
}
