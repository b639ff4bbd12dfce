// What is kept: over a restart, over the end in the middle of writes, and when many write at once.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Generations } from './application.js';

const CLIENTS = 64;
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const each = (count, run) => Promise.all([...Array(count).keys()].map(run));

export const lasting = {
  async 'a restart keeps the rosters'({ server, app }) {
    const rosters = new Generations(app);
    const users = ['ann', 'ben', 'cid'].map((name) => `restart-${name}`);
    for (const user of users) rosters.change(user);
    await Promise.all(users.map((user) => server.roster(user)));
    rosters.change(users[0]);
    await server.refresh(users[0]);
    const before = await Promise.all(users.map((user) => server.roster(user)));
    await server.stop();
    await server.start();
    app.asked.length = 0;
    const after = await Promise.all(users.map((user) => server.roster(user)));
    assert.deepEqual(after.map(({ json, headers }) => [json, headers.etag]), before.map(({ json, headers }) => [json, headers.etag]));
    assert.equal(app.asked.length, 0);
    await server.refresh(...users);
    const conditions = app.asked.filter(({ method }) => method === 'GET').map(({ condition }) => condition);
    assert.deepEqual(conditions.sort(), ['"1"', '"1"', '"2"'], 'the validators are kept, too');
  },
  async 'killed in the middle of writes it starts with whole rosters, and with all that it has confirmed'({ server, app }) {
    const rosters = new Generations(app, { contacts: 300 });
    const users = [...Array(32).keys()].map((id) => `killed${id}`);
    const confirmed = new Map();
    let changes = 0;
    for (const user of users) rosters.change(user);
    for (let round = 0; round < 2; round++) {
      let stopped = false;
      const writers = each(CLIENTS / 2, async (id) => {
        const user = users[id];
        for (let writes = 0; !stopped && writes < 1000; writes++) {
          try {
            const generation = rosters.change(user);
            // The first is a first fetch.
            const { status } = writes ? await server.refresh(user) : await server.roster(user);
            if (status === 200 && writes) {
              confirmed.set(user, generation);
              changes++;
            }
          } catch {
            return; // It is gone.
          }
        }
      });
      // In the middle: some have been confirmed, and others are on their way.
      const enough = changes + 8;
      for (let tries = 0; changes < enough && tries < 600; tries++) await wait(50);
      await wait(30 * round);
      await server.stop('SIGKILL');
      stopped = true;
      await writers;
      await server.start();
      app.asked.length = 0;
      for (const user of users) {
        const generation = rosters.read(await server.roster(user));
        assert.ok(generation >= (confirmed.get(user) ?? 0), `${user}: ${generation}, confirmed was ${confirmed.get(user)}`);
        assert.ok(!confirmed.has(user) || app.count(user) === 0, `${user} was kept`);
      }
      for (const user of users) rosters.change(user);
      assert.deepEqual((await server.refresh(...users)).json.errors, 0);
      for (const user of users) assert.equal(rosters.read(await server.roster(user)), rosters.now(user));
    }
    assert.ok(changes >= 16, `only ${changes} changes were confirmed`);
  },
  async '64 clients at once lose nothing'({ server, app }) {
    const rosters = new Generations(app);
    await each(CLIENTS, async (id) => {
      const user = `crowd${id}`;
      rosters.change(user);
      assert.equal(rosters.read(await server.roster(user)), 1);
      for (let times = 0; times < 3; times++) {
        const generation = rosters.change(user);
        assert.equal((await server.refresh(user)).json.updated, 1);
        const answer = await server.roster(user);
        assert.deepEqual([rosters.read(answer), answer.json.version], [generation, generation]);
      }
    });
  },
  async 'of refreshes of one user at once the newest answer stays, however late an older one comes'({ server, app }) {
    const rosters = new Generations(app, { delay: () => Math.random() * 60 });
    rosters.change('one');
    await server.roster('one');
    await each(CLIENTS, async (id) => {
      await wait(id * 5);
      const generation = rosters.change('one');
      assert.equal((await server.refresh('one')).status, 200);
      const found = rosters.read(await server.roster('one'));
      assert.ok(found >= generation, `asked for at ${generation}, kept is ${found}`);
    });
    assert.equal(rosters.read(await server.roster('one')), rosters.now('one'));
  },
  async 'a roster that goes there and back while it is asked for ends as it is now'({ server, app }) {
    // The slow one is asked for while the roster is another, and is answered when it is the old one again.
    const answer = (name, delay = 0) => ({ body: JSON.stringify({ 'a@b': { name } }), etag: `"${name}"`, delay });
    app.answers.set('/contacts/back', answer('old'));
    await server.roster('back');
    app.answers.set('/contacts/back', answer('new', 600));
    const slow = server.refresh('back');
    await wait(200);
    app.answers.set('/contacts/back', answer('old'));
    await server.refresh('back');
    assert.equal((await slow).status, 200);
    assert.equal((await server.roster('back')).json.contacts[0].name, 'old');
  },
  async 'a first fetch that is overtaken by a refresh begins again'({ server, app }) {
    const answer = (name, delay = 0) => ({ body: JSON.stringify({ 'a@b': { name } }), delay });
    app.answers.set('/contacts/first', answer('old', 600));
    const slow = server.roster('first');
    await wait(200);
    app.answers.set('/contacts/first', answer('new'));
    await server.refresh('first');
    assert.equal((await slow).status, 200);
    assert.equal((await server.roster('first')).json.contacts[0].name, 'new');
  },
};

