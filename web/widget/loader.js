// The script tag: <script async src="https://chat.example/widget.js" data-site="s_…"></script>
// Puts the launcher on the page and, at the first sign of interest, the chat in an iframe. Stores nothing before it is opened.
(() => {
  const script = document.currentScript;
  const server = new URL(script.src).origin;
  const queued = window.Deskbell?.q ?? [];
  const listeners = {};
  const stop = new AbortController();
  const once = { signal: stop.signal };
  const memory = {};
  let options, host, root, button, badge, panel, frame, port, watch;
  let isOpen = false;
  let takesFocus = false;
  let address = "";
  let unread = 0;
  const sent = {}; // what the page said before the chat was there to hear it

  const element = (name, attributes = {}, ...children) => {
    const node = document.createElement(name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    node.append(...children);
    return node;
  };
  const glyph = (name, d) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("class", name);
    svg.append(document.createElementNS(svg.namespaceURI, "path"));
    svg.firstChild.setAttribute("d", d);
    return svg;
  };

  // Storage of the page itself; it may be switched off, then memory does until the page goes.
  const key = () => `deskbell:${options.site}`;
  const stored = () => {
    try {
      return JSON.parse(localStorage.getItem(key())) ?? {};
    } catch {
      return memory;
    }
  };
  const store = (name, value) => {
    memory[name] = value;
    try {
      localStorage.setItem(key(), JSON.stringify({ ...stored(), [name]: value }));
    } catch {}
  };
  // "open": shown when the page was left; "chat": a conversation goes on behind the launcher.
  const lasting = (value) => {
    try {
      if (value === undefined) return sessionStorage.getItem(key());
      sessionStorage.setItem(key(), value);
    } catch {}
  };

  const emit = (name, detail) => {
    for (const listener of listeners[name] ?? []) {
      try {
        listener(detail);
      } catch (error) {
        setTimeout(() => {
          throw error;
        });
      }
    }
  };
  const post = (message) => port?.postMessage(message);
  const tell = (t, value) => {
    sent[t] = value;
    post({ t, value });
  };
  const page = () => {
    address = location.href;
    tell("page", { url: address.split("#")[0].slice(0, 2000), title: document.title.slice(0, 200) });
  };

  const css = `
:host{all:initial;position:fixed;z-index:2147483000;bottom:0;right:0;font:600 15px/1 system-ui,sans-serif;color-scheme:light dark;--a:#5b5bd6;--i:#fff}
:host([hidden]){display:none}:host([data-theme=light]){color-scheme:light}:host([data-theme=dark]){color-scheme:dark}
button{all:unset;box-sizing:border-box;position:fixed;bottom:20px;right:20px;height:56px;min-width:56px;padding:0 16px;display:flex;gap:10px;align-items:center;border-radius:28px;background:var(--a);color:var(--i);cursor:pointer;box-shadow:0 6px 20px -4px rgb(0 0 0/35%),0 1px 3px rgb(0 0 0/20%);transition:transform .14s ease-out}
button:hover{transform:translateY(-2px)}button:active{transform:none}
button:focus-visible{outline:2px solid var(--a);outline-offset:2px;box-shadow:0 0 0 6px light-dark(#fff,#18191b)}
svg{width:24px;height:24px;fill:none;stroke:currentColor;stroke-width:1.75;stroke-linecap:round;stroke-linejoin:round}
.x,.open .bell{display:none}.open .x{display:block}
i{position:absolute;top:-3px;right:-3px;min-width:22px;height:22px;padding:0 6px;box-sizing:border-box;border-radius:11px;background:#d13415;color:#fff;font:700 12px/22px system-ui,sans-serif;text-align:center;box-shadow:0 0 0 2px light-dark(#fff,#18191b)}i:empty{display:none}
div{position:fixed;bottom:92px;right:20px;width:384px;height:min(640px,100vh - 104px);border-radius:16px;overflow:hidden;background:light-dark(#fff,#18191b);box-shadow:0 0 0 1px light-dark(rgb(28 32 36/6%),rgb(255 255 255/8%)),0 16px 48px -8px rgb(0 0 0/30%);visibility:hidden;opacity:0;transform:translateY(8px);transition:opacity .16s ease-out,transform .16s ease-out,visibility .16s}
div.open{visibility:visible;opacity:1;transform:none}
iframe{border:0;width:100%;height:100%;display:block;color-scheme:inherit}
:host([data-position=left]) button,:host([data-position=left]) div{right:auto;left:20px}
@media(max-width:479px){div,:host([data-position=left]) div{inset:0;width:auto;height:auto;border-radius:0}button.open{display:none}}
@media(prefers-reduced-motion:reduce){*{transition:none!important}}
@media print{:host{display:none}}`;

  const paint = (accent) => {
    if (!/^#[\da-f]{6}$/i.test(accent)) return;
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(accent.slice(at, at + 2), 16));
    host.style.setProperty("--a", accent);
    host.style.setProperty("--i", r * 299 + g * 587 + b * 114 > 165000 ? "#111113" : "#fff");
  };

  const label = () => {
    const words = isOpen ? "Close chat" : options.label || "Chat with us";
    button.setAttribute("aria-label", unread && !isOpen ? `${words} (${unread} unread)` : words);
    button.setAttribute("aria-expanded", isOpen);
    badge.textContent = isOpen || !unread ? "" : unread > 9 ? "9+" : unread;
    const title = document.title.replace(/^\(\d+\) /, "");
    const wanted = unread && document.hidden ? `(${unread}) ${title}` : title;
    if (document.title !== wanted) document.title = wanted;
  };

  const heard = {
    save: ({ name, value }) => store(name, value),
    close: () => api.close(),
    accent: ({ value }) => options.color || paint(value),
    chat: ({ value }) => lasting(isOpen ? "open" : value ? "chat" : ""),
    unread: ({ value }) => {
      unread = value;
      label();
      emit("unread", value);
    },
    event: ({ name, detail }) => emit(name, detail),
  };

  const mount = () => {
    if (frame) return;
    frame = element("iframe", {
      title: options.label || "Chat",
      src: `${server}/widget/frame?site=${encodeURIComponent(options.site)}`,
      allow: "clipboard-write; autoplay",
    });
    frame.addEventListener("load", () => {
      // One port, given to our own origin only; a page that took the iframe's place would not get it.
      port?.close();
      const channel = new MessageChannel();
      port = channel.port1;
      port.onmessage = ({ data }) => heard[data?.t]?.(data);
      const hello = { t: "deskbell", stored: stored(), open: isOpen, focus: takesFocus, resumed: Boolean(lasting()), said: sent };
      frame.contentWindow.postMessage(hello, server, [channel.port2]);
    });
    panel.append(frame);
    page();
    watch = setInterval(() => address !== location.href && page(), 1000);
  };

  const show = (open, focus) => {
    if (!host || open === isOpen) return;
    if (open) mount();
    isOpen = open;
    panel.className = button.className = open ? "open" : "";
    lasting(open ? "open" : "chat");
    takesFocus = focus;
    post({ t: open ? "open" : "close", value: focus });
    label();
    if (focus) (open ? frame : button).focus();
    emit(open ? "open" : "close");
  };

  const start = (given) => {
    if (host || !given.site) return;
    options = given;
    host = element("deskbell-chat", { "data-theme": options.theme ?? "auto", "data-position": options.position ?? "right" });
    root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
    const bell = "M10.268 21a2 2 0 0 0 3.464 0M3.262 15.326A1 1 0 0 0 4 17h16a1 1 0 0 0 .74-1.673C19.41 13.956 18 12.499 18 8A6 6 0 0 0 6 8c0 4.499-1.411 5.956-2.738 7.326";
    badge = element("i", { "aria-hidden": "true" });
    button = element("button", { type: "button" }, glyph("bell", bell), glyph("x", "M18 6 6 18M6 6l12 12"), options.label ?? "", badge);
    panel = element("div");
    root.append(panel, button);
    button.addEventListener("click", () => show(!isOpen, true));
    for (const sign of ["pointerenter", "focus"]) button.addEventListener(sign, mount, { once: true });
    root.addEventListener("keydown", ({ key: pressed }) => pressed === "Escape" && show(false, true));
    document.addEventListener("visibilitychange", label, once);
    tell("theme", options.theme ?? "auto");
    if (options.locale) tell("locale", options.locale);
    paint(options.color ?? (lasting() && stored().accent) ?? "");
    label();
    document.body.append(host);
    const left = lasting();
    if (left === "open") show(true, false);
    else if (left) mount();
    emit("ready");
  };

  const api = {
    init: start,
    identify: (user) => tell("identify", user),
    setAttributes: (attributes) => tell("attributes", { ...sent.attributes, ...attributes }),
    page,
    open: () => show(true, true),
    close: () => show(false, true),
    toggle: () => show(!isOpen, true),
    show: () => host && (host.hidden = false),
    hide: () => host && (show(false, false), (host.hidden = true)),
    setLocale: (locale) => tell("locale", locale),
    setTheme: (theme) => {
      host?.setAttribute("data-theme", theme);
      tell("theme", theme);
    },
    logout: () => {
      delete sent.identify;
      post({ t: "logout" });
      for (const name in memory) delete memory[name];
      try {
        localStorage.removeItem(key());
        sessionStorage.removeItem(key());
      } catch {}
      show(false, false);
    },
    destroy: () => {
      clearInterval(watch);
      stop.abort();
      port?.close();
      host?.remove();
      delete window.Deskbell;
    },
    on: (name, listener) => {
      (listeners[name] ??= new Set()).add(listener);
      return () => listeners[name].delete(listener);
    },
    q: { push: ([method, ...args]) => api[method](...args) },
  };

  window.Deskbell = api;
  const begin = () => {
    for (const call of queued) api.q.push(call);
    start({ ...script.dataset });
  };
  if (document.body) begin();
  else document.addEventListener("DOMContentLoaded", begin, once);
})();
