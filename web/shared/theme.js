// A site's own colour becomes the accent tokens of tokens.css, with the contrast mended where it is too weak to read.

/** @typedef {[number, number, number]} Rgb */

const WHITE = /** @type {Rgb} */ ([255, 255, 255]);
const INK = /** @type {Rgb} */ ([17, 17, 19]);
const NIGHT = /** @type {Rgb} */ ([24, 25, 27]);
/** A little above 4.5, for words on the other quiet surfaces. */
const READABLE = 4.75;
/** The accent that tokens.css has tuned by hand. */
const OWN = "#5b5bd6";

/**
 * @param {string} hex "#rrggbb"
 * @param {HTMLElement} [root]
 */
export function applyAccent(hex, root = document.documentElement) {
  const brand = parse(hex);
  if (!brand || hex.toLowerCase() === OWN) return;
  // Dark or middling colours carry white words and are deepened until they do; light ones carry ink as they are.
  const light = contrast(brand, INK) > 9;
  const accent = light ? brand : mended(brand, WHITE, INK);
  const softLight = mix(WHITE, brand, 0.09);
  const softDark = mix(NIGHT, brand, 0.2);
  const onLight = mended(brand, softLight, INK);
  const onDark = mended(brand, softDark, WHITE);
  const both = (/** @type {string} */ a, /** @type {string} */ b) => `light-dark(${a}, ${b})`;
  const tokens = {
    "--accent": css(accent),
    "--on-accent": light ? css(INK) : "#fff",
    "--accent-hover": css(mix(accent, light ? WHITE : INK, 0.12)),
    "--accent-text": both(css(onLight), css(onDark)),
    "--accent-soft": both(css(softLight), css(softDark)),
    "--accent-soft-hover": both(css(mix(WHITE, brand, 0.16)), css(mix(NIGHT, brand, 0.3))),
    "--accent-border": both(css(mix(WHITE, brand, 0.35)), css(mix(NIGHT, brand, 0.45))),
  };
  for (const [name, value] of Object.entries(tokens)) root.style.setProperty(name, value);
}

/**
 * The colour moved towards `pole` until it can be read on `ground`.
 * @param {Rgb} colour
 * @param {Rgb} ground
 * @param {Rgb} pole
 */
function mended(colour, ground, pole) {
  let result = colour;
  for (let share = 0.05; contrast(result, ground) < READABLE && share <= 1; share += 0.05) result = mix(colour, pole, share);
  return result;
}

/**
 * @param {string} hex
 * @returns {Rgb | null}
 */
function parse(hex) {
  const match = /^#([\da-f]{2})([\da-f]{2})([\da-f]{2})$/i.exec(hex);
  return match && /** @type {Rgb} */ (match.slice(1).map((part) => parseInt(part, 16)));
}

/**
 * @param {Rgb} a
 * @param {Rgb} b
 * @param {number} share of b
 */
const mix = (a, b, share) => /** @type {Rgb} */ (a.map((part, i) => Math.round(part + (/** @type {number} */ (b[i]) - part) * share)));

/** @param {Rgb} colour */
const css = (colour) => `rgb(${colour.join(" ")})`;

/** @param {Rgb} colour WCAG relative luminance */
function luminance(colour) {
  const [r, g, b] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * Number(r) + 0.7152 * Number(g) + 0.0722 * Number(b);
}

/**
 * @param {Rgb} a
 * @param {Rgb} b
 */
function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (Number(high) + 0.05) / (Number(low) + 0.05);
}
