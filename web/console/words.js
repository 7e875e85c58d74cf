/** Refusals in words: what happened, what was kept, what to do. */

/** @type {Record<string, string>} */
const sentences = {
  stale: "This chat has just changed. Look again, then try once more.",
  not_yours: "Another agent has this chat now.",
  at_capacity: "You have as many chats as you can take. Close one first.",
  conversation_closed: "This chat is closed. Reopen it to write here.",
  not_found: "This chat isn't there any more, or it belongs to another team.",
  forbidden: "You aren't allowed to do this. Ask an admin if you need to.",
  rate_limited: "That was a little fast. Wait a moment and try again.",
  unavailable: "The server can't do this right now. Nothing was lost; try again in a moment.",
  offline: "We couldn't reach the server. Try again when the console is live.",
  lost: "The connection dropped before the server answered. Look whether it happened, then try again.",
  internal: "Something went wrong on the server. Nothing was lost; try again in a moment.",
};

/** @param {unknown} error @returns {string} */
export function refusal(error) {
  return sentences[codeOf(error)] ?? "The server refused this. Nothing was changed; try again in a moment.";
}

/** @type {Record<string, string>} */
const unsent = {
  too_large: "It is longer than 5,000 characters",
  bad_text: "It holds a character that can't be stored",
  empty: "There is nothing but white space in it",
  unfilled: "A variable is still open in it",
  conversation_closed: "The chat is closed; reopen it first",
  not_yours: "Another agent has this chat now",
  not_found: "The chat isn't there any more",
  forbidden: "You aren't allowed to write here",
  conflict: "Another text was sent in its place",
  invalid: "The server didn't accept it",
};

/** Why a message stayed here. @param {string|undefined} code */
export function whyUnsent(code) {
  return unsent[code ?? ""] ?? "The server couldn't take it";
}

/** @param {unknown} error @returns {string} */
export function codeOf(error) {
  return error instanceof Error && "code" in error ? String(error.code) : "internal";
}
