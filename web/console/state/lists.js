/**
 * The lists and what a row needs to know. Pure selectors over the world.
 *
 * @typedef {import('./store.js').World} World
 * @typedef {import('./store.js').Lanes} Lanes
 * @typedef {import('./wire.js').Head} Head
 * @typedef {'mine'|'waiting'|'team'|'messages'|'closed'} ListName
 */

/** @type {readonly ListName[]} */
export const listNames = ["mine", "waiting", "team", "messages", "closed"];

/**
 * @param {World} world
 * @param {ListName} name
 * @returns {Head[]}
 */
export function listed(world, name) {
  const heads = Object.values(world.heads).filter((head) => belongs(world, head, name));
  switch (name) {
    case "waiting":
      return heads.sort((a, b) => a.queued_at - b.queued_at || (a.c < b.c ? -1 : 1));
    case "mine":
    case "team":
      return heads.sort((a, b) => (a.assigned_at ?? 0) - (b.assigned_at ?? 0) || (a.c < b.c ? -1 : 1));
    default:
      return heads.sort((a, b) => (b.closed_at ?? 0) - (a.closed_at ?? 0) || (a.c < b.c ? 1 : -1));
  }
}

/**
 * @param {World} world
 * @param {Head} head
 * @param {ListName} name
 */
function belongs(world, head, name) {
  switch (name) {
    case "mine":
      return isMine(world, head);
    case "waiting":
      return isWaiting(head) && world.teams.some((team) => team.id === head.team.id);
    case "team":
      return head.state === "active" && !isMine(world, head) && world.teams.some((team) => team.id === head.team.id);
    case "messages":
      return head.left_message;
    case "closed":
      // A message that waits for an answer is work still to do; it stays among the messages.
      return head.state === "closed" && !head.left_message;
  }
}

/** @param {Head} head */
export function isWaiting(head) {
  return head.state === "waiting" || head.state === "offered";
}

/** @param {{me: import('./wire.js').Me|null}} world @param {Head} head */
export function isMine(world, head) {
  return head.state === "active" && head.agent !== null && head.agent.id === world.me?.id;
}

/** Whether this agent may take over chats of others, and say who gets a waiting one. @param {{me: import('./wire.js').Me|null}} world */
export function steers({ me }) {
  return me !== null && me.role !== "agent";
}

/**
 * How many of the visitor's messages nobody on our side has seen. Where the events aren't held, an
 * unseen last message counts as one.
 * @param {Head} head
 * @param {Lanes|undefined} lanes
 */
export function unread(head, lanes) {
  const seen = head.read.agent;
  if (head.public <= seen) return 0;
  const counted = (lanes?.public.events ?? []).filter(
    (event) => event.s > seen && event.kind === "message" && event.from?.kind === "visitor",
  ).length;
  if (lanes && lanes.public.first <= seen + 1 && lanes.public.have >= head.public) return counted;
  return Math.max(counted, head.preview?.from === "visitor" ? 1 : 0);
}

/**
 * Since when the visitor has been waiting for us, in the server's time; null when they aren't.
 * @param {Head} head
 * @param {Lanes|undefined} lanes
 * @returns {number|null}
 */
export function waitingSince(head, lanes) {
  // Until it was passed on somebody was with them.
  if (isWaiting(head)) return head.passed?.at ?? head.queued_at;
  if (head.state !== "active" || head.preview?.from !== "visitor") return null;
  // The wait began with the first message after our last one, not with the latest nudge.
  let since = head.preview.at;
  for (const event of [...(lanes?.public.events ?? [])].reverse()) {
    if (event.kind !== "message") continue;
    if (event.from?.kind !== "visitor") break;
    since = event.at;
  }
  // Time in the line counts: to the visitor it is one wait. An earlier episode is over.
  return Math.max(since, head.queued_at);
}

/**
 * Chats of mine with something unseen, for the title and the rail.
 * @param {World} world
 * @param {ReadonlySet<string>} marked chats the agent marked unread by hand
 */
export function unreadChats(world, marked) {
  return listed(world, "mine").filter((head) => marked.has(head.c) || unread(head, world.lanes[head.c]) > 0);
}
