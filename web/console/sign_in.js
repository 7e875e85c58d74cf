/** The way back to the sign-in page, once: the address remembers where to return. */

let leaving = false;

export function signIn() {
  if (leaving) return;
  leaving = true;
  location.assign(`/sign-in?next=${encodeURIComponent("/console")}`);
}
