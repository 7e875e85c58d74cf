// Looks like a WebSocket, speaks plain HTTP: for networks that block the real one. See "Without WebSocket" in
// docs/protocol.md. Each request is a short connection of its own: a hello, some commands, a wait for news.

const WAIT_S = 20;

export class PollSocket {
  /** @type {(() => void) | null} */
  onopen = null;
  /** @type {((event: {data: string}) => void) | null} */
  onmessage = null;
  /** @type {((event: {code: number}) => void) | null} */
  onclose = null;
  #url;
  /** @type {any} */
  #hello = null;
  /** @type {Record<string, Record<string, number>>} */
  #pos = {};
  /** @type {string[]} */
  #queue = [];
  #sending = false;
  /** Rises with every answer to commands: a snapshot that set out before is older than what is known by then. */
  #told = 0;
  #closed = false;
  #abort = new AbortController();

  /** @param {string} url of /api/wire */
  constructor(url) {
    this.#url = url;
    queueMicrotask(() => this.onopen?.());
  }

  /** @param {string} text one command */
  send(text) {
    if (!this.#hello) {
      this.#hello = JSON.parse(text);
      this.#pos = this.#hello.pos ?? {};
      void this.#listen();
      return;
    }
    if (text === '{"t":"pong"}') return;
    this.#queue.push(text);
    void this.#flush();
  }

  close() {
    this.#closed = true;
    this.#abort.abort();
  }

  /** Asks for news, again and again. The first answer comes at once, with the snapshot. */
  async #listen() {
    for (let first = true; !this.#closed; first = false) {
      const told = this.#told;
      const lines = await this.#ask([], first ? 0 : WAIT_S);
      if (!lines) return;
      for (const line of lines) this.#hear(line, first, told !== this.#told);
    }
  }

  /** Sends commands in order, one request after the other, beside the one that waits. */
  async #flush() {
    if (this.#sending) return;
    this.#sending = true;
    while (this.#queue.length && !this.#closed) {
      const lines = await this.#ask(this.#queue.splice(0, 4), 0);
      this.#told += 1;
      for (const line of lines ?? []) this.#hear(line, false, true);
    }
    this.#sending = false;
  }

  /**
   * @param {string} line
   * @param {boolean} first whether it answers the hello that the caller sent
   * @param {boolean} [late] a snapshot is older than what is known
   */
  #hear(line, first, late) {
    if (this.#closed) return;
    const frame = JSON.parse(line);
    if ((late && frame.t === "snapshot") || (!first && frame.id === this.#hello.id)) return;
    if (frame.t === "ev") {
      const lanes = (this.#pos[frame.c] ??= {});
      // The receiver rule decides what is applied; what was heard in order need not be sent again.
      const have = lanes[frame.lane];
      if (have === undefined || frame.s === have + 1) lanes[frame.lane] = frame.s;
    } else if (frame.t === "gap") (this.#pos[frame.c] ??= {})[frame.lane] = frame.head;
    this.onmessage?.({ data: line });
  }

  /**
   * @param {string[]} commands
   * @param {number} wait seconds
   * @returns {Promise<string[] | null>} the server's lines, or null when the connection is over
   */
  async #ask(commands, wait) {
    try {
      const answer = await fetch(this.#url, {
        method: "POST",
        headers: { "Content-Type": "text/plain", Prefer: `wait=${wait}` },
        body: [JSON.stringify({ ...this.#hello, pos: this.#pos }), ...commands].join("\n"),
        signal: this.#abort.signal,
      });
      if (!answer.ok) return this.#end(1006);
      const lines = (await answer.text()).split("\n").filter(Boolean);
      const code = Number(answer.headers.get("Deskbell-Close"));
      if (!code) return lines;
      for (const line of lines) this.#hear(line, true);
      return this.#end(code);
    } catch {
      return this.#end(1006);
    }
  }

  /** @param {number} code */
  #end(code) {
    if (!this.#closed) {
      this.close();
      this.onclose?.({ code });
    }
    return null;
  }
}
