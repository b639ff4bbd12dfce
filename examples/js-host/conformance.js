// Runs conformance cases (tests/conformance/README.md) against the component that build.sh has transpiled. What the application
// is asked and answers are values. Usage: node conformance.js FOLDER [GENERATED]

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { HookError, apply, exchange, load, together } from './host.js';

const DOMAIN = 'example.com';
const APP = 'http://app.example.org';
const GENERATED = process.argv[3] && pathToFileURL(`${resolve(process.argv[3])}/`);
/** What a host says of no response. */
const FAULTS = { refused: 'unreachable', reset: 'unreachable', truncated: 'unreachable', timeout: 'timed-out', 'too-large': 'too-large' };

/** Answers one step's requests in order, and compares them. */
function application(script) {
  const left = [...script];
  const send = async ({ method, url, headers, body: sent }) => {
    assert.ok(left.length, `a request more than there is: ${url}`);
    const { request = {}, answer } = left.shift();
    assert.equal(method.val ?? method.tag.toUpperCase(), request.method ?? 'GET');
    assert.ok(url.startsWith(APP), url);
    if (request.path !== undefined) assert.equal(url.slice(APP.length), request.path);
    for (const [name, value] of Object.entries(request.headers ?? {})) {
      const sent = headers.find((header) => header.name === name)?.value;
      if (value === '*') assert.notEqual(sent, undefined, `the header ${name}`);
      else assert.equal(sent ?? null, value, `the header ${name}`);
    }
    if (request.json !== undefined) assert.deepEqual(JSON.parse(Buffer.from(sent)), request.json);
    if (answer.fault) throw new HookError({ tag: FAULTS[answer.fault] });
    const given = Object.entries(answer.headers ?? { 'content-type': 'application/json' });
    return { status: answer.status ?? 200, headers: given.map(([name, value]) => ({ name, value })), body: Buffer.from(body(answer)) };
  };
  return { send, left };
}

function body({ body = '', body_base64: base64, body_repeat: repeat }) {
  if (base64 !== undefined) return Buffer.from(base64, 'base64');
  return repeat ? repeated(repeat) : body;
}

const repeated = ({ before = '', text = '', times, after = '' }) => before + text.repeat(times) + after;

const plugins = new Map();

/** The plugin under these settings. */
function plugin(settings) {
  const key = JSON.stringify(settings);
  if (!plugins.has(key)) plugins.set(key, load(settings, GENERATED));
  return plugins.get(key);
}

/** Does between the steps of a case what a host does. False if the plugin has nothing that could be tried. */
async function run(file, { user = 'john', known, settings, steps }) {
  const given = fill({ domain: DOMAIN, ...file.settings, ...settings }, APP);
  if (steps.some(({ hook }) => hook === 'bulk') && !(await plugin(given)).bulk) return false;
  const held = new Map(known && [[user, { version: 1, contacts: known.map(contact) }]]);
  const see = (step, of, result) => {
    expect(step, result, held.get(of));
    if (result.ok?.step) held.set(of, kept(held.get(of), result.ok));
  };
  for (const step of steps) {
    const { send, left } = application(step.http ?? []);
    if (step.hook === 'bulk') await bulk(step, await plugin(given), held, send, see);
    else see(step, user, await settled(call(step, given, user, step.hook === 'refresh' ? held.get(user) : undefined, send)));
    assert.equal(left.length, 0, 'requests that were not made');
  }
  return true;
}

/** One request for all, and then one exchange for each: a fetch, or a refresh if a roster is held. */
async function bulk({ users, expect: expected }, plugin, held, send, see) {
  assert.deepEqual(Object.keys(expected).sort(), [...users].sort());
  assert.ok(plugin.bulk('usersPerRequest') >= users.length);
  const pieces = await together(plugin, users, (user) => held.get(user), send);
  for (const [number, user] of users.entries()) {
    const [known, piece] = [held.get(user), pieces[number]];
    const unchanged = { step: { tag: 'unchanged' }, digest: known?.digest };
    const result = piece === 'unchanged' ? { ok: unchanged } : await settled(exchange(plugin, user, known, send, piece));
    see({ hook: known ? 'refresh' : 'fetch', expect: expected[user] }, user, result);
  }
}

async function call({ hook, body: text, body_base64, body_repeat, outcome }, settings, user, held, send) {
  const loaded = await plugin(settings);
  if (hook === 'check') return undefined;
  if (hook === 'summary') return loaded.call('summary', variant(outcome));
  if (hook === 'changed-users') return loaded.call('changedUsers', Buffer.from(body({ body: text, body_base64, body_repeat })));
  return exchange(loaded, user, held, send);
}

function kept(held, { step, digest }) {
  const { contacts, tag } = apply(held, step);
  return { version: (held?.version ?? 0) + 1, contacts, tag, digest };
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
    if (!(error instanceof HookError)) throw error;
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

function roster({ step: { tag, val } }, expected) {
  assert.equal(tag, 'roster');
  assert.deepEqual(val.contacts.map(contact), expected.roster.map(contact));
  told(val.warnings, expected.warnings);
}

function changes({ step }, expected, held) {
  const index = (contacts) => new Map(contacts.map((known) => [known.jid, contact(known)]));
  const { contacts, warnings = [] } = apply(held, step);
  const wanted = index(held.contacts);
  for (const { put, remove } of expected.changes) put ? wanted.set(put.jid, contact(put)) : wanted.delete(remove);
  assert.deepEqual(index(contacts), wanted);
  told(warnings, expected.warnings);
}

function told(warnings, expected) {
  if (!expected) return;
  assert.equal(warnings.length, expected.length, warnings.join('; '));
  for (const warning of warnings) assert.ok(expected.some((text) => warning.includes(text)), warning);
}

const folder = process.argv[2];
let [passed, failed, left] = [0, 0, 0];
for (const name of readdirSync(folder).filter((name) => name.endsWith('.json')).sort()) {
  const file = JSON.parse(readFileSync(join(folder, name)));
  for (const testCase of file.cases) {
    try {
      if (await run(file, testCase)) passed += 1;
      else left += 1;
    } catch (error) {
      failed += 1;
      console.error(`${name}: ${testCase.name}: ${error.message}`);
    }
  }
}
console.log(`${folder}: ${passed} cases passed, ${failed} failed${left ? `, ${left} not tried: it has no interface xmpp:roster/bulk` : ''}`);
process.exitCode = failed || !passed ? 1 : 0;
