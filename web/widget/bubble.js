import { Avatar } from "../shared/avatar.js";
import { t } from "../shared/i18n.js";
import { check, checkCheck, clock as clockIcon } from "../shared/icons.js";
import { linked } from "../shared/text.js";
import { clock, fullTime } from "../shared/time.js";
import { html } from "../vendor/preact.js";

/**
 * One message. `latest`: the visitor's newest, which tells how far it has come.
 * @param {{item: import("./timeline.js").Message, chat: import("./chat.js").Chat, latest: boolean, read: number}} props
 */
export function Bubble({ item, chat, latest, read }) {
  const { mine, name, entry } = item;
  const state = entry?.state === "pending" || entry?.state === "failed" ? entry.state : item.s <= read ? "read" : "sent";
  const classes = ["message", mine ? "mine" : "theirs", item.first && "first", item.last && "last", state];
  return html`
    <li class=${classes.filter(Boolean).join(" ")}>
      ${!mine && item.last && html`<${Avatar} name=${name} size=${28} />`}
      ${!mine && item.first && html`<span class="name"><bdi>${name}</bdi></span>`}
      <div class="bubble">
        <span class="unseen">${mine ? t("you") : ""}</span>
        <bdi>${linked(item.text)}</bdi>
        <time class="at" title=${fullTime(item.at)} tabindex="-1">${clock(item.at)}</time>
      </div>
      ${state === "failed"
        ? html`<${Failed} item=${item} chat=${chat} />`
        : mine && (latest || state === "pending") && html`<span class="mark">${marks[state]()} ${t(`mark.${state}`)}</span>`}
    </li>
  `;
}

const marks = { pending: () => clockIcon(12), sent: () => check(12), read: () => checkCheck(12) };

/** @param {{item: import("./timeline.js").Message, chat: import("./chat.js").Chat}} props */
function Failed({ item, chat }) {
  const m = item.entry?.m ?? "";
  const copy = () => navigator.clipboard.writeText(item.text).catch(() => {});
  return html`
    <span class="mark failed-mark" role="alert">
      ${t("mark.failed")}
      <button type="button" class="link" onClick=${() => chat.retry(m)}>${t("retry")}</button>
      ${navigator.clipboard && html`<button type="button" class="link" onClick=${copy}>${t("copy")}</button>`}
      <button type="button" class="link" onClick=${() => chat.outbox.discard(m)}>${t("discard")}</button>
    </span>
  `;
}
