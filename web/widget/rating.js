import { t } from "../shared/i18n.js";
import { angry, circleCheck, frown, laugh, meh, smile } from "../shared/icons.js";
import { html, useState } from "../vendor/preact.js";
import { conversation, ratingStep } from "./state.js";

const FACES = [angry, frown, meh, smile, laugh];

// How was it? Native radio buttons, so that arrow keys and screen readers know what to do.

/** @param {{chat: import("./chat.js").Chat, host: import("./host.js").Host}} props */
export function Rating({ chat, host }) {
  const [score, setScore] = useState(0);
  const [comment, setComment] = useState("");
  const [sending, setSending] = useState(false);
  const again = () => {
    ratingStep.value = "away";
    document.getElementById("message")?.focus();
  };
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLElement} */ (event.currentTarget);
    const now = conversation.peek();
    if (!now || !score || sending) return;
    setSending(true);
    const worked = await chat.attempt({ t: "rate", c: now.c, score, ...(comment.trim() && { comment: comment.trim() }) });
    setSending(false);
    if (!worked) return;
    host.emit("rating", { score, comment: comment.trim() });
    // The button that had the focus goes away with the form.
    const wasHere = form.contains(document.activeElement) || document.activeElement === document.body;
    ratingStep.value = "thanks";
    if (wasHere) document.getElementById("message")?.focus();
  };
  if (ratingStep.value === "thanks")
    return html`
      <section class="card thanks" role="status">
        ${circleCheck(28)}
        <h2>${t("rating.thanks")}</h2>
        <button type="button" class="button" onClick=${again}>${t("rating.again")}</button>
      </section>
    `;
  return html`
    <form class="card rating" onSubmit=${send}>
      <fieldset>
        <legend>${t("rating.ask")}</legend>
        <div class="faces" role="radiogroup" aria-label=${t("rating.ask")}>
          ${FACES.map(
            (face, i) => html`
              <label class="face">
                <input type="radio" name="score" value=${i + 1} checked=${score === i + 1} onChange=${() => setScore(i + 1)} aria-label=${t(`rating.${i + 1}`)} />
                ${face(30)}
                <span aria-hidden="true">${t(`rating.${i + 1}`)}</span>
              </label>
            `,
          )}
        </div>
      </fieldset>
      ${score > 0 &&
      html`
        <label class="field" for="comment">
          <span>${t("rating.comment")} <small>${t("optional")}</small></span>
          <textarea id="comment" rows="3" maxlength="2000" dir="auto" value=${comment}
            onInput=${(/** @type {any} */ event) => setComment(event.currentTarget.value)}></textarea>
        </label>
      `}
      <div class="row">
        <button type="button" class="button quiet" onClick=${() => (ratingStep.value = "away")}>${t("rating.skip")}</button>
        <button type="submit" class="button primary" disabled=${!score || sending}>${t("rating.send")}</button>
      </div>
    </form>
  `;
}
