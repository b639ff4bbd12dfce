// What this application is asked, and what its answers mean. Plain values: tested by `npm test`.

import { contact, urlTemplate } from './support.js';

/** What is read of the settings: `get(key)` is what the operator wrote, or undefined. */
export function configure(get) {
  return { url: urlTemplate('friends_url', get('friends_url')) };
}

/** What to ask for this user's roster. */
export function request({ url }, user) {
  return { url: url(user), headers: { accept: 'application/json' } };
}

/** The contacts that the answer, `[{"address": "marie@example.com", "name": "Marie"}]`, means. */
export function contacts(answer) {
  return answer.map(({ address, name }) => contact(address, { name }));
}
