import { html, useEffect, useRef } from "../vendor/preact.js";
import { Composer } from "./composer.js";
import { Header } from "./header.js";
import { Log } from "./log.js";
import { MessageForm } from "./message_form.js";
import { Notice } from "./notice.js";
import { foot, opened, takesFocus } from "./state.js";

/** @param {{chat: import("./chat.js").Chat, host: import("./host.js").Host}} props */
export function App({ chat, host }) {
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const shown = opened.value;
  useEffect(() => {
    // Only when the person opened it: after a reload the page keeps its focus.
    if (!shown || !takesFocus.peek()) return;
    takesFocus.value = false;
    window.focus();
    /** @type {HTMLElement | null} */ (main.current?.querySelector("textarea"))?.focus();
  }, [shown]);
  return html`
    <main class="chat" ref=${main}>
      <${Header} chat=${chat} host=${host} />
      <${Notice} />
      <${Log} chat=${chat} host=${host} />
      ${foot.value === "form" ? html`<${MessageForm} chat=${chat} />` : html`<${Composer} chat=${chat} />`}
    </main>
  `;
}
