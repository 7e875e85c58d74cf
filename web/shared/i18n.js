// Strings by key from web/locales/<language>.json. A value is a text with {placeholders}, or an object of plural
// forms chosen by {n}: {"one": "…", "other": "…"}, with "ordinal": true for 1st, 2nd, 3rd.

import { setTimeLocale } from "./time.js";

/** @typedef {string | {[form: string]: string | boolean}} Message */

/** @type {Record<string, Message>} */
let messages = {};
let locale = "en";
/** Languages that have a file. */
const LANGUAGES = ["en"];

/**
 * Picks the best language there is and loads it.
 * @param {readonly string[]} wanted in order of preference, e.g. `navigator.languages`
 * @returns {Promise<string>} the language chosen
 */
export async function loadMessages(wanted) {
  const match = wanted.find((tag) => LANGUAGES.includes(language(tag))) ?? "en";
  const response = await fetch(new URL(`../locales/${language(match)}.json`, import.meta.url));
  messages = await response.json();
  locale = match;
  setTimeLocale(match);
  document.documentElement.lang = match;
  return match;
}

/** @param {string} tag */
const language = (tag) => (tag.split("-")[0] ?? "").toLowerCase();

/**
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const message = messages[key];
  let text = key;
  if (typeof message === "string") text = message;
  else if (message) {
    const rules = new Intl.PluralRules(locale, { type: message.ordinal ? "ordinal" : "cardinal" });
    text = String(message[rules.select(Number(values.n))] ?? message.other);
  }
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}
