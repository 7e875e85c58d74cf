// A refusal with a code from the closed list of docs/protocol.md, or one of ours: `offline`, `lost`.

export class DeskbellError extends Error {
  /**
   * @param {string} code
   * @param {{message?: string, retry?: boolean, after_ms?: number, field?: string}} [more]
   */
  constructor(code, more = {}) {
    super(more.message ?? code);
    this.name = "DeskbellError";
    this.code = code;
    /** Would the same again work later? */
    this.retry = more.retry ?? false;
    this.after_ms = more.after_ms;
    this.field = more.field;
  }
}
