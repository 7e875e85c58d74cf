import { DeskbellError } from "./errors.js";

/**
 * JSON over HTTP. Throws DeskbellError: the server's code, or `offline` when it could not be reached.
 * @param {string} method
 * @param {string} url
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
export async function requestJson(method, url, body) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin",
    });
  } catch {
    throw new DeskbellError("offline", { retry: true });
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const error = answer?.error ?? {};
  throw new DeskbellError(error.code ?? (response.status >= 500 ? "unavailable" : "invalid"), {
    message: error.message,
    field: error.field,
    retry: response.status === 429 || response.status >= 500,
    after_ms: error.retry_after === undefined ? undefined : error.retry_after * 1000,
  });
}

/** @param {string} url */
export const getJson = (url) => requestJson("GET", url);

/**
 * @param {string} url
 * @param {unknown} body
 */
export const postJson = (url, body) => requestJson("POST", url, body);
