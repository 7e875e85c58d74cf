// Commands and their answers: every command has a number on its connection and gets exactly one `ok` or `err`.

import { DeskbellError } from "./errors.js";

/** @typedef {import("./wire.js").Frame} Frame */

export class Requests {
  /** @type {Map<number, {resolve: (ok: any) => void, reject: (error: DeskbellError) => void}>} */
  #waiting = new Map();
  #lastId = 0;

  /**
   * @param {Frame} frame without `id`
   * @param {(text: string) => void} send
   * @returns {Promise<any>} the `ok`; rejects with a DeskbellError
   */
  ask(frame, send) {
    const id = (this.#lastId += 1);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      send(JSON.stringify({ ...frame, id }));
    });
  }

  /** @param {Frame} frame an `ok` or `err` */
  answered(frame) {
    const waiting = this.#waiting.get(frame.id);
    this.#waiting.delete(frame.id);
    if (frame.t === "ok") waiting?.resolve(frame);
    else waiting?.reject(new DeskbellError(frame.code, /** @type {any} */ (frame)));
  }

  /** The connection is gone: nobody will answer. */
  abandon() {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(new DeskbellError("offline", { retry: true }));
  }
}
