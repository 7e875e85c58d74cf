/** Chats that routing puts before this agent. */

import { command } from "./link.js";
import { world } from "./state/desk.js";
import { say } from "./toasts.js";
import { codeOf, refusal } from "./words.js";

/**
 * In `direct` teams the console confirms by itself, at once: an offer that nobody confirms means that
 * nobody is at this desk.
 * @param {import("./state/wire.js").Frame} frame
 */
export function autoAccept(frame) {
  const offers = frame.t === "snapshot" ? frame.offers : frame.t === "offer" ? [frame] : [];
  for (const { c, gen, mode } of offers) {
    if (mode !== "direct") continue;
    // A second window of the same agent may have been quicker; then there is nothing to tell.
    command({ t: "offer.accept", c, gen }).catch(() => {});
  }
}

/** Offers that wait for a decision, the most urgent first. @param {import("./state/store.js").World} from */
export function openOffers(from) {
  return Object.values(from.offers)
    .filter((offer) => offer.mode !== "direct")
    .sort((a, b) => a.until - b.until);
}

/** @param {import("./state/store.js").StandingOffer} offer @returns {Promise<boolean>} */
export async function accept({ c, gen }) {
  return answered("offer.accept", c, gen);
}

/** @param {import("./state/store.js").StandingOffer} offer @returns {Promise<boolean>} */
export async function decline({ c, gen }) {
  return answered("offer.decline", c, gen);
}

/** @param {string} t @param {string} c @param {number} gen */
async function answered(t, c, gen) {
  try {
    await command({ t, c, gen });
    return true;
  } catch (error) {
    const late = codeOf(error) === "stale" || codeOf(error) === "not_found";
    say(late ? "The offer had already run out; the chat is back in line at its old place." : refusal(error), {
      tone: "bad",
    });
    return false;
  } finally {
    const { [c]: _gone, ...offers } = world.peek().offers;
    world.value = { ...world.peek(), offers };
  }
}
