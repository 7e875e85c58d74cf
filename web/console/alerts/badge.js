/** The number in the title and the dot on the tab's icon. */

import { effect } from "../../vendor/preact.js";
import { unreadCount } from "../state/desk.js";

export function startBadge() {
  effect(() => {
    const count = unreadCount.value;
    document.title = count > 0 ? `(${count}) Deskbell` : "Deskbell";
    const icon = /** @type {HTMLLinkElement|null} */ (document.querySelector('link[rel="icon"]'));
    if (icon) icon.href = new URL(count > 0 ? "../icon-unread.svg" : "../icon.svg", import.meta.url).href;
  });
}
