/** Chats offered to this agent: accept or decline before the time runs out. */

import { html, useState } from "../../vendor/preact.js";
import { Avatar } from "../../shared/avatar.js";
import { elapsed } from "../../shared/time.js";
import { accept, decline, openOffers } from "../offers.js";
import { now } from "../state/clock.js";
import { linkState, world } from "../state/desk.js";
import { visitorName } from "../state/people.js";
import { go } from "../state/place.js";

export function Offers() {
  const offers = openOffers(world.value);
  return html`
    <div class="offers" role="region" aria-label="Offers">
      ${offers.map((offer) => html`<${OfferCard} key=${`${offer.c} ${offer.gen}`} offer=${offer} />`)}
    </div>
  `;
}

/** @param {{offer: import("../state/store.js").StandingOffer}} props */
function OfferCard({ offer }) {
  const [busy, setBusy] = useState(false);
  const head = world.value.heads[offer.c];
  if (!head) return null;
  const name = visitorName(head.visitor);
  const left = Math.max(0, Math.ceil((offer.until - (now.value - world.value.skew)) / 1000));
  const off = busy || linkState.value !== "live";
  const yes = async () => {
    setBusy(true);
    if (await accept(offer)) go({ list: "mine", c: offer.c });
  };
  const no = async () => {
    setBusy(true);
    await decline(offer);
  };
  return html`
    <section class="offer" aria-label=${`Offer: ${name}`}>
      <div class="offer-who">
        <${Avatar} name=${name} size=${36} />
        <div>
          <p class="offer-name"><bdi>${name}</bdi> is waiting</p>
          <p class="muted">${head.site.name} · ${elapsed(Math.max(0, now.value - head.queued_at))} in line</p>
        </div>
        <span class="offer-left" title="Then the next agent is asked">${left} s</span>
      </div>
      ${head.preview && html`<p class="offer-last" dir="auto">${head.preview.text}</p>`}
      <progress class="offer-time" max=${Math.round(offer.ttl_ms / 1000)} value=${left} aria-label="Time left" />
      <div class="offer-actions">
        <button type="button" class="button primary" disabled=${off} onClick=${yes}>Accept</button>
        <button type="button" class="button" disabled=${off} onClick=${no}>Decline</button>
      </div>
    </section>
  `;
}
