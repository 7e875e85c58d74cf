import { t } from "../shared/i18n.js";
import { arrowUp } from "../shared/icons.js";
import { codePoints } from "../shared/text.js";
import { html, useLayoutEffect, useRef } from "../vendor/preact.js";
import { introComplete } from "./intro.js";
import { asksIntro, conversation, draft, link, open, ratingStep, site, trouble } from "./state.js";

const LONGEST = 5000;
const COUNT_FROM = 4500;
const TYPING_EVERY_MS = 3000;

/** @param {{chat: import("./chat.js").Chat}} props */
export function Composer({ chat }) {
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const typedAt = useRef(0);
  const text = draft.value;
  const length = text.length > COUNT_FROM / 2 ? codePoints(text) : text.length;
  const over = length - LONGEST;
  const ready = text.trim() !== "" && over <= 0 && link.value !== "refused";

  useLayoutEffect(() => {
    const box = area.current;
    if (!box) return;
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, 128)}px`;
  }, [text]);

  const tellTyping = (/** @type {boolean} */ on) => {
    const now = conversation.peek();
    if (!now || open.peek() !== "active" || (on ? Date.now() - typedAt.current < TYPING_EVERY_MS : typedAt.current === 0)) return;
    typedAt.current = on ? Date.now() : 0;
    chat.quietly({ t: "typing", c: now.c, on });
  };
  const send = (/** @type {Event} */ event) => {
    event.preventDefault();
    area.current?.focus();
    if (!ready) return;
    const required = site.preChat === "required";
    if (asksIntro.value && !introComplete({ name: required, email: required })) return;
    draft.value = "";
    trouble.value = null;
    if (!open.peek()) ratingStep.value = "away";
    typedAt.current = 0;
    chat.send(text.trim());
  };
  const change = (/** @type {InputEvent} */ event) => {
    draft.value = /** @type {HTMLTextAreaElement} */ (event.currentTarget).value;
    tellTyping(draft.value !== "");
  };
  const key = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  };
  return html`
    <form class="composer" onSubmit=${send}>
      <label class="unseen" for="message">${t("composer.label")}</label>
      <textarea id="message" ref=${area} rows="1" dir="auto" enterkeyhint="send" placeholder=${t(open.value ? "composer.open" : "composer.new")} value=${text}
        onInput=${change} onKeyDown=${key} onBlur=${() => tellTyping(false)} aria-describedby="count" aria-invalid=${over > 0}></textarea>
      <button type="submit" class="send" aria-label=${t("send")} title=${t("send")} aria-disabled=${!ready}>${arrowUp(20)}</button>
      <p id="count" class=${over > 0 ? "wrong" : ""} role="status">
        ${over > 0 ? t("composer.over", { n: over }) : length > COUNT_FROM ? t("composer.left", { n: -over }) : ""}
      </p>
    </form>
  `;
}
