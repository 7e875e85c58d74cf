// Lists by keyboard: j and k (or the arrows) move, Enter opens, / searches; and narrowing while one types.

export function rowKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = /** @type {Element} */ (event.target).closest("input, textarea, select");
    const search = /** @type {HTMLInputElement | null} */ (document.querySelector("input[type=search]"));
    if (event.key === "/" && !typing && search) {
      event.preventDefault();
      search.select();
      search.focus();
    } else if (event.key === "ArrowDown" && typing === search && search) {
      event.preventDefault();
      move(1);
    } else if (!typing && (event.key === "j" || event.key === "ArrowDown")) {
      if (move(1)) event.preventDefault();
    } else if (!typing && (event.key === "k" || event.key === "ArrowUp")) {
      if (move(-1)) event.preventDefault();
    }
  });
}

/**
 * @param {number} step
 * @returns {boolean} whether there was a row to go to
 */
function move(step) {
  const links = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".rows tbody tr:not([hidden]) .what a")]);
  const at = links.findIndex((link) => link === document.activeElement);
  const next = links[at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + step, 0), links.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
  return next !== undefined;
}

/** @param {HTMLFormElement} form */
export function liveSearch(form) {
  const input = form.querySelector("input[type=search]");
  const table = document.querySelector(form.dataset.liveSearch ?? "");
  if (!(input instanceof HTMLInputElement) || !table) return;
  const rows = /** @type {HTMLElement[]} */ ([...table.querySelectorAll("tbody tr")]);
  const none = /** @type {HTMLElement | null} */ (table.parentElement?.querySelector("[data-no-match]") ?? null);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/u).filter(Boolean).map((word) => word.replace(/^\//, ""));
    let shown = 0;
    for (const row of rows) {
      const text = (row.dataset.words ?? "").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    }
    if (none) none.hidden = shown > 0;
  });
}
