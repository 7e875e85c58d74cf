import { t } from "../shared/i18n.js";
import { html } from "../vendor/preact.js";
import { fieldError, intro, site } from "./state.js";

const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

/**
 * Is what the visitor wrote about themselves enough to begin? Marks the field that is not.
 * @param {{name?: boolean, email?: boolean, phone?: boolean}} needed
 */
export function introComplete(needed) {
  const { name, email, phone } = intro.value;
  if (needed.name && !name.trim()) fieldError.value = { field: "name", key: "field.name" };
  else if ((needed.email || email.trim()) && !EMAIL.test(email.trim())) fieldError.value = { field: "email", key: "field.email" };
  else if (needed.phone && !/^\+?([()./ -]*\d){4,20}[()./ -]*$/.test(phone.trim())) fieldError.value = { field: "phone", key: "field.phone" };
  else {
    fieldError.value = null;
    return true;
  }
  document.getElementById(fieldError.value.field)?.focus();
  return false;
}

/** Before the first message: who is asking? */
export function Intro() {
  const optional = site.preChat === "optional";
  return html`
    <div class="card">
      <h2>${t("intro.title")}</h2>
      ${optional && html`<p>${t("intro.optional")}</p>`}
      <${Field} name="name" type="text" autocomplete="name" required=${!optional} />
      <${Field} name="email" type="email" autocomplete="email" required=${!optional} />
    </div>
  `;
}

/**
 * @param {{name: "name" | "email" | "phone", type: string, autocomplete: string, required: boolean}} props
 */
export function Field({ name, type, autocomplete, required }) {
  const wrong = fieldError.value?.field === name ? t(fieldError.value.key) : "";
  const change = (/** @type {InputEvent} */ event) => {
    intro.value = { ...intro.value, [name]: /** @type {HTMLInputElement} */ (event.currentTarget).value };
    if (wrong) fieldError.value = null;
  };
  return html`
    <label class="field" for=${name}>
      <span>${t(name)}${required ? "" : html` <small>${t("optional")}</small>`}</span>
      <input id=${name} type=${type} name=${name} autocomplete=${autocomplete} dir="auto" value=${intro.value[name]} onInput=${change}
        maxlength=${name === "email" ? 254 : name === "phone" ? 40 : 80} aria-required=${required} aria-invalid=${Boolean(wrong)} aria-describedby=${`${name}-wrong`} />
      <span id=${`${name}-wrong`} class="wrong" role="alert">${wrong}</span>
    </label>
  `;
}
