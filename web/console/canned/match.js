/**
 * Which canned replies fit what was typed after `/`, best first. Pure.
 *
 * @typedef {object} Reply
 * @property {string} id
 * @property {'personal'|'team'|'everyone'} scope
 * @property {import('../state/wire.js').Named|null} team
 * @property {string} title
 * @property {string} shortcut
 * @property {string} body
 */

/**
 * @param {readonly Reply[]} replies
 * @param {string} query
 * @param {number} [most]
 * @returns {Reply[]}
 */
export function matching(replies, query, most = 8) {
  const words = folded(query).split(/\s+/).filter(Boolean);
  return replies
    .map((reply) => ({ reply, score: scored(reply, words) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || a.reply.title.localeCompare(b.reply.title))
    .slice(0, most)
    .map(({ reply }) => reply);
}

/** Every word must be found somewhere; the shortcut counts most. @param {Reply} reply @param {string[]} words */
function scored(reply, words) {
  const shortcut = folded(reply.shortcut).replace(/^\//, "");
  const title = folded(reply.title);
  const body = folded(reply.body);
  let total = 1;
  for (const word of words) {
    const best = Math.max(within(shortcut, word) * 3, within(title, word) * 2, body.includes(word) ? 1 : 0);
    if (best === 0) return 0;
    total += best;
  }
  return total;
}

/**
 * 10 the whole, 8 its beginning, 6 a word's beginning, 4 inside, 2 its letters in order, 0 not at all.
 * @param {string} text
 * @param {string} word
 */
function within(text, word) {
  if (text === word) return 10;
  if (text.startsWith(word)) return 8;
  if (text.split(/[\s\-_/]+/).some((part) => part.startsWith(word))) return 6;
  if (text.includes(word)) return 4;
  return word.length > 1 && inOrder(text, word) ? 2 : 0;
}

/** @param {string} text @param {string} word */
function inOrder(text, word) {
  let from = 0;
  for (const letter of word) {
    from = text.indexOf(letter, from) + 1;
    if (from === 0) return false;
  }
  return true;
}

/** Case and accents don't matter. @param {string} text */
function folded(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
