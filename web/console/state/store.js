/**
 * The console's picture of the world, and how each frame changes it. Pure: `apply` never alters
 * what it is given, so a snapshot followed by frames can be compared with a later snapshot.
 *
 * @typedef {import('./wire.js').Head} Head
 * @typedef {import('./wire.js').Frame} Frame
 * @typedef {import('./wire.js').Ev} Ev
 * @typedef {import('./lane.js').Lane} Lane
 * @typedef {{public: Lane, internal: Lane}} Lanes
 * @typedef {import('./wire.js').Offer & {until: number}} StandingOffer `until` is by our own clock
 *
 * @typedef {object} World
 * @property {import('./wire.js').Me|null} me
 * @property {import('./wire.js').Named[]} teams
 * @property {Readonly<Record<string, Head>>} heads
 * @property {Readonly<Record<string, Lanes>>} lanes
 * @property {Readonly<Record<string, StandingOffer>>} offers
 * @property {Readonly<Record<string, number>>} typing when the visitor was last seen typing, by our clock
 * @property {Readonly<Record<string, number>>} returned public number at which a visitor came back
 * @property {number} skew the server's clock minus ours, in milliseconds
 */

import { isOlder, merged } from "./heads.js";
import { laneAt, receive } from "./lane.js";
import { isMine } from "./lists.js";

/** Code points of a last message that a head carries. */
const PREVIEW = 160;

/** @type {World} */
export const nothing = {
  me: null,
  teams: [],
  heads: {},
  lanes: {},
  offers: {},
  typing: {},
  returned: {},
  skew: 0,
};

/**
 * The world after one frame. Frames of unknown types change nothing.
 * @param {World} world
 * @param {Frame} frame
 * @param {number} now our clock, milliseconds
 * @returns {World}
 */
export function apply(world, frame, now) {
  switch (frame.t) {
    case "snapshot":
      return applySnapshot(world, frame, now);
    case "head":
      return withHead(world, frame.head);
    case "me":
      return { ...world, me: frame.me };
    case "offer": {
      const { c, gen, mode, ttl_ms } = frame;
      const offer = { c, gen, mode, ttl_ms, until: now + ttl_ms };
      return { ...withHead(world, frame.head), offers: { ...world.offers, [c]: offer } };
    }
    case "offer.gone":
      return world.offers[frame.c]?.gen === frame.gen ? { ...world, offers: without(world.offers, frame.c) } : world;
    case "ev":
      return applyEvent(world, frame);
    case "eph":
      return applyEphemeral(world, frame, now);
    default:
      return world;
  }
}

/**
 * @param {World} world
 * @param {import('./wire.js').Snapshot} snapshot
 * @param {number} now
 * @returns {World}
 */
function applySnapshot(world, snapshot, now) {
  /** @type {Record<string, Head>} */
  const heads = {};
  for (const head of snapshot.heads) heads[head.c] = head;
  /** @type {Record<string, StandingOffer>} */
  const offers = {};
  for (const offer of snapshot.offers) offers[offer.c] = { ...offer, until: now + offer.ttl_ms };
  // Events never change once written, so lanes stay; those that go live now start at their heads.
  const lanes = { ...world.lanes };
  for (const head of snapshot.heads) {
    if (isMine(snapshot, head)) lanes[head.c] ??= lanesAt(head);
  }
  return {
    me: snapshot.me,
    teams: snapshot.teams,
    heads,
    lanes,
    offers,
    typing: {},
    returned: world.returned,
    skew: snapshot.now - now,
  };
}

/**
 * Keeps the newer of two heads: by (gen, public, internal), equal ones being news of something smaller.
 * @param {World} world
 * @param {Head} head
 * @returns {World}
 */
export function withHead(world, head) {
  const held = world.heads[head.c];
  if (held && isOlder(head, held)) return world;
  const offers = head.state === "offered" ? world.offers : without(world.offers, head.c);
  return { ...world, offers, heads: { ...world.heads, [head.c]: held ? merged(held, head) : head } };
}

/**
 * Lets go of the events of a conversation that nobody streams to us any more: they would fall behind.
 * @param {World} world
 * @param {string} c
 * @returns {World}
 */
export function forgetLanes(world, c) {
  return { ...world, lanes: without(world.lanes, c) };
}

/** @param {Head} head @returns {Lanes} */
export function lanesAt(head) {
  return { public: laneAt(head.public), internal: laneAt(head.internal) };
}

/** @param {World} world @param {string} c @param {Lanes} lanes @returns {World} */
export function withLanes(world, c, lanes) {
  return { ...world, lanes: { ...world.lanes, [c]: lanes } };
}

/**
 * @param {World} world
 * @param {string} c
 * @param {import('./wire.js').LaneName} name
 * @param {Lane} lane
 * @returns {World}
 */
export function withLane(world, c, name, lane) {
  const head = world.heads[c];
  const lanes = world.lanes[c] ?? (head ? lanesAt(head) : { public: laneAt(0), internal: laneAt(0) });
  return withLanes(world, c, { ...lanes, [name]: lane });
}

/** @param {World} world @param {Ev} event @returns {World} */
function applyEvent(world, event) {
  const lane = world.lanes[event.c]?.[event.lane];
  const next = receive(lane, event);
  if (next === lane) return world;
  let after = withLane(world, event.c, event.lane, next);
  const head = world.heads[event.c];
  if (head && next.have > head[event.lane]) {
    after = { ...after, heads: { ...after.heads, [event.c]: advanced(head, event, next) } };
  }
  if (event.lane === "public" && event.from?.kind === "visitor") {
    after = { ...after, typing: without(after.typing, event.c) };
  }
  return after;
}

/**
 * The head after its lane grew. State and generation wait for the head that the server sends with them.
 * @param {Head} head
 * @param {Ev} event
 * @param {Lane} lane
 * @returns {Head}
 */
function advanced(head, event, lane) {
  const grown = { ...head, [event.lane]: lane.have };
  if (event.lane === "internal") return grown;
  const last = lane.events.findLast((each) => each.kind === "message" && each.s > head.public);
  if (last) {
    const text = [...String(last.data.text)].slice(0, PREVIEW).join("");
    grown.preview = { text, from: last.from?.kind === "visitor" ? "visitor" : "agent", at: last.at };
  }
  return grown;
}

/**
 * @param {World} world
 * @param {import('./wire.js').Ephemeral} frame
 * @param {number} now
 * @returns {World}
 */
function applyEphemeral(world, frame, now) {
  const { c, kind, data } = frame;
  const head = world.heads[c];
  if (!head) return world;
  /** @param {Partial<Head>} change @returns {World} */
  const changed = (change) => ({ ...world, heads: { ...world.heads, [c]: { ...head, ...change } } });
  switch (kind) {
    case "typing":
      if (frame.from?.kind !== "visitor") return world;
      return { ...world, typing: data.on ? { ...world.typing, [c]: now } : without(world.typing, c) };
    case "read": {
      const by = data.by === "visitor" ? "visitor" : "agent";
      return changed({ read: { ...head.read, [by]: Math.max(head.read[by], data.s) } });
    }
    case "presence": {
      const returned = data.online && !head.online ? { ...world.returned, [c]: head.public } : world.returned;
      return { ...changed({ online: data.online }), returned };
    }
    case "page":
      return changed({ page: { url: data.url, title: data.title } });
    default:
      return world;
  }
}

/**
 * @template T
 * @param {Readonly<Record<string, T>>} record
 * @param {string} key
 * @returns {Readonly<Record<string, T>>}
 */
function without(record, key) {
  if (!(key in record)) return record;
  const { [key]: _gone, ...rest } = record;
  return rest;
}
