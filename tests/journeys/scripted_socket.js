// A WebSocket that a test plays the server of: `socket.said` is what the client sent, `socket.tell(…)` what it hears.
export class ScriptedSocket {
  static all = [];
  static closing = 1006;
  said = [];
  constructor(url) {
    this.url = url;
    ScriptedSocket.all.push(this);
    setTimeout(() => this.onopen?.());
  }
  static get now() {
    return ScriptedSocket.all.at(-1);
  }
  send(text) {
    this.said.push(JSON.parse(text));
  }
  close() {}
  tell(...frames) {
    this.onmessage?.({ data: frames.map((frame) => JSON.stringify(frame)).join("\n") });
  }
  /** The server hangs up. */
  hangUp(code) {
    this.onclose?.({ code });
  }
  welcome(more = {}) {
    const hello = this.said.find((frame) => frame.t === "hello");
    this.tell({ t: "ok", id: hello.id }, { t: "snapshot", role: "visitor", ...more });
    return hello;
  }
  of(type) {
    return this.said.filter((frame) => frame.t === type);
  }
}

/** Waits until something holds. */
export async function until(holds, patience = 3000) {
  const end = Date.now() + patience;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`it never held: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const soon = (ms = 30) => new Promise((resolve) => setTimeout(resolve, ms));
