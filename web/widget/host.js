// The page that carries us, at the other end of one MessagePort. It keeps the token and the draft, because storage
// inside a cross-site iframe may be refused, and hears what happens.

/**
 * @typedef {{t: string, value?: any}} FromHost
 * @typedef {{stored: Record<string, any>, open: boolean, focus: boolean, resumed: boolean, said: Record<string, any>}} Hello
 */

export class Host {
  /** @type {(message: FromHost) => void} */
  onMessage = () => {};

  /**
   * @param {MessagePort} port
   * @param {Hello} hello
   */
  constructor(port, hello) {
    this.port = port;
    this.hello = hello;
    /** @type {Record<string, any>} */
    this.stored = hello.stored ?? {};
    port.onmessage = ({ data }) => {
      if (typeof data?.t === "string") this.onMessage(data);
    };
  }

  /**
   * Waits for the port. It must come from our parent, and that from one of the site's origins; only the first counts.
   * @param {readonly string[]} origins
   * @returns {Promise<Host>}
   */
  static meet(origins) {
    return new Promise((resolve) => {
      /** @param {MessageEvent} event */
      const greeted = (event) => {
        const port = event.ports[0];
        if (event.source !== parent || !origins.includes(event.origin) || event.data?.t !== "deskbell" || !port) return;
        removeEventListener("message", greeted);
        resolve(new Host(port, event.data));
      };
      addEventListener("message", greeted);
    });
  }

  /**
   * @param {string} t
   * @param {unknown} [value]
   */
  say(t, value) {
    this.port.postMessage({ t, value });
  }

  /** Folds the chat up: here at once, so that nothing that comes before the page has done so counts as seen. */
  close() {
    this.onMessage({ t: "close" });
    this.say("close");
  }

  /**
   * @param {string} name what the page's own scripts hear through `Deskbell.on`
   * @param {unknown} [detail]
   */
  emit(name, detail) {
    this.port.postMessage({ t: "event", name, detail });
  }

  /**
   * @param {string} name
   * @param {unknown} value
   */
  save(name, value) {
    if (this.stored[name] === value) return;
    this.stored[name] = value;
    this.port.postMessage({ t: "save", name, value });
  }
}