/** The file of a user, and the folder of those who want to write. */
const file = (server, user) => join(server.folder, 'default', `roster%3A${user}`);
const claims = (server) => join(server.folder, 'default', '~claims');

/** For servers with a directory. */
export const files = {
  async 'a file that is not whole is as if it were not there'({ server, app }) {
    app.answers.set('/contacts/torn', { body: '{"a@b": {}}' });
    await server.roster('torn');
    const whole = readFileSync(file(server, 'torn'));
    const flipped = Buffer.from(whole);
    flipped[whole.length - 5] ^= 1;
    for (const bytes of ['', 'garbage', whole.subarray(0, 20), whole.subarray(0, -1), Buffer.alloc(whole.length), flipped]) {
      writeFileSync(file(server, 'torn'), bytes);
      const before = app.count('torn');
      const { status, json } = await server.roster('torn');
      assert.deepEqual([status, json.contacts.length, app.count('torn')], [200, 1, before + 1], `${bytes.toString().slice(0, 40)}`);
    }
    writeFileSync(file(server, 'torn'), whole);
    const before = app.count('torn');
    assert.equal((await server.roster('torn')).status, 200);
    assert.equal(app.count('torn'), before, 'the whole one is read');
  },
  async 'who has died over a file holds up others only for a while, and leaves nothing'({ server, app }) {
    for (const [age, least, name] of [[60, 0, 'long ago'], [3, 1, 'just now']]) {
      app.answers.set('/contacts/claimed', { body: '{"a@b": {}}' });
      await server.roster('claimed');
      app.answers.set('/contacts/claimed', { body: JSON.stringify({ 'a@b': { name } }) });
      const revision = readFileSync(file(server, 'claimed'), 'utf8').split(' ')[1];
      const claim = join(claims(server), `roster%3Aclaimed.${revision}.0`);
      writeFileSync(claim, 'half of a ros');
      const then = Date.now() / 1000 - age;
      utimesSync(claim, then, then);
      const began = Date.now();
      assert.equal((await server.refresh('claimed')).json.updated, 1);
      assert.ok(Date.now() - began >= least * 1000, 'who may still be writing is waited for');
      assert.equal((await server.roster('claimed')).json.contacts[0].name, name);
      assert.deepEqual(readdirSync(claims(server)).filter((file) => file.includes('claimed')), []);
    }
  },
};
