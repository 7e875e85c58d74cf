// Where unsent messages live: IndexedDB, or memory when the browser refuses it (private windows, blocked storage).

/**
 * @typedef {import("./outbox.js").Entry} Entry
 * @typedef {{all: (scope: string) => Promise<Entry[]>, put: (entry: Entry) => Promise<void>, remove: (m: string) => Promise<void>}} Storage
 */

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** @returns {Promise<IDBDatabase>} */
function open() {
  const request = indexedDB.open("deskbell", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("outbox", { keyPath: "m" }).createIndex("scope", "scope");
  return settled(request);
}

/** @returns {Storage} */
export function memoryStorage() {
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  return {
    all: async (scope) => [...entries.values()].filter((entry) => entry.scope === scope),
    put: async (entry) => void entries.set(entry.m, entry),
    remove: async (m) => void entries.delete(m),
  };
}

/** @returns {Promise<Storage>} */
export async function openStorage() {
  try {
    const database = await open();
    /** @param {IDBTransactionMode} mode */
    const store = (mode) => database.transaction("outbox", mode, { durability: "strict" }).objectStore("outbox");
    await settled(store("readonly").count());
    return {
      all: (scope) => settled(store("readonly").index("scope").getAll(scope)),
      put: async (entry) => void (await settled(store("readwrite").put(entry))),
      remove: async (m) => settled(store("readwrite").delete(m)),
    };
  } catch {
    return memoryStorage();
  }
}
