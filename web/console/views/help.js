/** Every key in one dialog. */

import { html, useEffect, useRef } from "../../vendor/preact.js";
import { x } from "../../shared/icons.js";
import { helpOpen, keyTable } from "../keys.js";

export function Help() {
  const dialog = useRef(/** @type {HTMLDialogElement|null} */ (null));
  const open = helpOpen.value;
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  const leave = () => (helpOpen.value = false);
  return html`
    <dialog ref=${dialog} class="help" aria-labelledby="help-title" onClose=${leave}
      onClick=${(/** @type {MouseEvent} */ event) => event.target === dialog.current && leave()}>
      <header>
        <h2 id="help-title">Keyboard</h2>
        <button type="button" class="icon-button" aria-label="Close" onClick=${leave}>${x()}</button>
      </header>
      <dl>
        ${keyTable.map(
          ([keys, meaning]) => html`
            <div key=${meaning}>
              <dt>${keys.map((key) => html`<kbd>${key}</kbd>`)}</dt>
              <dd>${meaning}</dd>
            </div>
          `,
        )}
      </dl>
      <p class="muted">Single keys rest while you type; <kbd>Esc</kbd> leaves the text.</p>
    </dialog>
  `;
}
