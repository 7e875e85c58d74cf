// Message ids are made here, once, when the person pressed Enter: UUIDv7, so that they also sort by time.

let lastTime = 0;
let counter = 0;

/** @returns {string} a UUIDv7 in lower case; ids made in the same millisecond keep their order */
export function uuid7() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const now = Date.now();
  if (now > lastTime) {
    lastTime = now;
    counter = ((bytes[6] ?? 0) << 4) & 0x7ff;
  } else if (++counter > 0xfff) {
    counter = 0;
    lastTime += 1;
  }
  let time = lastTime;
  for (let i = 5; i >= 0; i -= 1) {
    bytes[i] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes[6] = 0x70 | (counter >> 8);
  bytes[7] = counter & 0xff;
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
