import { Avatar } from "../shared/avatar.js";
import { t } from "../shared/i18n.js";
import { logOut, x } from "../shared/icons.js";
import { html, useRef } from "../vendor/preact.js";
import { available, conversation, full, link, open, site } from "./state.js";

/** One line: who is here, or how long the line is. */
function status() {
  const now = conversation.value;
  if (link.value !== "live" && link.value !== "connecting") return t("status.reconnecting");
  if (open.value === "active") return t("status.active", { name: now?.agent?.name ?? "" });
  if (open.value === "waiting") return now?.position ? t("place", { n: now.position }) : t("status.next");
  if (available.value === null) return t("status.connecting");
  return t(available.value ? "status.available" : full.value ? "status.full" : "status.away");
}

/** @param {{chat: import("./chat.js").Chat, host: import("./host.js").Host}} props */
export function Header({ chat, host }) {
  const asking = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const now = conversation.value;
  const agent = open.value === "active" ? now?.agent : null;
  const here = link.value === "live" && (agent || (!open.value && available.value));
  const what = open.value === "waiting" ? "leave" : "end";
  const confirm = () => now && chat.attempt({ t: what, c: now.c });
  return html`
    <header class="head">
      <${Avatar} name=${agent?.name ?? site.name} size=${36} />
      <div class="head-words">
        <h1><bdi>${site.name}</bdi></h1>
        <p class=${here ? "here" : ""} role="status">${status()}</p>
      </div>
      ${open.value &&
      html`<button type="button" class="icon-button" aria-label=${t(`${what}.title`)} title=${t(`${what}.title`)} onClick=${() => asking.current?.showModal()}>
        ${logOut(18)}
      </button>`}
      <button type="button" class="icon-button" aria-label=${t("close")} title=${t("close")} onClick=${() => host.close()}>${x(20)}</button>
      <dialog ref=${asking} class="ask" aria-labelledby="ask" onKeyDown=${(/** @type {Event} */ event) => event.stopPropagation()}>
        <form method="dialog">
          <h2 id="ask">${t(`${what}.ask`)}</h2>
          <p>${t(`${what}.help`)}</p>
          <div class="row">
            <button class="button" value="no">${t(`${what}.no`)}</button>
            <button class="button danger" value="yes" onClick=${confirm}>${t(`${what}.yes`)}</button>
          </div>
        </form>
      </dialog>
    </header>
  `;
}
