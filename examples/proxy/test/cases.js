// The HTTP cases of roster-host that need no sessions: name, and what is done with a server and its application.

import assert from 'node:assert/strict';

export const SETTINGS = {
  domain: 'example.com',
  token: 's3cret',
  max_body: '64KiB',
  max_users_per_request: '1000',
  max_response: '256KiB',
  total_timeout: '1s',
  request_timeout: '30s',
  bulk_users: '50',
};
const COMPLETE = 'roster update complete';
const ROUTE = '/roster_admin/refresh';

/** A refusal in the shape of the refresh route. */
function refuses(answer, status, said, about) {
  assert.equal(answer.status, status, `${about} ${answer.text}`);
  const { status: word, message, updated, errors } = answer.json;
  assert.deepEqual([word, updated, errors], ['error', 0, 0], `${about} ${answer.text}`);
  assert.match(message, said, about);
}

export const cases = {
  async 'a roster is fetched once, kept, and refreshed'({ server, app }) {
    app.answers.set('/contacts/john', { body: '{"Marie@Example.com": {"name": "Marie", "groups": ["Friends"]}}' });
    const first = await server.roster('john');
    assert.equal(first.status, 200, first.text);
    const marie = { jid: 'marie@example.com', name: 'Marie', subscription: 'both', groups: ['Friends'] };
    assert.deepEqual(first.json, { domain: 'example.com', user: 'john', version: 1, tag: null, contacts: [marie] });
    app.answers.set('/contacts/john', { body: '{"aaron@example.com": {"subscription": "none", "ask": "subscribe"}}' });
    assert.deepEqual((await server.roster('John')).json, first.json);
    assert.equal(app.asked.length, 1);
    assert.deepEqual((await server.refresh('john', 'john', 'nobody')).json, { status: 'ok', message: COMPLETE, updated: 2, errors: 0 });
    const { version, contacts } = (await server.roster('john')).json;
    assert.deepEqual([version, contacts], [2, [{ jid: 'aaron@example.com', subscription: 'none', ask: true, groups: [] }]]);
    assert.equal(app.asked.length, 2);
    assert.deepEqual((await server.call('GET', '/contacts/john')).json, { 'aaron@example.com': { subscription: 'none', ask: 'subscribe', groups: [] } });
  },
  async 'an ETag is sent back to the application, and 304 changes nothing'({ server, app }) {
    app.answers.set('/contacts/a%23b', { body: '{"a@b": {}}', etag: '"1"' });
    await server.roster('a%23b');
    const single = await server.call('GET', `${ROUTE}/a%23b`);
    assert.deepEqual([single.status, single.json], [200, { status: 'ok', message: COMPLETE }]);
    assert.deepEqual(app.asked.at(-1), { method: 'GET', path: '/contacts/a%23b', condition: '"1"', sent: '' });
    assert.equal((await server.roster('a%23b')).json.version, 1);
  },
  async 'a client that has a roster already is not sent it again'({ server, app }) {
    app.answers.set('/contacts/eve', { body: '{"a@b": {}}' });
    for (const path of ['/rosters/eve', '/contacts/eve']) {
      const { etag } = (await server.call('GET', path)).headers;
      assert.match(etag, /^"[0-9a-f]{16}-\d+"$/);
      for (const [condition, status] of [[etag, 304], [`"x", W/${etag}`, 304], ['*', 304], ['"x"', 200], [undefined, 200]]) {
        const answer = await server.call('GET', path, undefined, condition && { 'if-none-match': condition });
        assert.deepEqual([answer.status, answer.headers.etag, answer.text === ''], [status, etag, status === 304], condition);
      }
      app.answers.set('/contacts/eve', { body: JSON.stringify({ [`${path.slice(1, 3)}@c`]: {} }) });
      await server.refresh('eve');
      const changed = await server.call('GET', path, undefined, { 'if-none-match': etag });
      assert.equal(changed.status, 200, `${path} has changed`);
    }
    const head = await server.call('HEAD', '/rosters/eve');
    assert.deepEqual([head.status, head.text], [200, '']);
  },
  async 'an application that fails costs one error and leaves the roster'({ server, app }) {
    const roster = (contacts) => JSON.stringify(Object.fromEntries([...Array(contacts).keys()].map((id) => [`c${id}@example.com`, {}])));
    // One that arrives in several pieces, and would be late if it were only read when another has failed.
    for (const [user, contacts] of [['ann', 1], ['ben', 5000]]) {
      app.answers.set(`/contacts/${user}`, { body: roster(contacts) });
      await server.roster(user);
    }
    const long = roster(20_000);
    const faults = [{ status: 500 }, { status: 302 }, { body: '<html>' }, { body: 'null' }, { body: long }, { hang: true }, { body: '{"c', cut: true }];
    for (const fault of faults) {
      app.answers.set('/contacts/ann', fault);
      const answer = await server.refresh('ann', 'ben');
      assert.deepEqual(answer.json, { status: 'ok', message: COMPLETE, updated: 1, errors: 1 }, JSON.stringify(fault).slice(0, 80));
      assert.equal((await server.roster('ann')).json.contacts.length, 1);
    }
    const failed = await server.refresh('ann');
    assert.deepEqual([failed.status, failed.json.status], [500, 'error']);
    assert.equal((await server.call('GET', `${ROUTE}/ann`)).status, 500);
  },
  async 'a first fetch that fails is told, and leaves nothing'({ server, app }) {
    for (const [fault, said, contacts] of [
      [undefined, /status 404/, 404],
      [{ status: 500 }, /status 500/, 502],
      [{ body: '[1]' }, /malformed/, 502],
      [{ hang: true }, /in time/, 502],
    ]) {
      app.answers.set('/contacts/nils', fault);
      const answer = await server.roster('nils');
      assert.equal(answer.status, 502, answer.text);
      assert.match(answer.json.message, said);
      assert.deepEqual(Object.keys(answer.json), ['status', 'message']);
      assert.equal((await server.call('GET', '/contacts/nils')).status, contacts);
      const before = app.count('nils');
      assert.equal((await server.refresh('nils')).json.updated, 1);
      assert.equal(app.count('nils'), before, 'nothing is kept that could be refreshed');
    }
    app.answers.set('/contacts/nils', { body: '[]' });
    assert.deepEqual((await server.roster('nils')).json.contacts, []);
  },
  async 'many users are asked for in one request, if the application can be'({ server, app }) {
    const users = [...Array(80).keys()].map((id) => `bulk${id}`);
    for (const user of users) app.answers.set(`/contacts/${user}`, { body: '{"a@b": {}}', etag: '"1"' });
    await Promise.all(users.map((user) => server.roster(user)));
    app.asked.length = 0;
    app.bulk = (sent) =>
      Object.fromEntries(Object.entries(sent).map(([user, held]) => {
        assert.equal(held, '"1"');
        if (user === 'bulk0') return [user, null];
        if (user === 'bulk1') return [user, 500];
        if (user === 'bulk2') return [user, [1, 2, 3]];
        return [user, ['"2"', { 'c@d': {} }]];
      }));
    const { json } = await server.refresh(...users);
    assert.deepEqual(json, { status: 'ok', message: COMPLETE, updated: 79, errors: 1 });
    const asked = app.asked.map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual(asked.sort(), ['GET /contacts/bulk2', 'POST /contacts', 'POST /contacts'], 'bulk_users is 50, and one part is none');
    const of = async (user) => (await server.roster(user)).json.contacts[0].jid;
    assert.deepEqual([await of('bulk0'), await of('bulk1'), await of('bulk2'), await of('bulk3')], ['a@b', 'a@b', 'a@b', 'c@d']);
    app.bulk = () => 'no';
    assert.equal((await server.refresh('bulk4', 'bulk5')).json.updated, 2, 'an answer that makes no sense: each is asked alone');
    assert.deepEqual([app.count('bulk4'), app.count('bulk5')], [1, 1]);
  },
  async 'an application can be asked for what is kept of many'({ server, app }) {
    for (const user of ['kim', 'lea']) app.answers.set(`/contacts/${user}`, { body: '{"a@b": {"name": "A"}}' });
    const { etag } = (await server.roster('kim')).headers;
    await server.roster('lea');
    app.asked.length = 0;
    const roster = { 'a@b': { name: 'A', subscription: 'both', groups: [] } };
    const ask = (wanted) => server.call('POST', '/contacts', JSON.stringify(wanted));
    const { status, json } = await ask({ kim: etag, lea: '"x"', max: null, nobody: '"x"' });
    assert.deepEqual([status, json.kim, json.lea[1], json.max, json.nobody], [200, null, roster, undefined, 404]);
    assert.deepEqual((await ask({ kim: null })).json, { kim: [etag, roster] });
    assert.deepEqual([app.count('kim'), app.count('lea'), app.count('max'), app.count('nobody')], [0, 0, 0, 1]);
    assert.equal((await ask(['kim'])).status, 400);
    assert.equal((await ask(Object.fromEntries([...Array(51).keys()].map((id) => [`u${id}`, null])))).status, 413);
  },
  async 'content type and query do not matter, nor how a body comes'({ server }) {
    for (const [path, headers] of [
      [ROUTE, { 'content-type': 'application/json' }],
      [ROUTE, { 'content-type': 'nonsense' }],
      [`${ROUTE}?x=%FF&john`, {}],
      [ROUTE, { 'transfer-encoding': 'chunked' }],
    ]) {
      const answer = await server.call('POST', path, '["x"]', headers);
      assert.deepEqual([answer.status, answer.json.updated], [200, 1], path);
    }
  },
  async 'the user in the path is percent-decoded once'({ server, app }) {
    for (const [path, asked] of [['a%23c', 'a%23c'], ['a%2523b', 'a%2523b'], ['%C3%BC', '%C3%BC'], ['A+B?query=1', 'a%2Bb']]) {
      app.answers.set(`/contacts/${asked}`, { body: '{}' });
      await server.roster(path);
      assert.equal((await server.call('GET', `${ROUTE}/${path}`)).status, 200, path);
      assert.equal(app.count(asked), 2, path);
    }
    for (const [user, said] of [['%FF', /UTF-8/], ['a%20b', /not a username/], ['a%2Fb', /not a username/]]) {
      const answer = await server.roster(user);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.json.message, said);
      const refresh = await server.call('GET', `${ROUTE}/${user}`);
      assert.equal(refresh.status, 400, refresh.text);
      assert.match(refresh.json.message, said);
    }
  },
  async 'one route has one spelling, and no spelling reaches another'({ server, app }) {
    app.answers.set('/contacts/john', { body: '{}' });
    for (const path of ['//roster_admin/refresh', '/roster_admin//refresh', '/roster_admin/%72efresh', '/%72oster%5Fadmin/./refres%68']) {
      assert.equal((await server.call('POST', path, '["x"]')).json.updated, 1, path);
      refuses(await server.call('GET', path), 405, /POST/, path);
    }
    for (const path of ['//roster_admin/refresh/john', '/roster_admin/refresh//john', '/roster_admin/refresh/%6Aoh%6e']) {
      assert.equal((await server.call('GET', path)).status, 200, path);
    }
    for (const [path, status, said] of [
      ['/', 404, /\/roster_admin\/refresh/],
      ['/roster_admin', 404, /\/roster_admin\/refresh/],
      ['/roster_admin/refresh/', 404, /\/roster_admin\/refresh/],
      ['/roster_admin/refresh/a/b', 404, /\/roster_admin\/refresh/],
      ['/rosters/', 404, /\/roster_admin\/refresh/],
      ['/roster_admin%2Frefresh', 404, /\/roster_admin\/refresh/],
      ['/x/../roster_admin/refresh', 404, /\.\./],
      ['/roster_admin/refresh/%2e.', 404, /\.\./],
      ['/roster_admin/%%37%32efresh', 400, /%/],
      ['/roster_admin/refresh/john%', 400, /%/],
    ]) {
      for (const method of ['GET', 'POST']) refuses(await server.call(method, path), status, said, `${method} ${path}`);
    }
  },
  async 'wrong methods are refused and do nothing'({ server, app }) {
    app.answers.set('/contacts/john', { body: '{}' });
    await server.roster('john');
    app.asked.length = 0;
    for (const [path, allowed, methods] of [
      [ROUTE, 'POST', ['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']],
      [`${ROUTE}/john`, 'GET', ['POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']],
      ['/rosters/john', 'GET,HEAD', ['POST', 'PUT', 'DELETE']],
    ]) {
      for (const method of methods) {
        const answer = await server.call(method, path);
        assert.deepEqual([answer.status, answer.headers.allow], [405, allowed], `${method} ${path}`);
      }
    }
    assert.equal(app.asked.length, 0);
  },
  async 'requests that make no sense are refused with a reason'({ server }) {
    for (const [body, said] of [
      ['{}', /found an object/], ['["john", 7]', /element 1 is a number/], ['', /empty/], ['["\xff"', /.../], ['null', /.../], ['"x"', /.../],
    ]) {
      const answer = await server.call('POST', ROUTE, body);
      assert.equal(answer.status, 400, `${body} ${answer.text}`);
      assert.match(answer.json.message, said);
    }
    assert.deepEqual((await server.refresh()).json, { status: 'ok', message: COMPLETE, updated: 0, errors: 0 });
    assert.deepEqual((await server.refresh('x', 'a b', 'a b', '')).json, { status: 'ok', message: COMPLETE, updated: 1, errors: 2 });
    refuses(await server.call('POST', ROUTE, JSON.stringify(Array(1001).fill('x'))), 413, /1001 users/);
    refuses(await server.call('POST', ROUTE, ' '.repeat(70_000)), 413, /65536 bytes/);
    refuses(await server.call('POST', ROUTE, ' '.repeat(70_000), { 'transfer-encoding': 'chunked' }), 413, /65536 bytes/);
    const encoded = await server.call('POST', ROUTE, '[]', { 'content-encoding': 'gzip' });
    refuses(encoded, 415, /Content-Encoding: gzip/);
    assert.equal(encoded.headers['accept-encoding'], 'identity');
    refuses(await server.call('POST', ROUTE, '["x"]', { origin: 'https://elsewhere.example' }), 403, /Origin/);
  },
  async 'only the right bearer token passes'({ server, app }) {
    for (const path of [ROUTE, '/rosters/john', '/contacts/john', '/x']) {
      for (const given of ['', 'Bearer s3cre', 'Bearer s3crets', 'Bearer', 'Basic s3cret', 's3cret']) {
        const answer = await server.call('GET', path, undefined, { authorization: given });
        refuses(answer, 401, /token/, `${path} ${given}`);
        assert.equal(answer.headers['www-authenticate'], 'Bearer');
      }
    }
    assert.equal((await server.call('POST', ROUTE, '[]', { authorization: 'bearer  s3cret ' })).status, 200);
    assert.equal(app.asked.length, 0);
  },
};
