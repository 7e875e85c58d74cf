/** Two gentle sounds, made here: no files, nothing to load. */

import { signal } from "../../vendor/preact.js";

/** @typedef {"chat"|"message"} Kind */

/** Notes as [frequency in Hz, start in s]. @type {Record<Kind, [number, number][]>} */
const tunes = {
  chat: [
    [659.25, 0],
    [880, 0.16],
  ],
  message: [[783.99, 0]],
};

/** In a burst the first sound says it all. @type {Record<Kind, number>} */
const QUIET_MS = { chat: 2000, message: 6000 };
/** @type {Record<Kind, number>} */
const last = { chat: -Infinity, message: -Infinity };

export const soundOn = signal(remembered());
/** @type {AudioContext|null} */
let audio = null;

/** Browsers let a page make sounds only after its person has touched it. */
export function unlockSound() {
  const wake = () => {
    audio ??= new AudioContext();
    void audio.resume();
  };
  addEventListener("pointerdown", wake, { once: true });
  addEventListener("keydown", wake, { once: true });
}

/** @param {Kind} kind */
export function ring(kind) {
  const now = performance.now();
  const quiet = now - last[kind] < QUIET_MS[kind];
  last[kind] = now;
  if (quiet || !soundOn.peek() || audio?.state !== "running") return;
  for (const [frequency, start] of tunes[kind]) strike(audio, frequency, audio.currentTime + start);
}

/** A soft bell: a quick attack and a long fall. @param {AudioContext} context @param {number} frequency @param {number} at */
function strike(context, frequency, at) {
  const tone = new OscillatorNode(context, { type: "sine", frequency });
  const volume = new GainNode(context, { gain: 0 });
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(0.14, at + 0.012);
  volume.gain.exponentialRampToValueAtTime(0.0008, at + 0.7);
  tone.connect(volume).connect(context.destination);
  tone.start(at);
  tone.stop(at + 0.75);
}

/** @param {boolean} on */
export function setSound(on) {
  soundOn.value = on;
  try {
    localStorage.setItem("deskbell.sound", on ? "on" : "off");
  } catch {
    // A preference only; it lasts as long as the page.
  }
}

function remembered() {
  try {
    return localStorage.getItem("deskbell.sound") !== "off";
  } catch {
    return true;
  }
}
