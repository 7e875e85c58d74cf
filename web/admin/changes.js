// The save bar says what has changed, and leaving with changes asks first.

/** @param {HTMLFormElement} form */
export function followChanges(form) {
  const bar = form.querySelector("[data-save-bar]");
  const words = form.querySelector("[data-changes]");
  if (!bar || !words) return;
  const before = state(form);
  // A form that came back with an error holds words which are stored nowhere yet.
  let unsaved = form.querySelector("[aria-invalid]") !== null;

  const show = () => {
    const changed = names(form, before);
    bar.classList.toggle("changed", changed.length > 0);
    if (changed.length) words.textContent = `Changed: ${changed.join(", ")}`;
    else words.textContent = unsaved ? "Not saved yet" : "No changes yet";
  };
  show();
  form.addEventListener("input", show);
  form.addEventListener("change", show);
  form.addEventListener("submit", () => {
    unsaved = false;
    before.clear();
    for (const [name, value] of state(form)) before.set(name, value);
  });
  addEventListener("beforeunload", (event) => {
    if (unsaved || names(form, before).length) event.preventDefault();
  });
}

/**
 * @param {HTMLFormElement} form
 * @returns {Map<string, string>}
 */
function state(form) {
  const values = new Map();
  for (const [name, value] of new FormData(form)) values.set(name, `${values.get(name) ?? ""}\n${value}`);
  return values;
}

/**
 * @param {HTMLFormElement} form
 * @param {Map<string, string>} before
 */
function names(form, before) {
  const now = state(form);
  return [...new Set([...before.keys(), ...now.keys()])]
    .filter((name) => before.get(name) !== now.get(name))
    .map((name) => label(form, name));
}

/**
 * @param {HTMLFormElement} form
 * @param {string} name
 */
function label(form, name) {
  const found = form.elements.namedItem(name);
  const control = found instanceof RadioNodeList ? found[0] : found;
  if (!(control instanceof HTMLElement)) return name;
  const text =
    control.closest("fieldset.field")?.querySelector("legend") ?? form.querySelector(`label[for="${name}"]`);
  return text?.firstChild?.textContent?.trim() ?? name;
}
