import { html } from "../vendor/preact.js";

/**
 * "Ana Sousa" → "AS", "ana" → "A".
 * @param {string | null | undefined} name
 */
export function initials(name) {
  const words = (name ?? "").trim().split(/\s+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...(word ?? "")][0]?.toLocaleUpperCase() ?? "").join("") || "?";
}

/**
 * The same name has the same tint everywhere; see `[data-tint]` in tokens.css.
 * @param {string | null | undefined} name
 */
export function tint(name) {
  let hash = 0;
  for (const character of name ?? "") hash = (hash * 31 + /** @type {number} */ (character.codePointAt(0))) >>> 0;
  return hash % 8;
}

/**
 * A decorative circle with initials; the name stands beside it in words.
 * @param {{name: string | null | undefined, size?: number}} props
 */
export const Avatar = ({ name, size = 28 }) => html`
  <span class="avatar" data-tint=${tint(name)} aria-hidden="true" style=${{ "--size": `${size}px` }}>${initials(name)}</span>
`;
