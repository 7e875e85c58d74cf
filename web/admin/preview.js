// The canned reply's form: its preview follows every key, chips put a variable in, a wrong one is told at once.

import { fill, problem } from "../shared/canned.js";

const body = /** @type {HTMLTextAreaElement} */ (document.getElementById("body"));
const bubble = /** @type {HTMLElement} */ (document.querySelector("[data-bubble]"));
const open = /** @type {HTMLElement} */ (document.querySelector("[data-unfilled]"));
const wrong = /** @type {HTMLElement} */ (document.querySelector("[data-body-problem]"));
const samples = /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll("[data-sample]")]);
const scope = /** @type {HTMLSelectElement} */ (document.getElementById("scope"));

function show() {
  const values = Object.fromEntries(samples.map((sample) => [sample.dataset.sample, sample.value]));
  const { parts, unfilled } = fill(body.value.trim(), values);
  bubble.replaceChildren(
    ...parts.map((part) => {
      if (part.kind === "text") return part.text;
      const mark = document.createElement("span");
      mark.className = part.kind;
      mark.textContent = part.text;
      return mark;
    }),
  );
  // What is not a variable at all cannot be saved; the words under the field say so.
  open.hidden = unfilled.length === 0 || problem(body.value) !== null;
  open.textContent = `Not known: ${unfilled.join(", ")}. The agent fills it in before sending, or you give it a fallback.`;
}

function tell() {
  const words = problem(body.value);
  wrong.hidden = words === null || document.getElementById("body-wrong") !== null;
  wrong.textContent = words;
}

body.addEventListener("input", () => {
  show();
  // While a variable is being typed its braces are open: only what was wrong before is checked at every key.
  if (!wrong.hidden) tell();
});
body.addEventListener("blur", tell);
for (const sample of samples) sample.addEventListener("input", show);

for (const chip of document.querySelectorAll("[data-insert]")) {
  chip.addEventListener("click", () => {
    const name = /** @type {HTMLElement} */ (chip).dataset.insert;
    const place = name === "visitor.name" ? "{{visitor.name|there}}" : `{{${name}}}`;
    body.setRangeText(place, body.selectionStart, body.selectionEnd, "end");
    body.dispatchEvent(new Event("input", { bubbles: true }));
    body.focus();
  });
}

scope.addEventListener("change", () => {
  const team = /** @type {HTMLElement | null} */ (document.querySelector("[data-when-scope=team]"));
  if (team) team.hidden = scope.value !== "team";
});

show();
