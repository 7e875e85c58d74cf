// Full jitter, so that a thousand widgets do not come back in the same second.

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

export class Backoff {
  failures = 0;
  #notBefore = 0;
  #spread = 0;

  /**
   * So many come back at once when the server fails that they should come within this time, not sooner.
   * @param {number | undefined} ms
   */
  spread(ms) {
    this.#spread = ms ?? 0;
  }

  /**
   * The server named a time: it wins over the next wait.
   * @param {number} ms
   */
  wait(ms) {
    this.#notBefore = Date.now() + ms;
  }

  /**
   * @param {number} [afterMs]
   * @returns {number} milliseconds until the next attempt
   */
  next(afterMs) {
    const named = this.#notBefore > 0 ? Math.max(0, this.#notBefore - Date.now()) : afterMs;
    this.#notBefore = 0;
    const wait = named ?? Math.random() * Math.min(LONGEST_MS, Math.max(this.#spread, FIRST_MS * 2 ** this.failures));
    this.failures += 1;
    return wait;
  }

  reset() {
    this.failures = 0;
    this.#notBefore = 0;
  }
}
