// wasi:keyvalue/store for `jco serve`, which has none: shared by all requests, gone with the process.

const stores = new Map();

class Bucket {
  #entries;
  constructor(entries) {
    this.#entries = entries;
  }
  get(key) {
    return this.#entries.get(key);
  }
  set(key, value) {
    this.#entries.set(key, value.slice());
  }
  delete(key) {
    this.#entries.delete(key);
  }
  exists(key) {
    return this.#entries.has(key);
  }
  listKeys() {
    return { keys: [...this.#entries.keys()], cursor: undefined };
  }
}

function open(identifier) {
  if (!stores.has(identifier)) stores.set(identifier, new Map());
  return new Bucket(stores.get(identifier));
}

export { Bucket, open };
