import { t } from "../shared/i18n.js";
import { circleCheck, mail } from "../shared/icons.js";
import { codePoints } from "../shared/text.js";
import { opening } from "../shared/time.js";
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { Field, introComplete } from "./intro.js";
import { available, conversation, draft, full, intro, open, opensAt, prefersMessage, said, unsent, visitor } from "./state.js";

const LONGEST = 5000;

/** Nobody is here, or the visitor would rather not wait: question and e-mail for later. @param {{chat: import("./chat.js").Chat}} props */
export function MessageForm({ chat }) {
  const [sentTo, setSentTo] = useState("");
  const [missing, setMissing] = useState(false);
  const thanks = useRef(/** @type {HTMLElement|null} */ (null));
  const kept = unsent.value.find((entry) => entry.kind === "leave_message");
  useEffect(() => {
    const { name, email } = visitor.value ?? {};
    intro.value = { ...intro.value, name: intro.value.name || (name ?? ""), email: intro.value.email || (email ?? "") };
  }, [visitor.value]);
  // The form is gone, and the focus with it: whoever uses the keyboard goes on from the thanks.
  useEffect(() => {
    if (sentTo) thanks.current?.focus();
  }, [sentTo]);

  const call = prefersMessage.value === "call";
  // Their place is theirs until the message is sent.
  const waits = open.value === "waiting";
  // Nobody writes the same thing twice: what they said in line goes with the message.
  const words = waits && said.value && t(call ? "call.words" : "leave_message.words");
  const over = codePoints(draft.value) - LONGEST;
  const send = (/** @type {Event} */ event) => {
    event.preventDefault();
    const text = draft.value.trim() || words;
    setMissing(!text);
    if (!introComplete({ email: true, phone: call }) || !text || over > 0) return;
    const [name, email, phone] = [intro.value.name.trim(), intro.value.email.trim(), call ? intro.value.phone.trim() : ""];
    chat.connection.post("leave_message", {
      email,
      ...(name && { name }),
      ...(phone && { phone }),
      ...(waits && { instead: conversation.value?.episode }),
      body: { text },
    });
    draft.value = "";
    setSentTo(email);
  };
  if (sentTo && kept?.state !== "failed")
    return html`
      <section class="foot-card thanks" role="status" tabindex="-1" ref=${thanks}>
        ${circleCheck(28)}
        <h2>${t(kept?.state === "pending" ? "left.kept" : "left.thanks")}</h2>
        <p>${t("left.where", { email: sentTo })}</p>
        <button type="button" class="button" onClick=${() => setSentTo("")}>${t("left.more")}</button>
      </section>
    `;
  const back = waits || (available.value && prefersMessage.value);
  const help = call ? "call.help" : waits ? "leave_message.place" : back ? "leave_message.help" : full.value ? "away.full" : "away.help";
  return html`
    <form class="foot-card" onSubmit=${send} novalidate>
      <h2>${t(call ? "call.title" : back ? "leave_message.title" : "away.title")}</h2>
      <p>${!back && opensAt.value ? t("away.back", { when: opening(opensAt.value) }) : t(help)}</p>
      <${Field} name="name" type="text" autocomplete="name" required=${false} />
      <${Field} name="email" type="email" autocomplete="email" required=${true} />
      ${call && html`<${Field} name="phone" type="tel" autocomplete="tel" required=${true} />`}
      <label class="field" for="question">
        <span>${t("question")}</span>
        <textarea id="question" dir="auto" placeholder=${words} aria-required=${!words} aria-invalid=${missing || over > 0} aria-describedby="question-wrong" value=${draft.value}
          onInput=${(/** @type {any} */ event) => (draft.value = event.currentTarget.value)}></textarea>
        <span id="question-wrong" class="wrong" role="alert">${over > 0 ? t("composer.over", { n: over }) : missing ? t("field.question") : ""}</span>
      </label>
      <div class="row">
        ${back && html`<button type="button" class="button quiet" onClick=${() => (prefersMessage.value = false)}>${t(waits ? "leave_message.stay" : "leave_message.back")}</button>`}
        <button type="submit" class="button primary">${mail()} ${t(call ? "call.send" : "leave_message.send")}</button>
      </div>
    </form>
  `;
}
