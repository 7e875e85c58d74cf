// What every admin page does beyond plain HTML: the save bar, questions before deleting, copying, keyboard rows,
// and a list that narrows while one types. Without this script every form still works.

import { followChanges } from "./changes.js";
import { liveSearch, rowKeys } from "./rows.js";

for (const form of document.querySelectorAll("form[data-form]")) followChanges(/** @type {HTMLFormElement} */ (form));
for (const form of document.querySelectorAll("form[data-live-search]")) {
  liveSearch(/** @type {HTMLFormElement} */ (form));
}
rowKeys();

document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  if (!button) return;
  const { open, close, copy } = button.dataset;
  if (open) /** @type {HTMLDialogElement | null} */ (document.getElementById(open))?.showModal();
  if (close !== undefined) button.closest("dialog")?.close();
  if (copy) void copied(button, document.getElementById(copy)?.textContent ?? "");
});

/**
 * @param {HTMLButtonElement} button
 * @param {string} text
 */
async function copied(button, text) {
  const label = button.querySelector("span");
  if (!label) return;
  try {
    await navigator.clipboard.writeText(text);
    label.textContent = "Copied";
  } catch {
    label.textContent = "Press Ctrl+C";
    const code = button.parentElement?.querySelector("code");
    if (code) getSelection()?.selectAllChildren(code);
  }
  setTimeout(() => (label.textContent = "Copy"), 2000);
}
