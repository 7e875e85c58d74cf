// Words of people become text nodes and links, never markup.

import { html } from "../vendor/preact.js";

const LINK = /\b(?:https?:\/\/|mailto:)[^\s<>"']+/gi;
const TRAILING = /[.,;:!?)\]}»”’]+$/;

/**
 * Text with its http, https and mailto addresses as links.
 * @param {string} text
 * @returns {import("../vendor/preact.js").Child[]}
 */
export function linked(text) {
  /** @type {import("../vendor/preact.js").Child[]} */
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const address = trimmed(match[0]);
    const url = safeUrl(address);
    if (!url) continue;
    parts.push(text.slice(end, match.index));
    parts.push(html`<a href=${url} target="_blank" rel="noopener noreferrer nofollow ugc">${address}</a>`);
    end = match.index + address.length;
  }
  parts.push(text.slice(end));
  return parts;
}

/**
 * The end of a sentence is not part of the address; a closing bracket is when it was opened inside.
 * @param {string} address
 */
function trimmed(address) {
  const without = address.replace(TRAILING, "");
  return without.includes("(") && address[without.length] === ")" ? `${without})` : without;
}

/** @param {string} address */
function safeUrl(address) {
  try {
    const url = new URL(address);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/**
 * Length as the server counts it: code points, not UTF-16 units.
 * @param {string} text
 */
export const codePoints = (text) => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};
