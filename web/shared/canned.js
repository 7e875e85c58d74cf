// The filling of variables in a canned reply: `{{visitor.name|there}}` is the visitor's name, or "there" when
// it is not known. One pass over a closed list of names; a value is never filled again. The twin of
// app/canned/render.py: both are held to tests/golden/canned.json.

export const variables = ["visitor.name", "agent.name", "site.name", "conversation.id"];

const PLACE = /\{\{[ \t]*([^{}|]*?)[ \t]*(?:\|([^{}]*))?\}\}/g;

/**
 * A piece of a filled reply. `open` is a variable with neither value nor fallback, as it was written.
 * @typedef {{kind: "text"|"value"|"fallback"|"open", text: string, name?: string}} Part
 */

/**
 * Fills a body's variables.
 * @param {string} body
 * @param {Record<string, string|null|undefined>} values value by name; null and blank count as not known
 * @returns {{parts: Part[], unfilled: string[]}} the names in `unfilled` stand once each, in order
 */
export function fill(body, values) {
  /** @type {Part[]} */
  const parts = [];
  /** @type {Set<string>} */
  const unfilled = new Set();
  let end = 0;
  for (const place of body.matchAll(PLACE)) {
    if (place.index > end) parts.push({ kind: "text", text: body.slice(end, place.index) });
    const part = filled(place, values);
    if (part.kind === "open") unfilled.add(part.name);
    parts.push(part);
    end = place.index + place[0].length;
  }
  if (end < body.length) parts.push({ kind: "text", text: body.slice(end) });
  return { parts, unfilled: [...unfilled] };
}

/**
 * The whole text of filled parts.
 * @param {Part[]} parts
 */
export const textOf = (parts) => parts.map((part) => part.text).join("");

/**
 * Where variables still stand in a text: offsets in UTF-16 units.
 * @param {string} text
 * @returns {{start: number, end: number, name: string}[]}
 */
export function openPlaces(text) {
  return [...text.matchAll(PLACE)].map((place) => ({
    start: place.index,
    end: place.index + place[0].length,
    name: place[1] ?? "",
  }));
}

/**
 * What is wrong with a body, in words, or null.
 * @param {string} body
 */
export function problem(body) {
  const unknown = openPlaces(body).find((place) => !variables.includes(place.name));
  if (unknown) return `There is no variable “${unknown.name.slice(0, 60)}”.`;
  const rest = body.replace(PLACE, "");
  return rest.includes("{{") || rest.includes("}}") ? "A {{ or }} stands alone." : null;
}

/**
 * @param {RegExpExecArray} place
 * @param {Record<string, string|null|undefined>} values
 * @returns {Part & {name: string}}
 */
function filled(place, values) {
  const name = place[1] ?? "";
  const fallback = place[2];
  const known = variables.includes(name);
  const value = known ? strip(values[name] ?? "") : "";
  if (value) return { kind: "value", text: value, name };
  if (known && fallback !== undefined) return { kind: "fallback", text: strip(fallback), name };
  return { kind: "open", text: place[0], name };
}

/** @param {string} text */
const strip = (text) => text.replace(/^[ \t\n]+|[ \t\n]+$/g, "");
