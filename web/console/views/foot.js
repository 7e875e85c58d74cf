/** At the foot of the list: am I connected, do I take chats, how full are my hands. */

import { html } from "../../vendor/preact.js";
import { acceptChats } from "../actions.js";
import { linkState, world } from "../state/desk.js";

export function Foot() {
  return html`
    <footer class="foot">
      <${SetAway} />
      <div class="foot-line">
        <${AcceptSwitch} />
        <${Load} />
      </div>
      <${LinkLine} />
    </footer>
  `;
}

function AcceptSwitch() {
  const { me } = world.value;
  const on = me?.accept ?? false;
  return html`
    <button type="button" class="switch" role="switch" aria-checked=${on ? "true" : "false"} disabled=${!me || linkState.value !== "live"}
      title=${on ? "Turn off: no new chats come; the ones you have stay." : "Turn on: new chats come to you."}
      onClick=${() => acceptChats(!on)}>
      <span class="switch-track" aria-hidden="true"><span class="switch-thumb" /></span>
      ${on ? "Accepting chats" : "Not accepting"}
    </button>
  `;
}

function Load() {
  const { me } = world.value;
  if (!me) return null;
  return html`<span class="load" title="Chats you have, and how many you can take">${me.load} of ${me.capacity}</span>`;
}

/** @type {Record<string, string>} */
const awayWords = {
  unresponsive: "A chat was given to you and your console didn't answer",
  missed: "Two chats were offered to you and the time ran out",
};

/** When offers went unanswered, the server stopped sending them: say so, and offer the way back. */
function SetAway() {
  const { me } = world.value;
  const why = awayWords[me?.note ?? ""];
  if (!why) return null;
  return html`
    <div class="notice" role="alert">
      <p>${why}, so we stopped sending new ones. Your current chats are still yours.</p>
      <button type="button" class="button primary" onClick=${() => acceptChats(true)}>I'm back</button>
    </div>
  `;
}

/** @type {Record<import("../state/desk.js").LinkState, string>} */
const linkWords = {
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Reconnecting… your replies are kept",
  offline: "Can't reach the server. Your replies are kept; we keep trying",
  refused: "Not connected. Reload the page to sign in again",
};

export function LinkLine() {
  const state = linkState.value;
  return html`<p class="link-line" role="status" data-state=${state}><span class="link-dot" aria-hidden="true" />${linkWords[state]}</p>`;
}
