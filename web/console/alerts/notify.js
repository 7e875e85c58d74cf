/** Desktop notifications: asked for on a click, never by themselves, and shown only when nobody looks here. */

import { signal } from "../../vendor/preact.js";
import { go } from "../state/place.js";

/** @type {import("../../vendor/preact.js").Signal<"default"|"granted"|"denied"|"missing">} */
export const permission = signal("Notification" in window ? Notification.permission : "missing");

export async function askToNotify() {
  if (permission.peek() === "missing") return;
  permission.value = await Notification.requestPermission();
}

/**
 * @param {string} title
 * @param {string} body
 * @param {string} c the chat that a click opens; a second notice of it replaces the first
 */
export function notify(title, body, c) {
  if (permission.peek() !== "granted" || (document.visibilityState === "visible" && document.hasFocus())) return;
  try {
    const notice = new Notification(title, { body, tag: c, icon: new URL("../icon.svg", import.meta.url).href });
    notice.onclick = () => {
      window.focus();
      go({ list: "mine", c });
      notice.close();
    };
  } catch {
    // Some phones allow notifications only from a service worker; the title and the sound still tell.
  }
}
