import { t } from "../shared/i18n.js";
import { circleAlert, wifiOff } from "../shared/icons.js";
import { html, useEffect, useState } from "../vendor/preact.js";
import { crowded, link, refusal, trouble, unsent } from "./state.js";

/** A strip under the header while something is not as it should be. */
export function Notice() {
  const [slow, setSlow] = useState(false);
  const lost = link.value === "reconnecting" || link.value === "offline";
  useEffect(() => {
    // A blink of the network is nobody's business.
    const timer = lost ? setTimeout(() => setSlow(true), 1500) : undefined;
    if (!lost) setSlow(false);
    return () => clearTimeout(timer);
  }, [lost]);
  let words = "";
  if (link.value === "refused") words = t(refusal.value === 4506 ? "notice.upgrade" : "notice.refused");
  else if (crowded.value) words = t("notice.crowded");
  else if (lost && slow) words = t(unsent.value.some((entry) => entry.state === "pending") ? "notice.kept" : "notice.offline");
  else if (trouble.value) words = t(trouble.value);
  return html`<div role="status">
    ${words && html`<p class="notice ${link.value === "refused" ? "danger" : ""}">${lost ? wifiOff() : circleAlert()}<span>${words}</span></p>`}
  </div>`;
}
