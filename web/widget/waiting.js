import { t } from "../shared/i18n.js";
import { bell, mail, messageCircle } from "../shared/icons.js";
import { html } from "../vendor/preact.js";
import { conversation, prefersMessage } from "./state.js";

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
      <p>${t(now.position === 1 || !now.position ? "waiting.first" : "waiting.behind")}</p>
      <ul>
        <li>${messageCircle()}<span>${t("waiting.write")}</span></li>
        <li>${bell()}<span>${t("waiting.browse")}</span></li>
      </ul>
      <button type="button" class="button" onClick=${instead}>${mail()} ${t("waiting.instead")}</button>
    </section>
  `;
}
