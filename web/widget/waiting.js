import { t } from "../shared/i18n.js";
import { bell, mail, messageCircle } from "../shared/icons.js";
import { html } from "../vendor/preact.js";
import { conversation, prefersMessage, said } from "./state.js";

/** @param {[number, number]} wait seconds */
function inWords([low, high]) {
  if (high <= 60) return t("wait.under");
  const minutes = { low: low / 60, high: high / 60 };
  return t(low === 0 ? "wait.up_to" : "wait.range", minutes);
}

/** The place in line, and what to do meanwhile. */
export function Waiting() {
  const now = conversation.value;
  if (!now) return null;
  /** The place is kept until the message is sent. @param {boolean | "call"} how */
  const instead = (how) => () => (prefersMessage.value = how);
  return html`
    <section class="card waiting" aria-label=${t("waiting.label")}>
      <p class="place" aria-live="polite">${now.position ? t("place", { n: now.position }) : now.to ? t("passed.to", { name: now.to }) : t("waiting.next")}</p>
      ${now.wait && html`<p class="wait" aria-live="polite">${inWords(now.wait)}</p>`}
      <p>${t((now.position ?? 1) < 2 ? "waiting.first" : "waiting.behind")}</p>
      <ul>
        ${!said.value && html`<li>${messageCircle()}<span>${t("waiting.write")}</span></li>`}
        <li>${bell()}<span>${t("waiting.browse")}</span></li>
      </ul>
      ${
        prefersMessage.value
          ? null
          : now.choice
          ? html`<div class="choice" role="group" aria-label=${t("choice.ask")}>
              <p role="status">${t("choice.ask")}</p>
              <button type="button" class="button" onClick=${instead(true)}>${mail()} ${t("choice.message")}</button>
              <button type="button" class="button" onClick=${instead("call")}>${bell()} ${t("choice.call")}</button>
            </div>`
          : html`<button type="button" class="button" onClick=${instead(true)}>${mail()} ${t("waiting.instead")}</button>`
      }
    </section>
  `;
}
