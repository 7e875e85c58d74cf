// Times as people read them, in the language of the page.

/** @type {string | undefined} undefined: the browser's own */
let locale;
/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** @param {string | undefined} next */
export function setTimeLocale(next) {
  locale = next;
  formats.clear();
}

/**
 * @param {string} name
 * @param {Intl.DateTimeFormatOptions} options
 */
function format(name, options) {
  let made = formats.get(name);
  if (!made) formats.set(name, (made = new Intl.DateTimeFormat(locale, options)));
  return made;
}

/** @param {number} ms "14:05" */
export const clock = (ms) => format("clock", { hour: "numeric", minute: "2-digit" }).format(ms);

/** @param {number} ms "Monday, 3 November 2026, 14:05", for titles */
export const fullTime = (ms) => format("full", { dateStyle: "full", timeStyle: "short" }).format(ms);

/** @param {number} ms "Monday, 14:05", with the date when it is a week away @param {number} [now] */
export function opening(ms, now = Date.now()) {
  const hour = /** @type {const} */ ({ hour: "numeric", minute: "2-digit" });
  if (dayKey(ms) === dayKey(now)) return format("clock", hour).format(ms);
  if (ms - now < 6 * 86_400_000) return format("opening", { weekday: "long", ...hour }).format(ms);
  return format("opening later", { weekday: "long", day: "numeric", month: "long", ...hour }).format(ms);
}

/** @param {number} ms one value a calendar day, to tell days apart */
export const dayKey = (ms) => new Date(ms).toDateString();

/**
 * "Today", "Yesterday", "Monday", "3 November", "3 November 2025".
 * @param {number} ms
 * @param {number} [now]
 */
export function day(ms, now = Date.now()) {
  const days = Math.round((startOfDay(now) - startOfDay(ms)) / 86_400_000);
  if (days === 0 || days === 1) {
    const words = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-days, "day");
    return words.charAt(0).toLocaleUpperCase(locale) + words.slice(1);
  }
  if (days > 1 && days < 7) return format("weekday", { weekday: "long" }).format(ms);
  const thisYear = new Date(ms).getFullYear() === new Date(now).getFullYear();
  return thisYear
    ? format("day", { day: "numeric", month: "long" }).format(ms)
    : format("year", { day: "numeric", month: "long", year: "numeric" }).format(ms);
}

/**
 * "5 minutes ago".
 * @param {number} ms
 * @param {number} [now]
 * @param {Intl.RelativeTimeFormatStyle} [style]
 */
export function ago(ms, now = Date.now(), style = "long") {
  const seconds = Math.max(0, Math.round((now - ms) / 1000));
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style });
  if (seconds < 60) return relative.format(0, "second");
  if (seconds < 3600) return relative.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86_400) return relative.format(-Math.floor(seconds / 3600), "hour");
  return relative.format(-Math.floor(seconds / 86_400), "day");
}

/**
 * A running time: "0:42", "12:05", "1:02:10".
 * @param {number} ms
 */
export function elapsed(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** @param {number} ms */
const startOfDay = (ms) => new Date(ms).setHours(0, 0, 0, 0);
