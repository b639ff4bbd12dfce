// Drives a running server with the HTTP cases that need no sessions, and plays the application for it. Node 20, no packages.
// Usage: node test.js SERVER APPLICATION-PORT [--not-shared]

import assert from 'node:assert/strict';
import { createServer } from 'node:http';

const [server, port, expectation] = process.argv.slice(2);
const COMPLETE = 'roster update complete';
const answers = new Map();
const asked = [];

const app = createServer((request, response) => {
  asked.push({ path: request.url, condition: request.headers['if-none-match'] });
  const { status = 200, etag, body } = answers.get(request.url) ?? { status: 404 };
  if (etag && request.headers['if-none-match'] === etag) return response.writeHead(304).end();
  response.writeHead(status, etag ? { etag } : {}).end(body);
});
await new Promise((resolve, reject) => app.once('error', reject).listen(Number(port), '127.0.0.1', resolve));

async function call(method, path, body) {
  const response = await fetch(server + path, { method, body, signal: AbortSignal.timeout(30_000) });
  const text = await response.text();
  return { status: response.status, allow: response.headers.get('allow'), json: text && JSON.parse(text) };
}

/** Waits for the server to listen. */
async function up() {
  for (let tries = 0; ; tries++) {
    try {
      return await call('GET', '/');
    } catch (error) {
      if (tries === 300) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

const cases = {
  async 'a roster is fetched once, kept, and refreshed'() {
    answers.set('/contacts/john', { body: '{"Marie@Example.com": {"name": "Marie", "groups": ["Friends"]}}' });
    const first = await call('GET', '/rosters/john');
    assert.equal(first.status, 200, JSON.stringify(first.json));
    const marie = { jid: 'marie@example.com', name: 'Marie', subscription: 'both', groups: ['Friends'] };
    assert.deepEqual(first.json, { domain: 'example.com', user: 'john', version: 1, contacts: [marie] });
    answers.set('/contacts/john', { body: '{"aaron@example.com": {}}' });
    assert.deepEqual((await call('GET', '/rosters/John')).json, first.json);
    assert.equal(asked.length, 1);
    const refreshed = await call('POST', '/roster_admin/refresh', '["john", "john", "nobody"]');
    assert.deepEqual(refreshed.json, { status: 'ok', message: COMPLETE, updated: 2, errors: 0 });
    const { version, contacts } = (await call('GET', '/rosters/john')).json;
    assert.deepEqual([version, contacts.map(({ jid }) => jid)], [2, ['aaron@example.com']]);
    assert.equal(asked.length, 2);
  },
  async 'an ETag is sent back, and 304 changes nothing'() {
    answers.set('/contacts/a%23b', { body: '{"a@b": {}}', etag: '"1"' });
    await call('GET', '/rosters/a%23b');
    const single = await call('GET', '/roster_admin/refresh/a%23b');
    assert.deepEqual([single.status, single.json], [200, { status: 'ok', message: COMPLETE }]);
    assert.deepEqual(asked.at(-1), { path: '/contacts/a%23b', condition: '"1"' });
    assert.equal((await call('GET', '/rosters/a%23b')).json.version, 1);
  },
  async 'an application that fails costs one error and leaves the roster'() {
    for (const user of ['ann', 'ben']) {
      answers.set(`/contacts/${user}`, { body: '{"a@b": {}}' });
      await call('GET', `/rosters/${user}`);
    }
    for (const fault of [{ status: 500 }, { body: '<html>' }, { body: 'null' }]) {
      answers.set('/contacts/ann', fault);
      const answer = await call('POST', '/roster_admin/refresh', '["ann", "ben"]');
      assert.deepEqual(answer.json, { status: 'ok', message: COMPLETE, updated: 1, errors: 1 });
      assert.equal((await call('GET', '/rosters/ann')).json.contacts.length, 1);
    }
    const failed = await call('POST', '/roster_admin/refresh', '["ann"]');
    assert.deepEqual([failed.status, failed.json.status], [500, 'error']);
    assert.equal((await call('GET', '/rosters/nobody')).status, 502);
  },
  async 'requests that make no sense are refused with a reason'() {
    for (const [method, path, body, status, said] of [
      ['POST', '/roster_admin/refresh', '{}', 400, /found an object/],
      ['POST', '/roster_admin/refresh', '["john", 7]', 400, /element 1 is a number/],
      ['POST', '/roster_admin/refresh', '', 400, /empty/],
      ['PUT', '/roster_admin/refresh', undefined, 405, /expected POST/],
      ['DELETE', '/roster_admin/refresh/john', undefined, 405, /expected GET/],
      ['GET', '/rosters/%FF', undefined, 400, /percent-encoded/],
      ['GET', '/rosters/a%20b', undefined, 400, /no username/],
      ['GET', '/elsewhere', undefined, 404, /nothing here/],
    ]) {
      const answer = await call(method, path, body);
      assert.equal(answer.status, status, `${method} ${path} ${answer.json.message}`);
      assert.match(answer.json.message, said);
      if (status === 405) assert.ok(answer.allow);
    }
    const nobody = await call('POST', '/roster_admin/refresh', '[]');
    assert.deepEqual(nobody.json, { status: 'ok', message: COMPLETE, updated: 0, errors: 0 });
  },
};
const notShared = {
  async 'a store that forgets is told at the first request'() {
    for (const [method, path, body] of [['GET', '/rosters/john'], ['POST', '/roster_admin/refresh', '["john"]']]) {
      const answer = await call(method, path, body);
      assert.equal(answer.status, 503);
      assert.match(answer.json.message, /wasi:keyvalue is not shared/);
    }
    assert.equal(asked.length, 0);
  },
};

await up();
for (const [name, run] of Object.entries(expectation === '--not-shared' ? notShared : cases)) {
  answers.clear();
  asked.length = 0;
  await run();
  console.log(`${server}: ${name}`);
}
app.closeAllConnections();
app.close();
