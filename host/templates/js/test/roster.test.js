import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configure, contacts, request } from '../src/roster.js';
import { etag } from '../src/support.js';

const BODY = '[{"address": "marie@example.com", "name": "Marie"}]';
const given = { friends_url: 'https://app.example.org/friends/%s' };
const settings = (given) => configure((key) => given[key]);

test('the application is asked for the user', () => {
  assert.equal(request(settings(given), 'a#b').url, 'https://app.example.org/friends/a%23b');
  assert.throws(() => request(settings(given), '..'));
});

test('a setting that cannot work is named', () => {
  for (const friends_url of [undefined, 'app', 'http://app/friends']) {
    assert.throws(() => settings({ friends_url }), { key: 'friends_url' });
  }
});

test('friends become contacts', () => {
  const [marie] = contacts(JSON.parse(BODY));
  assert.equal(marie.jid, 'marie@example.com');
  assert.equal(marie.name, 'Marie');
});

test('what is no list of friends is an error', () => {
  for (const answer of [{}, null, [7], [{ address: 7 }]]) assert.throws(() => contacts(answer));
});

test('only an entity tag is sent back', () => {
  assert.equal(etag([{ name: 'etag', value: '"v1"' }]), '"v1"');
  assert.equal(etag([{ name: 'etag', value: '*' }]), undefined);
});
