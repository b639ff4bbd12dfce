// The component as JavaScript sees it: what it is granted, and its hooks as five plain functions.

import { readFileSync } from 'node:fs';
import { http } from '@bytecodealliance/preview2-shim';
import { WASIShim } from '@bytecodealliance/preview2-shim/instantiation';

const SUBSCRIPTIONS = ['none', 'to', 'from', 'both'];
const bytes = (text) => Buffer.byteLength(text);

/** `xmpp:roster/store`: one user's roster, which the plugin borrows during `refresh`. */
export class Snapshot {
  #roster;
  constructor(roster) {
    this.#roster = roster;
  }
  version() {
    return BigInt(this.#roster.version);
  }
  tag() {
    return this.#roster.tag;
  }
  contacts() {
    return this.#roster.contacts;
  }
  /** The layout is described in wit/types.wit. */
  packed() {
    const text = [];
    const layout = [];
    for (const { jid, name, subscription, ask, groups } of this.#roster.contacts) {
      text.push(jid, name ?? '', ...groups);
      layout.push(bytes(jid), name === undefined ? 0 : bytes(name) + 1);
      layout.push(SUBSCRIPTIONS.indexOf(subscription) + (ask ? 4 : 0), groups.length, ...groups.map(bytes));
    }
    return { text: text.join(''), layout: Uint32Array.from(layout) };
  }
}

/** The origin of a URL, or undefined. `%s` may be anywhere in it. */
export function origin(url) {
  const plain = url?.replaceAll('%', '') ?? '';
  return URL.canParse(plain) ? new URL(plain).origin : undefined;
}

/** The host's HTTP client: only to the origins allowed, and not for ever. */
function outgoingHandler(allowed, timeoutMs) {
  return {
    handle(request) {
      const scheme = request.scheme()?.tag === 'HTTP' ? 'http' : 'https';
      if (!allowed.includes(origin(`${scheme}://${request.authority()}`))) throw { tag: 'HTTP-request-denied' };
      const options = new http.types.RequestOptions();
      options.setConnectTimeout(BigInt(timeoutMs) * 1_000_000n);
      return http.outgoingHandler.handle(request, options);
    },
  };
}

/** The shim's own gives a Node error where a body breaks off, which is no error-code, and the plugin would trap. */
function httpErrorCode(error) {
  return error.payload?.tag ? error.payload : { tag: 'HTTP-response-incomplete' };
}

/**
 * Instantiates the component that build.sh has transpiled. Throws what the component's hook `check` has against the
 * settings: `{ payload: { key, reason } }`.
 */
export async function load({ settings, allowed, timeoutMs = 10_000, generated = new URL('generated/', import.meta.url) }) {
  const { instantiate } = await import(new URL('plugin.js', generated));
  // Files, environment and sockets are there, for some languages' libraries link them, and there is nothing behind them.
  const sandbox = { preopens: {}, env: {}, args: [], enableNetwork: false };
  const imports = new WASIShim({ sandbox }).getImportObject();
  imports['wasi:http/outgoing-handler'] = outgoingHandler(allowed, timeoutMs);
  imports['wasi:http/types'] = { ...http.types, httpErrorCode };
  imports['wasi:config/store'] = { get: (key) => settings[key], getAll: () => Object.entries(settings) };
  imports['xmpp:roster/store'] = { Snapshot };
  const core = (name) => new WebAssembly.Module(readFileSync(new URL(name, generated)));
  const { hooks } = instantiate(core, imports);
  hooks.check();
  return hooks;
}
