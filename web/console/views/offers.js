/** Chats offered to this agent: accept or decline before the time runs out. */

import { html, useState } from "../../vendor/preact.js";
import { Avatar } from "../../shared/avatar.js";
import { elapsed } from "../../shared/time.js";
import { takeOffer } from "../actions.js";
import { decline, openOffers } from "../offers.js";
import { now } from "../state/clock.js";
import { linkState, world } from "../state/desk.js";
import { visitorName } from "../state/people.js";

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
  const passed = head.passed;
  const yes = () => {
    setBusy(true);
    void takeOffer(offer);
  };
  const no = () => {
    setBusy(true);
    void decline(offer);
  };
  return html`
    <section class="offer" aria-label=${`Offer: ${name}`}>
      <div class="offer-who">
        <${Avatar} name=${name} size=${36} />
        <div>
          <p class="offer-name">${passed ? html`<bdi>${passed.by.name}</bdi> passes <bdi>${name}</bdi> to you` : html`<bdi>${name}</bdi> is waiting`}</p>
          <p class="muted">${head.site.name}${!passed && ` · ${elapsed(Math.max(0, now.value - head.queued_at))} in line`}</p>
        </div>
        <span class="offer-left" title=${passed ? `Then it goes back to ${passed.by.name}` : "Then the next agent is asked"}>${left} s</span>
      </div>
      ${passed?.note && html`<p class="offer-last offer-note" dir="auto">${passed.note}</p>`}
      ${head.preview && html`<p class="offer-last" dir="auto">${head.preview.from === "agent" && "Us: "}${head.preview.text}</p>`}
      <progress class="offer-time" max=${Math.round(offer.ttl_ms / 1000)} value=${left} aria-label="Time left" />
      <div class="offer-actions">
        <button type="button" class="button primary" data-tip="Accept  A" disabled=${off} onClick=${yes}>Accept</button>
        <button type="button" class="button" data-tip="Decline  D" disabled=${off} onClick=${no}>Decline</button>
      </div>
    </section>
  `;
}
