import { t } from "../shared/i18n.js";
import { bell, mail, messageCircle } from "../shared/icons.js";
import { html } from "../vendor/preact.js";
import { conversation, prefersMessage } from "./state.js";

/** @param {[number, number]} wait seconds */
function inWords([low, high]) {
  if (high <= 60) return t("wait.under");
  const minutes = { low: low / 60, high: high / 60 };
  return t(low === 0 ? "wait.up_to" : "wait.range", minutes);
}

/** The place in line, and what to do meanwhile. @param {{chat: import("./chat.js").Chat}} props */
export function Waiting({ chat }) {
  const now = conversation.value;
  if (!now) return null;
  const instead = async () => {
    if (await chat.attempt({ t: "leave", c: now.c })) prefersMessage.value = true;
  };
  return html`
    <section class="card waiting" aria-label=${t("waiting.label")}>
      <p class="place" aria-live="polite">${now.position ? t("place", { n: now.position }) : t("waiting.next")}</p>
      ${now.wait && html`<p class="wait" aria-live="polite">${inWords(now.wait)}</p>`}
      <p>${t(now.position === 1 || !now.position ? "waiting.first" : "waiting.behind")}</p>
      <ul>
        <li>${messageCircle()}<span>${t("waiting.write")}</span></li>
        <li>${bell()}<span>${t("waiting.browse")}</span></li>
      </ul>
      <button type="button" class="button" onClick=${instead}>${mail()} ${t("waiting.instead")}</button>
    </section>
  `;
}
