// The hooks of the world roster-plugin (wit/hooks.wit), for roster.js. What a hook throws is the error of its result.

import { get } from 'wasi:config/store@0.2.0-rc.1';
import { configure, contacts, request } from './roster.js';
import { etag, summary, usernames } from './support.js';

const bytes = (text) => new TextEncoder().encode(text);
const text = (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes);

/** What `make` returns; a setting that is wrong is the error of a hook that has such an error. */
function configured(make) {
  try {
    return make(configure(get));
  } catch (error) {
    throw error.key ? { tag: 'misconfigured', val: `${error.key} ${error.reason}` } : error;
  }
}

export const hooks = {
  check() {
    configure(get);
    return { responseHeaders: ['etag'] };
  },

  /** The tag is the ETag of the answer that the roster was read from. */
  makeRequest(user, tag) {
    const { url, headers } = configured((settings) => request(settings, user));
    const all = tag ? { ...headers, 'if-none-match': text(tag) } : headers;
    const list = Object.entries(all).map(([name, value]) => ({ name, value }));
    return { method: { tag: 'get' }, url, headers: list, body: new Uint8Array() };
  },

  /** The whole roster: the host works out what has changed. */
  readResponse(_user, tag, _known, { status, headers, body }) {
    if (status === 304 && tag) return { tag: 'unchanged' };
    if (status !== 200) throw { tag: 'status', val: status };
    const validator = etag(headers);
    try {
      const roster = { contacts: contacts(JSON.parse(text(body))), tag: validator && bytes(validator), warnings: [] };
      return { tag: 'roster', val: roster };
    } catch (error) {
      throw { tag: 'malformed', val: `the body: ${error.message}` };
    }
  },

  changedUsers(body) {
    try {
      return usernames(text(body));
    } catch (error) {
      throw { message: error.message };
    }
  },

  summary(outcome) {
    const { status, json } = summary(outcome);
    return { status, contentType: 'application/json', body: bytes(JSON.stringify(json)) };
  },
};
