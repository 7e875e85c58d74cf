/**
 * One lane of one conversation as far as it is held here: an unbroken run of events, `first … have`.
 * Pure: every function returns a new lane, or the same one when nothing changed.
 *
 * @typedef {import("./wire.js").Ev} Ev
 *
 * @typedef {object} Lane
 * @property {number} first sequence number of the earliest event held; `have + 1` when none is
 * @property {number} have the highest number held
 * @property {readonly Ev[]} events ascending
 */

/**
 * A lane of which nothing is held yet, live from `head + 1`.
 * @param {number} head
 * @returns {Lane}
 */
export function laneAt(head) {
  return { first: head + 1, have: head, events: [] };
}

/**
 * The receiver rule. The connection hands events over without holes; should one come all the same, the
 * run starts again behind it and what lies before is paged in like any history.
 * @param {Lane|undefined} lane
 * @param {Ev} event
 * @returns {Lane}
 */
export function receive(lane, event) {
  if (!lane || event.s > lane.have + 1) return { first: event.s, have: event.s, events: [event] };
  if (event.s <= lane.have) return lane;
  return { ...lane, have: event.s, events: [...lane.events, event] };
}

/**
 * Puts an earlier page (ascending, ending just before `first`) in front.
 * @param {Lane} lane
 * @param {readonly Ev[]} page
 * @returns {Lane}
 */
export function prepend(lane, page) {
  const earlier = page.filter((event) => event.s < lane.first);
  const [start, last] = [earlier[0], earlier.at(-1)];
  // A page that doesn't join on would leave a hole nobody looks for.
  if (!start || last?.s !== lane.first - 1) return lane;
  return { ...lane, first: start.s, events: [...earlier, ...lane.events] };
}
