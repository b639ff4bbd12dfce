// A host for xmpp:roster plugins in Node: the refresh route, sessions, cached rosters. For people: see README.md.

import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { WASIShim } from '@bytecodealliance/preview2-shim/instantiation';

const MAX_BODY = 10 * 1024 * 1024;
const MAX_REQUESTS = 16;
const REFRESH = '/roster_admin/refresh';
const SUBSCRIPTIONS = ['none', 'to', 'from', 'both'];
const bytes = (text) => Buffer.byteLength(text);

/** `xmpp:roster/store`: one user's roster, which the plugin borrows while it reads a response. */
class Snapshot {
  constructor(roster) {
    this.roster = roster;
  }
  version() {
    return BigInt(this.roster.version);
  }
  contacts() {
    return this.roster.contacts;
  }
  /** The layout is described in wit/types.wit. */
  packed() {
    const text = [];
    const layout = [];
    for (const { jid, name, subscription, ask, groups } of this.roster.contacts) {
      text.push(jid, name ?? '', ...groups);
      layout.push(bytes(jid), name === undefined ? 0 : bytes(name) + 1);
      layout.push(SUBSCRIPTIONS.indexOf(subscription) + (ask ? 4 : 0), groups.length, ...groups.map(bytes));
    }
    return { text: text.join(''), layout: Uint32Array.from(layout) };
  }
}

/** The error that a hook's result has: a `fetch-error`, `bad-request` or `config-error` of the WIT. */
export class HookError extends Error {
  constructor(payload) {
    const { message, key, reason, tag, val } = payload;
    super(message ?? (key ? `setting ${key} ${reason}` : `${tag}${val === undefined ? '' : `: ${val}`}`));
    this.payload = payload;
  }
}

/** The component that build.sh has transpiled. Throws what its hook `check` has against the settings. */
export async function load(settings, generated = new URL('generated/', import.meta.url)) {
  const { instantiate } = await import(new URL('plugin.js', generated));
  const core = (name) => new WebAssembly.Module(readFileSync(new URL(name, generated)));
  const instance = () => {
    // Files, environment and sockets are there, for some languages' libraries link them, and there is nothing behind them.
    const sandbox = { preopens: {}, env: {}, args: [], enableNetwork: false };
    const imports = new WASIShim({ sandbox }).getImportObject();
    imports['wasi:config/store'] = { get: (key) => settings[key], getAll: () => Object.entries(settings) };
    imports['xmpp:roster/store'] = { Snapshot };
    return instantiate(core, imports);
  };
  let exported = instance();
  /** Calls functions of one interface. An instance that traps is spent. */
  const caller = (of) => (name, ...args) => {
    try {
      return exported[of][name](...args);
    } catch (error) {
      if (error.payload !== undefined) throw new HookError(error.payload);
      exported = instance();
      throw error;
    }
  };
  const call = caller('hooks');
  return { call, bulk: exported.bulk && caller('bulk'), reads: call('check').responseHeaders };
}

/** Of a response's headers, those that the plugin reads. */
const passed = (plugin, headers) => headers.filter(({ name }) => plugin.reads.includes(name));

/**
 * Asks for the rosters of many users in one request. Returns for each the response that one for that user alone would be,
 * 'unchanged', or undefined: that one is asked for alone, as all are when it fails. `held`: the roster that is kept of a user.
 */
export async function together(plugin, users, held, send) {
  const tag = (user) => held(user)?.tag;
  try {
    const { status, headers, body } = await send(plugin.bulk('makeBulkRequest', users.map((user) => ({ user, tag: tag(user) }))));
    const pieces = plugin.bulk('splitResponse', users, { status, headers: passed(plugin, headers), body });
    return pieces.map(({ tag: is, val }, number) => {
      if (is === 'unchanged') return tag(users[number])?.length ? 'unchanged' : undefined;
      if (is === 'missing') return undefined;
      const { offset, length } = val.body.val;
      return { ...val, body: val.body.tag === 'slice' ? body.subarray(offset, offset + length) : val.body.val };
    });
  } catch (error) {
    if (!(error instanceof HookError)) throw error;
    return users.map(() => undefined);
  }
}

const key = randomBytes(32);

/**
 * Asks for a user's roster; `known` is the one that is kept, `send` turns a request into a response. Returns a `step` that is
 * not `next`, and the digest of the response if there was only one: if it is that of `known`, nothing has changed. `given`: the
 * first response, if it has come with those for others.
 */
export async function exchange(plugin, user, known, send, given) {
  let request = given ? undefined : plugin.call('makeRequest', user, known?.tag);
  let state = new Uint8Array();
  for (let sent = 0; sent < MAX_REQUESTS; sent += 1) {
    const { status, headers: all, body } = request ? await send(request) : given;
    const headers = passed(plugin, all);
    const head = JSON.stringify([status, headers.map(({ name, value }) => [name, value])]);
    const digest = sent === 0 ? createHmac('sha256', key).update(head).update(body).digest('hex') : undefined;
    if (digest !== undefined && digest === known?.digest) return { step: { tag: 'unchanged' }, digest };
    const lent = known && new Snapshot(known);
    const step = plugin.call('readResponse', user, known?.tag, lent, { status, headers, body }, state);
    if (step.tag !== 'next') return { step, digest };
    ({ request, state } = step.val);
  }
  throw new Error(`more than ${MAX_REQUESTS} requests`);
}

