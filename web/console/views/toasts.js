/** The corner where short sentences appear. */

import { html } from "../../vendor/preact.js";
import { x } from "../../shared/icons.js";
import { dismiss, toasts } from "../toasts.js";

export function Toasts() {
  return html`
    <div class="toasts" role="status" aria-live="polite">
      ${toasts.value.map((toast) => html`<${One} key=${toast.id} toast=${toast} />`)}
    </div>
  `;
}

/** @param {{toast: import("../toasts.js").Toast}} props */
function One({ toast }) {
  const { action } = toast;
  const act = () => {
    dismiss(toast.id);
    action?.run();
  };
  return html`
    <div class="toast" data-tone=${toast.tone}>
      <p>${toast.text}</p>
      ${action && html`<button type="button" class="text-button" onClick=${act}>${action.label}</button>`}
      <button type="button" class="icon-button small" aria-label="Dismiss" onClick=${() => dismiss(toast.id)}>${x()}</button>
    </div>
  `;
}
