/** The talk: pages earlier when scrolled up, stays at the end when you're there. */

import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../../vendor/preact.js";
import { day, fullTime } from "../../shared/time.js";
import { loadEarlier } from "../follow.js";
import { now, today } from "../state/clock.js";
import { linkState, outgoing, paging, world } from "../state/desk.js";
import { visitorName } from "../state/people.js";
import { timeline } from "../state/timeline.js";
import { arrowDown } from "./icons.js";
import { Message } from "./message.js";
import { SystemLine } from "./system_line.js";

/** @typedef {import("../state/wire.js").Head} Head */
/** @typedef {import("../state/timeline.js").Row} Row */

const NEAR = 80;
const TYPING_MS = 6000;

/** @param {{head: Head}} props */
export function Timeline({ head }) {
  const { me, lanes } = world.value;
  const held = lanes[head.c];
  const visitor = visitorName(head.visitor);
  const unsent = useMemo(() => outgoing.value.filter((item) => item.c === head.c), [outgoing.value, head.c]);
  const rows = useMemo(
    () => timeline(held, unsent, { me: me?.id ?? "", readByVisitor: head.read.visitor }),
    [held, unsent, me?.id, head.read.visitor],
  );
  // Kept between renders: a long talk costs nothing while other chats change.
  const shown = useMemo(() => rows.map((row) => shownRow(row, rows, visitor)), [rows, visitor, today.value]);
  const scroller = useRef(/** @type {HTMLElement|null} */ (null));
  const { away, toEnd } = useScroll(scroller, rows);
  return html`
    <div class="talk-box">
      <div
        class="talk"
        role="log"
        aria-live="off"
        aria-label="Messages"
        tabindex="0"
        ref=${scroller}
        onScroll=${() => pageEarlier(scroller.current, head.c)}
      >
        <div class="talk-rows">
          ${(!held || held.public.first > 1) && html`<${Bones} />`} ${shown}
          <${Presence} head=${head} />
          <${Typing} head=${head} />
        </div>
      </div>
      ${away && html`<button type="button" class="to-end" onClick=${toEnd}>${arrowDown()} Latest</button>`}
    </div>
  `;
}

/** @param {Row} row @param {readonly Row[]} rows @param {string} visitor */
function shownRow(row, rows, visitor) {
  if (row.row === "day") {
    return html`<p key=${row.key} class="day"><span title=${fullTime(row.at)}>${day(row.at, now.peek())}</span></p>`;
  }
  if (row.row === "system") return html`<${SystemLine} key=${row.key} event=${row.event} visitor=${visitor} />`;
  const last = row === rows.findLast((each) => each.row === "message" && each.side === "mine" && !each.note);
  return html`<${Message} key=${row.key} row=${row} visitor=${visitor} last=${last} />`;
}

/** @param {HTMLElement|null} element @param {string} c */
function pageEarlier(element, c) {
  const lanes = world.peek().lanes[c];
  if (!element || element.scrollTop > 400 || !lanes || lanes.public.first <= 1) return;
  if (linkState.peek() === "live" && !paging.peek().has(c)) void loadEarlier(c);
}

/**
 * Keeps the end in view while the agent is there, and the same words in view while earlier ones come in above.
 * @param {{current: HTMLElement|null}} scroller
 * @param {readonly Row[]} rows
 */
function useScroll(scroller, rows) {
  const [away, setAway] = useState(false);
  const before = useRef({ height: 0, top: 0, first: "", end: true });
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const { height, first, end } = before.current;
    const start = rows.find((row) => row.row !== "day")?.key ?? "";
    if (end) element.scrollTop = element.scrollHeight;
    else if (start !== first && height > 0) element.scrollTop += element.scrollHeight - height;
    before.current = { ...before.current, height: element.scrollHeight, first: start };
  });
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const settle = () => {
      const end = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
      before.current = { ...before.current, end };
      setAway(!end);
    };
    // The composer growing or a phone's keyboard must not hide the latest words.
    const resized = new ResizeObserver(() => {
      if (before.current.end) element.scrollTop = element.scrollHeight;
    });
    resized.observe(element);
    element.addEventListener("scroll", settle, { passive: true });
    return () => {
      resized.disconnect();
      element.removeEventListener("scroll", settle);
    };
  }, []);
  const toEnd = () => scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
  return { away, toEnd };
}

/** @param {{head: Head}} props */
function Presence({ head }) {
  if (head.state !== "active") return null;
  const name = visitorName(head.visitor);
  if (!head.online)
    return html`<p class="system faint">${name} isn't on the site right now. What you write will be there on the next visit.</p>`;
  if (world.value.returned[head.c] === head.public) return html`<p class="system">${name} came back</p>`;
  return null;
}

/** @param {{head: Head}} props */
function Typing({ head }) {
  const at = world.value.typing[head.c];
  // Nobody types most of the time: then there is no clock to follow.
  if (at === undefined || now.value - world.value.skew - at > TYPING_MS) return null;
  return html`<p class="typing"><span class="typing-dots" aria-hidden="true"><i /><i /><i /></span>${visitorName(head.visitor)} is typing</p>`;
}

export function Bones() {
  return html`<div class="bones" aria-hidden="true"><i class="bone bubble" /><i class="bone bubble end" /><i class="bone bubble wide" /></div>`;
}
