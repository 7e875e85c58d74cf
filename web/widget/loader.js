// The script tag: <script async src="https://chat.example/widget.js" data-site="s_…"></script>
// Puts the launcher on the page and, at the first sign of interest, the chat in an iframe. Stores nothing before it is
// opened. Kept small on purpose: every visitor of every page loads it, most never open it.
(() => {
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  const server = new URL(script.src).origin;
  /** @type {any} */
  const global = window;
  const queued = global.Deskbell?.q ?? [];
  /** @type {Record<string, Set<(detail: unknown) => void>>} */
  const listeners = {};
  // What the page said, also before the chat was there to hear it.
  /** @type {Record<string, any>} */
  const said = {};
  /** @type {Record<string, any>} */
  let kept = {};
  /** @type {any} site, theme, position, color, label, locale */
  let options;
  let /** @type {any} */ host, /** @type {any} */ button, /** @type {any} */ badge, /** @type {any} */ panel;
  let /** @type {any} */ frame, /** @type {any} */ port, /** @type {any} */ watch;
  let isOpen = false;
  let takesFocus = false;
  let address = "";
  let unread = 0;

  /**
   * @param {string} name
   * @param {Record<string, any>} attributes
   * @param {(Node | string)[]} children
   */
  const element = (name, attributes, ...children) => {
    const svg = /svg|path/.test(name);
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    node.append(...children);
    return node;
  };
  /** @type {(name: string, d: string) => Element} */
  const glyph = (name, d) => element("svg", { class: name, viewBox: "0 0 24 24" }, element("path", { d }));

  // The page's own storage. Either may be refused; then memory does, until the page goes.
  /** @type {(area: "localStorage" | "sessionStorage", value?: unknown) => any} */
  const storage = (area, value) => {
    try {
      const key = `deskbell:${options.site}`;
      if (value !== undefined) global[area].setItem(key, JSON.stringify(value));
      return JSON.parse(global[area].getItem(key));
    } catch {}
  };
  // "open": shown when the page was left; "chat": a conversation goes on behind the launcher.
  /** @type {(value?: string) => string | undefined} */
  const lasting = (value) => storage("sessionStorage", value);

  /** @type {(name: string, detail?: unknown) => void} */
  const emit = (name, detail) => listeners[name]?.forEach((listener) => setTimeout(listener, 0, detail));
  /** @type {(t: string, value?: unknown) => void} */
  const post = (t, value) => port?.postMessage({ t, value });
  /** @type {(t: string, value?: unknown) => void} */
  const tell = (t, value) => post(t, (said[t] = value));
  const page = () => {
    address = location.href;
    tell("page", { url: address.split("#")[0]?.slice(0, 2000), title: document.title.slice(0, 200) });
  };

  const css = `:host{all:initial;color-scheme:light dark;--a:#5b5bd6}:host([hidden]){display:none}
:host([data-theme=light]){color-scheme:light}:host([data-theme=dark]){color-scheme:dark}
button{all:unset;height:56px;padding:0 16px;display:flex;gap:10px;align-items:center;border-radius:28px;background:var(--a);color:#fff;color:oklch(from var(--a) calc((.68 - l)*999) 0 0);font:600 15px system-ui;cursor:pointer;box-shadow:0 6px 20px -4px #0006}
button,div{position:fixed;z-index:2147483000;bottom:20px;right:20px;box-sizing:border-box}
button:focus-visible{outline:3px solid var(--a);outline-offset:3px}
svg{width:24px;fill:none;stroke:currentColor;stroke-width:1.75;stroke-linecap:round;stroke-linejoin:round}
.x,.open .bell{display:none}.open .x{display:block}
i{position:absolute;top:-3px;right:-3px;min-width:10px;padding:0 6px;border-radius:11px;background:#d13415;color:#fff;font:700 12px/22px system-ui;text-align:center}i:empty{display:none}
div{bottom:92px;width:384px;height:min(640px,100vh - 104px);border-radius:16px;overflow:hidden;background:light-dark(#fff,#18191b);box-shadow:0 0 0 1px #8883,0 16px 48px -8px #0006;visibility:hidden;opacity:0;translate:0 8px;transition:.16s ease-out}
div.open{visibility:visible;opacity:1;translate:0}
iframe{border:0;width:100%;height:100%}
:host([data-position=left]) :is(button,div){right:auto;left:20px}
@media(max-width:479px){div.open{inset:0!important;width:auto;height:auto;border-radius:0}button.open{display:none}}
@media(prefers-reduced-motion:reduce){div{transition:none}}`;

  /** @type {(accent: string) => void} */
  const paint = (accent) => accent && host.style.setProperty("--a", accent);
  const label = () => {
    const title = document.title.replace(/^\(\d+\) /, "");
    document.title = unread && document.hidden ? `(${unread}) ${title}` : title;
    const words = isOpen ? "Close chat" : options.label || "Chat with us";
    button.setAttribute("aria-label", unread ? `${words} (${unread} unread)` : words);
    button.setAttribute("aria-expanded", isOpen);
    badge.textContent = unread || "";
  };

  /** @type {Record<string, (message: any) => void>} */
  const heard = {
    save: ({ name, value }) => {
      kept[name] = value;
      storage("localStorage", kept);
    },
    close: () => show(false, true),
    accent: ({ value }) => options.color || paint(value),
    chat: ({ value }) => lasting(isOpen ? "open" : value ? "chat" : ""),
    unread: ({ value }) => {
      if (unread !== value) emit("unread", (unread = value));
      label();
    },
    event: ({ name, detail }) => emit(name, detail),
  };

  const mount = () => {
    if (frame) return;
    kept = storage("localStorage") ?? {};
    frame = element("iframe", {
      title: options.label || "Chat",
      src: `${server}/widget/frame?site=${options.site}`,
      allow: "clipboard-write; autoplay",
    });
    frame.onload = () => {
      // One port, given to our own origin only: a page that took the iframe's place would not get it.
      const channel = new MessageChannel();
      port = channel.port1;
      port.onmessage = (/** @type {MessageEvent} */ { data }) => heard[data.t]?.(data);
      const hello = { t: "deskbell", stored: kept, open: isOpen, focus: takesFocus, resumed: !!lasting(), said };
      frame.contentWindow.postMessage(hello, server, [channel.port2]);
    };
    panel.append(frame);
    page();
    watch = setInterval(() => address !== location.href && page(), 1000);
  };

  /** @type {(open: boolean, focus: boolean) => void} */
  const show = (open, focus) => {
    if (!host || open === isOpen) return;
    mount();
    isOpen = open;
    takesFocus = focus;
    panel.className = button.className = open ? "open" : "";
    lasting(open ? "open" : "chat");
    post(open ? "open" : "close", focus);
    label();
    if (focus) (open ? frame : button).focus();
    emit(open ? "open" : "close");
  };

  /** @type {(given: any) => void} */
  const init = (given) => {
    if (host || !given.site) return;
    options = given;
    host = element("deskbell-chat", { "data-position": options.position ?? "right" });
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
    badge = element("i", { "aria-hidden": "true" });
    const bell = "M6 8a6 6 0 0 1 12 0c0 7 3 9 3 9H3s3-2 3-9M10.3 21a2 2 0 0 0 3.4 0";
    button = element("button", {}, glyph("bell", bell), glyph("x", "M18 6 6 18M6 6l12 12"), options.label ?? "", badge);
    panel = element("div", {});
    root.append(button, panel);
    button.onclick = () => show(!isOpen, true);
    button.onpointerenter = button.onfocus = mount;
    root.onkeydown = (/** @type {KeyboardEvent} */ { key }) => key === "Escape" && show(false, true);
    document.addEventListener("visibilitychange", label);
    api.setTheme?.(options.theme);
    tell("locale", options.locale);
    const left = lasting();
    paint(options.color);
    label();
    document.body.append(host);
    if (left) mount();
    if (left === "open") show(true, false);
    emit("ready");
  };

  /** @type {Record<string, (...values: any[]) => any>} */
  const api = {
    init,
    page,
    identify: (user) => tell("identify", user),
    setAttributes: (attributes) => tell("attributes", { ...said.attributes, ...attributes }),
    open: () => show(true, true),
    close: () => show(false, true),
    toggle: () => show(!isOpen, true),
    show: () => host && (host.hidden = false),
    hide: () => host && (show(false, false), (host.hidden = true)),
    setLocale: (locale) => tell("locale", locale),
    setTheme: (theme = "auto") => {
      host?.setAttribute("data-theme", theme);
      tell("theme", theme);
    },
    logout: () => {
      delete said.identify;
      post("logout");
      show(false, false);
      kept = {};
      storage("localStorage", kept);
      lasting("");
    },
    destroy: () => {
      clearInterval(watch);
      document.removeEventListener("visibilitychange", label);
      port?.close();
      host?.remove();
      delete global.Deskbell;
    },
    on: (name, listener) => {
      (listeners[name] ??= new Set()).add(listener);
      return () => listeners[name]?.delete(listener);
    },
  };

  const begin = () => {
    /** @param {[string, ...any[]]} call */
    const push = ([method, ...values]) => api[method]?.(...values);
    global.Deskbell = { ...api, q: { push } };
    queued.forEach(push);
    init({ ...script.dataset });
  };
  document.body ? begin() : addEventListener("DOMContentLoaded", begin);
})();
