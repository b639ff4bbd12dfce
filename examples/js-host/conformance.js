// Runs conformance cases (tests/conformance/README.md) against the component that build.sh has transpiled, over real
// sockets. Usage: node conformance.js FOLDER [GENERATED]

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { load, origin } from './plugin.js';
import { HookError, Workers } from './workers.js';

const DOMAIN = 'example.com';
const GENERATED = process.argv[3] && pathToFileURL(`${resolve(process.argv[3])}/`).href;
const TIMEOUT_MS = 500; // For what never answers.
/** Faults that have to be left out: no host of ours limits the answer, for the plugin does. */
const LEFT_OUT = ['too-large'];

/** The application: answers one step's requests in order, and notes what it was asked. */
class Application {
  #server = createServer((request, response) => this.#answer(request, response));
  #script = [];
  asked = [];

  async listen() {
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  play(script) {
    this.#script = [...script];
    this.asked = [];
  }

  #answer(request, response) {
    this.asked.push({ method: request.method, path: request.url, headers: request.headers });
    const { answer } = this.#script.shift() ?? { answer: { status: 500 } };
    if (answer.fault === 'timeout') return;
    if (answer.fault === 'reset') return request.socket.destroy();
    const headers = { 'content-type': 'application/json', ...answer.headers };
    if (answer.fault === 'truncated') {
      response.writeHead(200, { ...headers, 'content-length': 1000 });
      return response.write('{"a@b": {', () => request.socket.destroy());
    }
    response.writeHead(answer.status ?? 200, headers).end(body(answer));
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function body({ body = '', body_base64: base64, body_repeat: repeat }) {
  if (base64 !== undefined) return Buffer.from(base64, 'base64');
  return repeat ? repeated(repeat) : body;
}

const repeated = ({ before = '', text = '', times, after = '' }) => before + text.repeat(times) + after;

/** Does between the steps of a case what a host does. */
class Runner {
  #app = new Application();
  #workers = new Map();
  #origin;
  #nobody;

  async start() {
    this.#origin = await this.#app.listen();
    const closed = new Application();
    this.#nobody = await closed.listen();
    closed.close();
  }

  async close() {
    this.#app.close();
    for (const workers of this.#workers.values()) await (await workers).close();
  }

  async run(file, { user = 'john', known, settings, steps }) {
    const held = { version: 1, contacts: (known ?? []).map(contact) };
    for (const step of steps) {
      const script = step.http ?? [];
      const app = script.some(({ answer }) => answer.fault === 'refused') ? this.#nobody : this.#origin;
      const given = fill({ domain: DOMAIN, ...file.settings, ...settings }, app);
      this.#app.play(script);
      expect(step, await this.#call(step, given, user, held), held);
      if (app === this.#origin) this.#compareRequests(script);
    }
  }

  async #call({ hook, body: text, body_base64, body_repeat, outcome }, settings, user, held) {
    if (hook === 'check') return settled(load({ settings, allowed: [], generated: GENERATED }));
    const plugin = await this.#plugin(settings);
    if (hook === 'fetch') return settled(plugin.call('fetch', user));
    if (hook === 'refresh') return settled(plugin.call('refresh', user, held));
    if (hook === 'summary') return settled(plugin.call('summary', variant(outcome)));
    return settled(plugin.call('changedUsers', Buffer.from(body({ body: text, body_base64, body_repeat }))));
  }

  #plugin(settings) {
    const key = JSON.stringify(settings);
    const options = { settings, allowed: [origin(settings.http_roster_url)], timeoutMs: TIMEOUT_MS, generated: GENERATED };
    if (!this.#workers.has(key)) this.#workers.set(key, Workers.start(1, options));
    return this.#workers.get(key);
  }

  #compareRequests(script) {
    const { asked } = this.#app;
    assert.equal(asked.length, script.length, 'the number of requests');
    script.forEach(({ request = {} }, at) => {
      assert.equal(asked[at].method, request.method ?? 'GET');
      if (request.path !== undefined) assert.equal(asked[at].path, request.path);
      for (const [name, value] of Object.entries(request.headers ?? {})) {
        const sent = asked[at].headers[name];
        if (value === '*') assert.notEqual(sent, undefined, `the header ${name}`);
        else assert.equal(sent ?? null, value, `the header ${name}`);
      }
    });
  }
}

/** `{app}` is where the application is; `null` takes a setting away. */
function fill(settings, app) {
  const entries = Object.entries(settings).filter(([, value]) => value !== null);
  return Object.fromEntries(entries.map(([key, value]) => [key, value.replaceAll('{app}', app)]));
}

function variant({ single, refused, ...counts }) {
  if (single !== undefined) return { tag: 'single', val: single };
  if (refused !== undefined) return { tag: 'refused', val: { message: refused } };
  return { tag: 'batch', val: counts };
}

async function settled(promise) {
  try {
    return { ok: await promise };
  } catch (error) {
    if (!(error instanceof HookError) && error.payload === undefined) throw error;
    return { err: error.payload };
  }
}

/** What a contact is where the case does not say. Groups are a set. */
function contact({ jid, name, subscription = 'both', ask = false, groups = [] }) {
  return { jid, name: name ?? undefined, subscription, ask, groups: [...groups].sort() };
}

function expect({ hook, expect: expected }, { ok, err }, held) {
  const [kind] = Object.keys(expected);
  if (kind === 'error') {
    assert.equal(err?.tag, expected.error);
    if (expected.status !== undefined) assert.equal(err.val, expected.status);
  } else if (kind === 'setting') assert.equal(err?.key, expected.setting);
  else if (kind === 'bad_request') {
    for (const text of expected.bad_request) assert.ok(err?.message.toLowerCase().includes(text.toLowerCase()), err?.message);
  } else {
    assert.equal(err, undefined);
    ({ check: () => {}, 'changed-users': users, summary, fetch: roster, refresh: changes })[hook](ok, expected, held);
  }
}

function users(found, { users, count }) {
  if (users) assert.deepEqual(found, users);
  else assert.equal(found.length, count);
}

function summary({ status, contentType, body }, { status: wanted, content_type, json }) {
  assert.deepEqual([status, contentType], [wanted ?? status, content_type ?? contentType]);
  const found = JSON.parse(Buffer.from(body));
  const wild = Object.entries(json).filter(([key, value]) => value === '*' && typeof found[key] === 'string');
  assert.deepEqual(found, { ...json, ...Object.fromEntries(wild.map(([key]) => [key, found[key]])) });
}

function roster({ contacts, tag, warnings }, expected, held) {
  assert.deepEqual(contacts.map(contact), expected.roster.map(contact));
  told(warnings, expected.warnings);
  Object.assign(held, { version: held.version + 1, contacts, tag });
}

function changes({ tag, val }, expected, held) {
  const delta = tag === 'unchanged' ? { changes: [], tag: held.tag, warnings: [] } : val;
  const before = new Map(held.contacts.map((known) => [known.jid, contact(known)]));
  const after = new Map(before);
  for (const { tag, val } of delta.changes) tag === 'put' ? after.set(val.jid, contact(val)) : after.delete(val);
  const wanted = new Map(before);
  for (const { put, remove } of expected.changes) put ? wanted.set(put.jid, contact(put)) : wanted.delete(remove);
  assert.deepEqual(after, wanted);
  told(delta.warnings, expected.warnings);
  Object.assign(held, { version: held.version + 1, contacts: [...after.values()], tag: delta.tag });
}

function told(warnings, expected) {
  if (!expected) return;
  assert.equal(warnings.length, expected.length, warnings.join('; '));
  for (const warning of warnings) assert.ok(expected.some((text) => warning.includes(text)), warning);
}

const runner = new Runner();
await runner.start();
const folder = process.argv[2];
let [passed, failed, leftOut] = [0, 0, 0];
for (const name of readdirSync(folder).filter((name) => name.endsWith('.json')).sort()) {
  const file = JSON.parse(readFileSync(join(folder, name)));
  for (const testCase of file.cases) {
    const faults = testCase.steps.flatMap(({ http = [] }) => http.map(({ answer }) => answer.fault));
    if (faults.some((fault) => LEFT_OUT.includes(fault))) {
      leftOut += 1;
      continue;
    }
    try {
      await runner.run(file, testCase);
      passed += 1;
    } catch (error) {
      failed += 1;
      console.error(`${name}: ${testCase.name}: ${error.message}`);
    }
  }
}
await runner.close();
console.log(`${folder}: ${passed} cases passed, ${failed} failed, ${leftOut} left out (${LEFT_OUT})`);
process.exitCode = failed || !passed ? 1 : 0;
