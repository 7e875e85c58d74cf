// Two soft notes. Browsers allow it once somebody has clicked in the chat; before that it stays silent.

/** @type {AudioContext | null} */
let audio = null;

export function chime() {
  if (!navigator.userActivation?.hasBeenActive) return;
  try {
    audio ??= new AudioContext();
    const now = audio.currentTime;
    for (const [at, pitch] of /** @type {const} */ ([
      [0, 660],
      [0.12, 880],
    ])) {
      const note = new OscillatorNode(audio, { frequency: pitch });
      const volume = new GainNode(audio, { gain: 0 });
      volume.gain.linearRampToValueAtTime(0.06, now + at + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, now + at + 0.5);
      note.connect(volume).connect(audio.destination);
      note.start(now + at);
      note.stop(now + at + 0.5);
    }
  } catch {
    audio = null; // no sound device
  }
}
