/** Which of two heads of a conversation is news, and what remains of the other. Pure. */

/** @typedef {import("./wire.js").Head} Head */

/** @param {Head} head @param {Head} held */
export function isOlder(head, held) {
  if (head.gen !== held.gen) return head.gen < held.gen;
  if (head.public !== held.public) return head.public < held.public;
  return head.internal < held.internal;
}

/**
 * A new generation can have been read a moment before a message that we already hold.
 * @param {Head} held
 * @param {Head} head
 * @returns {Head}
 */
export function merged(held, head) {
  const ahead = held.public > head.public;
  return {
    ...head,
    public: Math.max(held.public, head.public),
    internal: Math.max(held.internal, head.internal),
    preview: ahead ? held.preview : head.preview,
    read: {
      visitor: Math.max(held.read.visitor, head.read.visitor),
      agent: Math.max(held.read.agent, head.read.agent),
    },
  };
}
