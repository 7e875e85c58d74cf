// Who this visitor is: the signed token, got from the server and kept by the host page.

import { postJson } from "../shared/http.js";
import { available, crowded, opensAt, site, visitor } from "./state.js";

export class Session {
  /** What the host page said with `identify`. @type {unknown} */
  #user;
  /** @type {string | null} */
  #token = null;
  #host;

  /** @param {import("./host.js").Host} host */
  constructor(host) {
    this.#host = host;
  }

  /**
   * The credential of the socket: renewed once a page, and when the server refused the last.
   * @param {{fresh: boolean}} options
   * @returns {Promise<string>}
   */
  async credential({ fresh }) {
    if (this.#token && !fresh) return this.#token;
    const answer = await this.#ask();
    visitor.value = answer.visitor;
    crowded.value = false;
    available.value ??= answer.available;
    opensAt.value ??= answer.opens_at;
    this.#host.save("token", answer.token);
    return (this.#token = answer.token);
  }

  /** @returns {Promise<any>} */
  async #ask() {
    const known = this.#host.stored.token;
    const body = { site: site.key, ...(known && { token: known }), ...(this.#user !== undefined && { user: this.#user }) };
    try {
      return await postJson("/api/widget/session", body);
    } catch (error) {
      const { code } = /** @type {import("../shared/errors.js").DeskbellError} */ (error);
      crowded.value = code === "rate_limited";
      if (this.#user === undefined || code === "offline" || code === "unavailable" || code === "rate_limited") throw error;
      // The page's word for who this is does not count. The visitor can't help it: they chat without a name.
      this.#host.emit("error", { code, from: "identify" });
      this.#user = undefined;
      return this.#ask();
    }
  }

  /** @param {unknown} user */
  is(user) {
    return JSON.stringify(user) === JSON.stringify(this.#user);
  }

  /** @param {unknown} user what proves who it is from now on; undefined: nobody in particular */
  becomes(user) {
    this.#user = user;
    this.#token = null;
  }
}
