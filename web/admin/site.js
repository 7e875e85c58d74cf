// The site's form: its preview takes on the name, greeting and colour that are being typed.

import { applyAccent } from "../shared/theme.js";

const preview = /** @type {HTMLElement} */ (document.querySelector(".mini-widget"));
const accent = /** @type {HTMLInputElement} */ (document.getElementById("accent"));
const picker = /** @type {HTMLInputElement} */ (document.querySelector("[data-colour-for=accent]"));

for (const name of ["name", "greeting"]) {
  const input = /** @type {HTMLInputElement} */ (document.getElementById(name));
  const shown = /** @type {HTMLElement} */ (document.querySelector(`[data-show=${name}]`));
  input.addEventListener("input", () => (shown.textContent = input.value));
}

picker.addEventListener("input", () => {
  accent.value = picker.value;
  accent.dispatchEvent(new Event("input", { bubbles: true }));
});
accent.addEventListener("input", paint);
paint();

function paint() {
  const colour = accent.value.trim().toLowerCase();
  if (!/^#[\da-f]{6}$/.test(colour)) return;
  picker.value = colour;
  applyAccent(colour, preview);
}
