import { Avatar } from "../shared/avatar.js";
import { t } from "../shared/i18n.js";
import { chevronDown } from "../shared/icons.js";
import { day, fullTime } from "../shared/time.js";
import { html, useLayoutEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import { Bubble } from "./bubble.js";
import { Intro } from "./intro.js";
import { Rating } from "./rating.js";
import { asksIntro, asksRating, conversation, events, foot, open, site, typing, unsent } from "./state.js";
import { timeline } from "./timeline.js";
import { Waiting } from "./waiting.js";

/** How near to the end still counts as reading the latest. */
const NEAR = 80;

/** @param {{chat: import("./chat.js").Chat, host: import("./host.js").Host}} props */
export function Log({ chat, host }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const inside = useRef(/** @type {HTMLElement | null} */ (null));
  const follows = useRef(true);
  const [away, setAway] = useState(false);
  const [loading, setLoading] = useState(false);
  const items = useMemo(() => timeline(events.value, unsent.value), [events.value, unsent.value]);
  const earlier = chat.thread.hasEarlier;

  const toEnd = () => box.current?.scrollTo({ top: box.current.scrollHeight });
  useLayoutEffect(() => {
    if (follows.current) toEnd();
  });
  // Cards and pictures may grow, the keyboard may come: whoever was at the end stays there.
  useLayoutEffect(() => {
    const watch = new ResizeObserver(() => follows.current && toEnd());
    for (const part of [box.current, inside.current]) if (part) watch.observe(part);
    return () => watch.disconnect();
  }, []);

  const load = async () => {
    const log = box.current;
    if (!log || loading) return;
    setLoading(true);
    const fromEnd = log.scrollHeight - log.scrollTop;
    await chat.loadEarlier().catch(() => {});
    setLoading(false);
    requestAnimationFrame(() => (log.scrollTop = log.scrollHeight - fromEnd));
  };
  const scrolled = () => {
    const log = box.current;
    if (!log) return;
    follows.current = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
    setAway(!follows.current);
    if (earlier && log.scrollTop < NEAR) void load();
  };

  const lastMine = items.findLast((item) => item.type === "message" && item.mine);
  return html`
    <div class="log" ref=${box} onScroll=${scrolled} tabindex="0" role="region" aria-label=${t("log")}>
      <div ref=${inside}>
        ${earlier
          ? html`<button type="button" class="link earlier" disabled=${loading} onClick=${load}>${t(loading ? "earlier.loading" : "earlier")}</button>`
          : html`<div class="greeting">
              <${Avatar} name=${site.name} size=${28} />
              <p class="bubble"><bdi>${site.greeting || t("greeting")}</bdi></p>
            </div>`}
        <div role="log" aria-live="polite" aria-label=${t("messages")} aria-busy=${loading}><ol>
          ${items.map((item) => {
            if (item.type === "day") return html`<li key=${item.key} class="day"><time title=${fullTime(item.at)}>${day(item.at)}</time></li>`;
            if (item.type === "line") return html`<li key=${item.key} class="line">${t(item.text, item.values)}</li>`;
            return html`<${Bubble} key=${item.key} item=${item} chat=${chat} latest=${item === lastMine} read=${conversation.value?.read.agent ?? 0} />`;
          })}
        </ol></div>
        ${typing.value !== null &&
        html`<div class="typing" role="status">
          <${Avatar} name=${typing.value} size=${28} />
          <span class="unseen">${t("typing", { name: typing.value })}</span>
          <span class="bubble" aria-hidden="true"><i></i><i></i><i></i></span>
        </div>`}
        ${asksIntro.value && foot.value === "composer" && html`<${Intro} />`}
        ${open.value === "waiting" && html`<${Waiting} />`}
        ${asksRating.value && html`<${Rating} chat=${chat} host=${host} />`}
      </div>
    </div>
    ${away && html`<button type="button" class="to-end" aria-label=${t("latest")} title=${t("latest")} onClick=${toEnd}>${chevronDown(18)}</button>`}
  `;
}