/** The origin of a URL, or undefined. `%s` may be anywhere in it. */
const origin = (url) => {
  const plain = url?.replaceAll('%', '') ?? '';
  return URL.canParse(plain) ? new URL(plain).origin : undefined;
};

/** The host's HTTP client: only to the origins allowed, not for ever, and so much of a body. */
export const client = (allowed, timeoutMs = 10_000) => async ({ method, url, headers, body }) => {
  const failed = (tag, val) => new HookError({ tag, val });
  if (!allowed.includes(origin(url))) throw failed('unreachable', `${origin(url)} is not allowed`);
  const pieces = [];
  try {
    const response = await fetch(url, {
      method: method.tag === 'other' ? method.val : method.tag.toUpperCase(),
      headers: [...headers.map(({ name, value }) => [name, value]), ['accept-encoding', 'identity']],
      ...(body.length > 0 && { body }),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    let length = 0;
    for await (const piece of response.body ?? []) {
      length += piece.length;
      if (length > MAX_BODY) throw failed('too-large');
      pieces.push(piece);
    }
    const received = [...response.headers].map(([name, value]) => ({ name, value }));
    return { status: response.status, headers: received, body: Buffer.concat(pieces) };
  } catch (error) {
    if (error instanceof HookError) throw error;
    if (error.name === 'TimeoutError') throw failed('timed-out');
    throw failed('unreachable', error.cause?.message ?? error.message);
  }
};

/** What is kept, once a step is applied to it. `changes`: what to tell. */
export function apply(known, { tag, val }) {
  if (tag === 'unchanged') return { ...known, changes: [] };
  const before = new Map((known?.contacts ?? []).map((contact) => [contact.jid, contact]));
  const after = new Map(tag === 'roster' ? val.contacts.map((contact) => [contact.jid, contact]) : before);
  for (const change of tag === 'changed' ? val.changes : []) {
    if (change.tag === 'put') after.set(change.val.jid, change.val);
    else after.delete(change.val);
  }
  const text = (contact) => contact && JSON.stringify({ ...contact, groups: [...contact.groups].sort() }, Object.keys(contact).sort());
  const put = [...after.values()].filter((contact) => text(before.get(contact.jid)) !== text(contact));
  const gone = [...before.keys()].filter((jid) => !after.has(jid));
  const changes = [...put.map((val) => ({ tag: 'put', val })), ...gone.map((val) => ({ tag: 'remove', val }))];
  return { contacts: [...after.values()], tag: val.tag, warnings: val.warnings, changes };
}

const wide = (text) => text.replace(/[\uff01-\uffee\u3000]/g, (c) => c.normalize('NFKC'));
const lower = (text) => Array.from(text, (c) => c.toLowerCase()).join('');
const LETTERS = /^(?:[!-~]|(?!\p{Default_Ignorable_Code_Point})[\p{Ll}\p{Lu}\p{Lo}\p{Lm}\p{Nd}\p{Mn}\p{Mc}])+$/u;
const RESERVED = /["&'/:<>@]/;

/**
 * The user that a name stands for (RFC 8265, UsernameCaseMapped), or undefined. Node has no tables for the characters whose
 * neighbours count, such as a joiner, and for text from right to left: the former are refused, the latter is not looked at.
 */
function username(text) {
  const name = wide(text);
  // What is something else under NFKC is a variant of a character and not one.
  const plain = LETTERS.test(name) && Array.from(name).every((c) => c.normalize('NFKC') === c);
  const user = plain ? lower(name).normalize('NFC') : '';
  return user === '' || RESERVED.test(user) || bytes(user) > 1023 ? undefined : user;
}

/** The use cases. Rosters are kept here and nowhere else; `told(event)` hears of every change. */
class Rosters {
  kept = new Map();
  online = new Set();
  flights = new Map();
  version = 0;

  constructor(plugin, send, told) {
    Object.assign(this, { plugin, send, told });
  }

  async connect(user) {
    this.online.add(user);
    return this.kept.get(user) ?? this.update(user, () => this.kept.get(user) ?? this.ask(user));
  }

  disconnect(user) {
    this.kept.delete(user);
    return this.online.delete(user);
  }

  /** Brings the rosters that are kept up to date. True for each user whose roster is now right. */
  refresh(users) {
    const named = [...new Set(users.map(username))].filter((user) => user);
    return Promise.all(named.map(async (user) => {
      try {
        if (this.kept.has(user)) await this.update(user, () => this.kept.has(user) && this.ask(user));
        return true;
      } catch (error) {
        console.error(`${user}: the roster could not be refreshed: ${error.message}`);
        return false;
      }
    }));
  }

  /** One exchange for a user at a time. Whoever asks during one shares the next, which begins after they asked. */
  update(user, fly) {
    const flight = this.flights.get(user) ?? {};
    this.flights.set(user, flight);
    flight.next ??= Promise.resolve(flight.current).catch(() => {}).then(() => {
      flight.current = flight.next;
      flight.next = undefined;
      return fly();
    }).finally(() => {
      if (!flight.next) this.flights.delete(user);
    });
    return flight.next;
  }

  async ask(user) {
    const known = this.kept.get(user);
    const { step, digest } = await exchange(this.plugin, user, known, this.send);
    const { contacts, tag, warnings = [], changes } = apply(known, step);
    for (const warning of warnings) console.error(`${user}: ${warning}`);
    const version = known && changes.length === 0 ? known.version : ++this.version;
    const roster = { version, contacts, tag, digest };
    if (!this.online.has(user)) return roster; // Has left meanwhile.
    this.kept.set(user, roster);
    if (!known) this.told({ event: 'loaded', user, version, contacts });
    else if (changes.length) this.told({ event: 'changed', user, version, changes });
    return roster;
  }
}

const json = (status, value) => ({ status, body: JSON.stringify(value, plain) });
const error = (status, message) => json(status, { status: 'error', message });
const refused = (status, message) => Object.assign(new Error(message), { status });
const plain = (name, value) => (name === 'digest' ? undefined : value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value);

/** Serves on loopback until closed. `told` hears of every roster event. */
export async function serve({ settings, port = 0, told = () => {} }) {
  const plugin = await load(settings);
  const rosters = new Rosters(plugin, client([origin(settings.http_roster_url)]), told);
  const server = createServer({ requestTimeout: 30_000 }, async (request, response) => {
    const answered = answer(plugin, rosters, request).catch((reason) => {
      if (!reason.status) console.error(reason);
      return reason.status ? { ...error(reason.status, reason.message), allow: reason.allow } : error(500, 'the plugin failed');
    });
    const { status, body, type = 'application/json', allow } = await answered;
    response.writeHead(status, { 'content-type': type, ...(allow && { allow }) }).end(body);
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const close = () => new Promise((resolve) => (server.close(resolve), server.closeIdleConnections()));
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

async function answer(plugin, rosters, request) {
  const notAllowed = (allow) => Object.assign(refused(405, `expected ${allow}`), { allow });
  const summary = (outcome) => {
    const { status, contentType, body } = plugin.call('summary', outcome);
    return { status, type: contentType, body };
  };
  const path = new URL(request.url, 'http://host').pathname;
  if (path === REFRESH) {
    if (request.method !== 'POST') throw notAllowed('POST');
    let users;
    try {
      users = plugin.call('changedUsers', await readAll(request));
    } catch (reason) {
      if (!(reason instanceof HookError)) throw reason;
      return summary({ tag: 'refused', val: reason.payload });
    }
    const updated = await rosters.refresh(users);
    const failed = updated.filter((right) => !right).length;
    const invalid = users.includes('') ? 1 : 0;
    return summary({ tag: 'batch', val: { updated: updated.length - failed, errors: failed + invalid, invalid } });
  }
  const [, route, encoded] = path.match(/^(\/roster_admin\/refresh|\/sessions|\/rosters)\/([^/]+)$/) ?? [];
  if (!route) throw refused(404, 'there is nothing here');
  const user = username(decode(encoded));
  if (user === undefined) throw refused(400, 'this is no username');
  switch (`${request.method} ${route}`) {
    case `GET ${REFRESH}`:
      return summary({ tag: 'single', val: (await rosters.refresh([user]))[0] });
    case 'PUT /sessions':
      return rosters.connect(user).then((roster) => json(200, { user, ...roster }), (reason) => error(502, reason.message));
    case 'DELETE /sessions':
      return rosters.disconnect(user) ? { status: 204 } : error(404, `${user} is not connected`);
    case 'GET /rosters':
      return rosters.kept.has(user) ? json(200, { user, ...rosters.kept.get(user) }) : error(404, `no roster of ${user}`);
    default:
      throw notAllowed(route === '/sessions' ? 'PUT, DELETE' : 'GET');
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused(400, 'the username is not percent-encoded UTF-8');
  }
}

async function readAll(request) {
  const pieces = [];
  let length = 0;
  for await (const piece of request) {
    length += piece.length;
    if (length > MAX_BODY) throw refused(413, `the body is longer than ${MAX_BODY} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

if (import.meta.filename === process.argv[1]) {
  const text = { type: 'string' };
  const options = { url: text, domain: { ...text, default: 'localhost' }, port: { ...text, default: '5280' } };
  const { url, domain, port } = parseArgs({ options }).values;
  const settings = { domain, ...(url && { http_roster_url: url }) };
  const server = await serve({ settings, port: Number(port), told: (event) => console.log(JSON.stringify(event, plain)) });
  console.log(`serving ${domain} on ${server.url}${REFRESH}`);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close());
}
