// How an event of the public lane changes the conversation. Pure.

/**
 * @typedef {import("../shared/wire.js").VisitorConversation} Conversation
 * @typedef {import("../shared/wire.js").Ev} Ev
 */

/**
 * @param {Conversation | null} before
 * @param {Ev} ev
 * @returns {Conversation}
 */
export function applied(before, ev) {
  const now = { ...(before ?? unknown(ev.c)), public: ev.s };
  switch (ev.kind) {
    case "queued":
      return { ...now, state: "waiting", agent: null, to: undefined, episode: ev.data.episode, can_rate: false, score: null };
    case "requeued":
    case "passed":
      return { ...now, state: "waiting", agent: null, to: ev.data.to?.agent?.name };
    case "joined":
    case "reopened":
      return { ...now, state: "active", agent: ev.data.agent, position: null, choice: false, can_rate: false };
    case "closed":
      return { ...now, state: "closed", agent: null, position: null, can_rate: now.agent !== null || ev.data.agent != null, score: null };
    case "left_message":
      return { ...now, left_message: true };
    default:
      return now;
  }
}

/**
 * @param {Conversation} conversation
 * @param {readonly Ev[]} events
 */
export const unread = ({ read }, events) =>
  events.filter((ev) => ev.s > read.visitor && ev.kind === "message" && ev.from?.kind === "agent").length;

/**
 * @param {string} c
 * @returns {Conversation}
 */
const unknown = (c) => ({
  c,
  gen: 0,
  state: "closed",
  episode: 1,
  agent: null,
  public: 0,
  read: { visitor: 0, agent: 0 },
  position: null,
  can_rate: false,
  score: null,
  left_message: false,
});
