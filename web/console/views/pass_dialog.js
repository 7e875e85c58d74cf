/** Whom to pass a chat to, with a note for them. */

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { Avatar } from "../../shared/avatar.js";
import { x } from "../../shared/icons.js";
import { users } from "../../shared/icons_more.js";
import { assigning, passing, passOn, targets } from "../passing.js";
import { linkState } from "../state/desk.js";

export function PassDialog() {
  const dialog = useRef(/** @type {HTMLDialogElement|null} */ (null));
  const c = passing.value;
  useEffect(() => {
    if (c) dialog.current?.showModal();
    else dialog.current?.close();
  }, [c]);
  const leave = () => (passing.value = null);
  return html`
    <dialog ref=${dialog} class="pass" aria-labelledby="pass-title" onClose=${leave}
      onClick=${(/** @type {MouseEvent} */ event) => event.target === dialog.current && leave()}>
      <header>
        <h2 id="pass-title">${assigning.value ? "Assign" : "Pass on"}</h2>
        <button type="button" class="icon-button" aria-label="Cancel" onClick=${leave}>${x()}</button>
      </header>
      ${c && html`<${PassForm} key=${c} c=${c} />`}
    </dialog>
  `;
}

/** @param {{c: string}} props */
function PassForm({ c }) {
  const [wanted, setWanted] = useState("");
  const [chosen, setChosen] = useState(/** @type {import("../passing.js").Target|null} */ (null));
  const [note, setNote] = useState("");
  const [wrong, setWrong] = useState(/** @type {string|null} */ (null));
  const [busy, setBusy] = useState(false);
  const all = targets.value;
  const assign = assigning.value;
  const who = assign ? "Colleague" : "Colleague or team";
  const found = (all ?? []).filter(({ name }) => name.toLocaleLowerCase().includes(wanted.trim().toLocaleLowerCase()));
  const first = found.find(({ why }) => why === null) ?? null;
  const pick = chosen && found.includes(chosen) ? chosen : wanted.trim() ? first : null;

  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!pick || busy) return;
    setBusy(true);
    const why = await passOn(c, pick, note);
    setBusy(false);
    setWrong(why);
    if (why === null) passing.value = null;
  };
  return html`
    <form onSubmit=${submit}>
      <input type="search" class="pass-find" aria-label=${who} placeholder=${who} autocomplete="off" autofocus
        value=${wanted} onInput=${(/** @type {any} */ event) => setWanted(event.target.value)} />
      <div class="pass-list" role="radiogroup" aria-label=${assign ? "Who gets it" : "Whom to pass it to"}>
        ${found.map((target) => html`<${Choice} key=${target.id} target=${target} checked=${target === pick} onPick=${() => setChosen(target)} />`)}
        ${all && found.length === 0 && html`<p class="muted">${all.length ? "Nobody of that name." : "There is nobody else yet."}</p>`}
      </div>
      ${
        !assign &&
        html`<label class="pass-note">
        <span>Note for them <span class="muted">optional, the visitor never sees it</span></span>
        <textarea rows="2" maxlength="5000" dir="auto" value=${note} onInput=${(/** @type {any} */ event) => setNote(event.target.value)}></textarea>
      </label>`
      }
      <p class="pass-wrong" role="alert">${wrong}</p>
      <div class="pass-actions">
        <button type="button" class="button" onClick=${() => (passing.value = null)}>Cancel</button>
        <button class="button primary" disabled=${!pick || busy || linkState.value !== "live"}>${pick ? `${assign ? "Assign" : "Pass"} to ${pick.name}` : assign ? "Assign" : "Pass on"}</button>
      </div>
    </form>
  `;
}

/** @param {{target: import("../passing.js").Target, checked: boolean, onPick: () => void}} props */
function Choice({ target, checked, onPick }) {
  const { kind, name, why } = target;
  return html`
    <label class="pass-choice" data-off=${why !== null}>
      <input type="radio" name="to" disabled=${why !== null} checked=${checked} onChange=${onPick} />
      ${kind === "agent" ? html`<${Avatar} name=${name} size=${28} />` : html`<span class="pass-team" aria-hidden="true">${users(16)}</span>`}
      <span><bdi>${name}</bdi> ${kind === "team" && html`<span class="muted">team</span>`}</span>
      ${why && html`<span class="muted pass-why">${why}</span>`}
    </label>
  `;
}
