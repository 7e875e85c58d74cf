// Who this visitor is: the signed token, got from the server and kept by the host page.

import { postJson } from "../shared/http.js";
import { available, site, visitor } from "./state.js";

export class Session {
  /** What the host page said with `identify`. @type {unknown} */
  user;
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
    const known = this.#host.stored.token;
    const body = { site: site.key, ...(known && { token: known }), ...(this.user !== undefined && { user: this.user }) };
    const answer = await postJson("/api/widget/session", body);
    visitor.value = answer.visitor;
    available.value ??= answer.available;
    this.#host.save("token", answer.token);
    return (this.#token = answer.token);
  }

  forget() {
    this.#token = null;
  }
}
