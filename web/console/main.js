/** The agents' console: starts everything once, then the signals do the rest. */

import { html, render } from "../vendor/preact.js";
import { startBadge } from "./alerts/badge.js";
import { unlockSound } from "./alerts/sound.js";
import { startFollowing } from "./follow.js";
import { startKeys } from "./keys.js";
import { connect } from "./link.js";
import { startClock } from "./state/clock.js";
import { Console } from "./views/console.js";

const root = /** @type {HTMLElement} */ (document.getElementById("console"));
root.replaceChildren();
render(html`<${Console} />`, root);
startClock();
startBadge();
startFollowing();
startKeys();
unlockSound();
connect(root.dataset.agent ?? "");
