// The host and the plugin against a web application that does as it is told. Run: npm test (after build.sh).

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { serve } from './host.js';

const COMPLETE = 'roster update complete';
let app;
let host;
const events = [];
/** What the application answers for a user: a status, headers and a body, or 'reset' or 'hang'. */
const answers = new Map();
const asked = [];

before(async () => {
  app = createServer((request, response) => {
    asked.push({ path: request.url, accept: request.headers.accept, condition: request.headers['if-none-match'] });
    const answer = answers.get(request.url) ?? { status: 404, body: 'no such user' };
    if (answer === 'hang') return;
    if (answer === 'reset') return request.socket.destroy();
    if (answer.etag && request.headers['if-none-match'] === answer.etag) return response.writeHead(304).end();
    response.writeHead(answer.status ?? 200, answer.etag ? { etag: answer.etag } : {}).end(answer.body);
  });
  await new Promise((resolve) => app.listen(0, '127.0.0.1', resolve));
  const settings = { domain: 'example.com', http_roster_url: `http://127.0.0.1:${app.address().port}/contacts/%s` };
  host = await serve({ settings, told: (event) => events.push(event) });
});

after(async () => {
  app.closeAllConnections();
  app.close();
  await host.close();
});

beforeEach(() => {
  answers.clear();
  events.length = 0;
  asked.length = 0;
});

const call = async (method, path, body) => {
  const response = await fetch(host.url + path, { method, body, signal: AbortSignal.timeout(30_000) });
  const text = await response.text();
  return { status: response.status, allow: response.headers.get('allow'), json: text && JSON.parse(text) };
};
const refresh = (users) => call('POST', '/roster_admin/refresh', JSON.stringify(users));
const contact = (jid, more) => ({ jid, subscription: 'both', ask: false, groups: [], ...more });

test('a user who connects has a roster, and a refresh brings it up to date', async () => {
  answers.set('/contacts/john', { body: '{"marie@example.com": {"name": "Marie", "groups": ["Friends"]}, "Ada@Example.com": {}}' });
  const { status, json } = await call('PUT', '/sessions/john');
  assert.equal(status, 200);
  assert.deepEqual(json.contacts, [contact('marie@example.com', { name: 'Marie', groups: ['Friends'] }), contact('ada@example.com')]);

  answers.set('/contacts/john', { body: '{"marie@example.com": {"name": "Mary"}, "aaron@example.com": {}}' });
  const answer = await refresh(['john', 'John', 'nobody']);
  assert.deepEqual(answer.json, { status: 'ok', message: COMPLETE, updated: 2, errors: 0 });
  const { changes, version } = events.at(-1);
  assert.deepEqual(changes.map(({ tag, val }) => [tag, val.jid ?? val]).sort(), [
    ['put', 'aaron@example.com'], ['put', 'marie@example.com'], ['remove', 'ada@example.com'],
  ]);
  assert.equal((await call('GET', '/rosters/john')).json.version, version);
  assert.deepEqual(asked.map(({ path }) => path), ['/contacts/john', '/contacts/john']);
  assert.equal((await call('DELETE', '/sessions/john')).status, 204);
  assert.equal((await call('GET', '/rosters/john')).status, 404);
});

test('an ETag is sent back, and 304 changes nothing', async () => {
  answers.set('/contacts/eve', { body: '{"a@b": {}}', etag: '"1"' });
  await call('PUT', '/sessions/eve');
  assert.deepEqual((await call('GET', '/roster_admin/refresh/eve')).json, { status: 'ok', message: COMPLETE });
  assert.equal(asked.at(-1).condition, '"1"');
  assert.deepEqual(events.map(({ event }) => event), ['loaded']);
});

test('every spelling of a name is one user, and what is no name is refused', async () => {
  answers.set('/contacts/stra%C3%9Fe', { body: '{}' });
  for (const spelling of ['straße', 'STRAẞE', 'Ｓtraße']) {
    assert.equal((await call('PUT', `/sessions/${encodeURIComponent(spelling)}`)).json.user, 'straße');
  }
  assert.deepEqual(asked.map(({ path }) => path), ['/contacts/stra%C3%9Fe']);
  for (const none of ['a b', 'a\u00adb', 'a\u200db', '☃', 'john@x']) {
    assert.equal((await call('PUT', `/sessions/${encodeURIComponent(none)}`)).status, 400, none);
  }
});

test('a username is percent-encoded', async () => {
  answers.set('/contacts/a%23b', { body: '{"a@b": {}}' });
  assert.equal((await call('PUT', '/sessions/a%23b')).status, 200);
});

test('an application that fails costs one error and leaves the roster', async () => {
  for (const user of ['ann', 'ben']) answers.set(`/contacts/${user}`, { body: '{"a@b": {}}' });
  await Promise.all(['ann', 'ben'].map((user) => call('PUT', `/sessions/${user}`)));
  for (const fault of [{ status: 500 }, { body: '<html>' }, 'reset', 'hang']) {
    answers.set('/contacts/ann', fault);
    const name = JSON.stringify(fault);
    assert.deepEqual((await refresh(['ann', 'ben'])).json, { status: 'ok', message: COMPLETE, updated: 1, errors: 1 }, name);
    assert.equal((await call('GET', '/rosters/ann')).json.contacts.length, 1, name);
  }
  answers.set('/contacts/ann', { status: 500 });
  const failed = await refresh(['ann']);
  assert.deepEqual([failed.status, failed.json.status], [500, 'error']);
  assert.equal((await call('GET', '/roster_admin/refresh/ann')).status, 500);
});

test('refreshes of one user at the same time share requests', async () => {
  answers.set('/contacts/joe', { body: '{"a@b": {}}' });
  await call('PUT', '/sessions/joe');
  await Promise.all(Array.from({ length: 20 }, () => refresh(['joe'])));
  assert.ok(asked.length >= 2 && asked.length < 21, `${asked.length} requests`);
});

test('requests that make no sense are refused with a reason', async () => {
  for (const [method, path, body, status, said] of [
    ['POST', '/roster_admin/refresh', '{}', 400, /found an object/],
    ['POST', '/roster_admin/refresh', '["john", 7]', 400, /element 1 is a number/],
    ['POST', '/roster_admin/refresh', '', 400, /empty/],
    ['POST', '/roster_admin/refresh', 'x'.repeat(10 * 1024 * 1024 + 1), 413, /longer than/],
    ['PUT', '/roster_admin/refresh', undefined, 405, /expected POST/],
    ['DELETE', '/roster_admin/refresh/john', undefined, 405, /expected GET/],
    ['PUT', '/sessions/%FF', undefined, 400, /percent-encoded/],
    ['PUT', '/sessions/nobody', undefined, 502, /status: 404/],
    ['GET', '/elsewhere', undefined, 404, /nothing here/],
  ]) {
    const answer = await call(method, path, body);
    assert.equal(answer.status, status, `${method} ${path} ${answer.json.message}`);
    assert.match(answer.json.message, said);
    assert.equal(answer.json.status, 'error');
  }
});

test('settings that cannot work are told at start', async () => {
  const settings = { domain: 'example.com' };
  await assert.rejects(serve({ settings }), /setting http_roster_url/);
});
