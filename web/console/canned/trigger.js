/**
 * Finds the `/word` the agent is typing, anywhere in the text. Pure.
 *
 * @typedef {{start: number, end: number, query: string}} Trigger
 */

/**
 * @param {string} text
 * @param {number} caret
 * @returns {Trigger|null}
 */
export function triggerAt(text, caret) {
  const found = /(?:^|\s)\/([^\s/](?:[^\n/]{0,39}[^\s/])? ?)?$/.exec(text.slice(0, caret));
  if (!found) return null;
  const query = found[1] ?? "";
  return { start: caret - query.length - 1, end: caret, query };
}

/**
 * The text with the trigger replaced, and where the caret then stands.
 * @param {string} text
 * @param {Trigger} trigger
 * @param {string} inserted
 * @returns {{text: string, caret: number}}
 */
export function replaced(text, trigger, inserted) {
  const before = text.slice(0, trigger.start);
  return { text: before + inserted + text.slice(trigger.end), caret: before.length + inserted.length };
}
