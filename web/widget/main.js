// The chat inside the iframe: meets the page that carries it, then draws.

import { loadMessages } from "../shared/i18n.js";
import { applyAccent } from "../shared/theme.js";
import { effect, html, render } from "../vendor/preact.js";
import { App } from "./app.js";
import { Chat } from "./chat.js";
import { chime } from "./chime.js";
import { unread } from "./episode.js";
import { Host } from "./host.js";
import { Session } from "./session.js";
import * as state from "./state.js";

/** After this long closed and without a conversation the connection is given back. */
const IDLE_MS = 60_000;

const root = document.documentElement;
const meeting = Host.meet((root.dataset.origins ?? "").split(" "));
applyAccent(state.site.accent);

/** @param {import("./host.js").Host} host */
async function begin(host) {
  const said = host.hello.said;
  await loadMessages([said.locale, state.site.locale, ...navigator.languages].filter(Boolean)).catch(() => "en");
  const session = new Session(host);
  const chat = new Chat(session, () => said.page);
  state.draft.value = host.stored.draft ?? "";
  state.intro.value = { name: "", email: "", phone: "", ...host.stored.intro };
  state.takesFocus.value = host.hello.focus;
  state.opened.value = host.hello.open;
  theme(said.theme);
  attributes(said.attributes);
  session.becomes(said.identify);

  host.onMessage = ({ t, value }) => {
    said[t] = value;
    if (t === "open") {
      state.takesFocus.value = Boolean(value);
      state.opened.value = true;
    }
    else if (t === "close") state.opened.value = false;
    else if (t === "theme") theme(value);
    else if (t === "attributes") attributes(value);
    else if (t === "locale") void loadMessages([value]).then(() => draw(chat, host));
    else if (t === "page" && state.open.peek()) chat.quietly({ t: "page", ...value });
    else if (t === "identify") {
      if (session.is(value)) return;
      session.becomes(value);
      chat.reconnect();
    } else if (t === "logout") {
      session.becomes(undefined);
      chat.forget();
      host.stored = {};
    }
  };

  chat.onMessage = (ev) => {
    host.emit("message", { text: ev.data.text, from: ev.from?.name ?? null, at: ev.at });
    if (!state.opened.peek() || document.hidden) chime();
  };
  keepInTouch(chat, host);
  addEventListener("visibilitychange", () => (state.inFront.value = !document.hidden));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) host.close();
  });
  draw(chat, host);
}

/**
 * What follows by itself from the state: the connection, the read marks, what the host page hears.
 * @param {Chat} chat
 * @param {import("./host.js").Host} host
 */
function keepInTouch(chat, host) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let idle;
  effect(() => {
    clearTimeout(idle);
    const wanted = state.opened.value || state.open.value || state.unsent.value.length > 0;
    if (wanted) chat.connection.start();
    else idle = setTimeout(() => chat.connection.stop(), IDLE_MS);
  });
  if (host.hello.resumed) chat.connection.start();
  effect(() => {
    const looking = state.opened.value && state.inFront.value && state.link.value === "live";
    if (looking && state.events.value.length > 0) chat.markRead();
  });
  effect(() => {
    const now = state.conversation.value;
    host.say("unread", now && !(state.opened.value && state.inFront.value) ? unread(now, state.events.value) : 0);
  });
  effect(() => host.say("chat", state.open.value !== null));
  effect(() => host.emit("status", { state: state.conversation.value?.state ?? null, available: state.available.value }));
  effect(() => {
    const agent = state.conversation.value?.agent;
    if (agent) host.emit("agent", agent);
  });
  effect(() => {
    if (state.refusal.value !== undefined) host.emit("error", { code: state.refusal.value });
  });
  effect(() => host.save("draft", state.draft.value));
  effect(() => host.save("intro", state.intro.value));
  host.say("accent", state.site.accent);
}

/** @param {string} name */
function theme(name) {
  if (name === "light" || name === "dark") root.dataset.theme = name;
  else delete root.dataset.theme;
}

/** @param {{name?: unknown, email?: unknown} | undefined} given */
function attributes(given) {
  const { name, email } = given ?? {};
  state.intro.value = {
    ...state.intro.peek(),
    name: typeof name === "string" ? name.slice(0, 80) : state.intro.peek().name,
    email: typeof email === "string" ? email.slice(0, 254) : state.intro.peek().email,
  };
}

/**
 * @param {Chat} chat
 * @param {import("./host.js").Host} host
 */
function draw(chat, host) {
  render(html`<${App} chat=${chat} host=${host} key=${root.lang} />`, document.body);
}

void meeting.then(begin);
