// The five hooks of the world roster-plugin (wit/hooks.wit). What a hook throws is the error of its result.

import { request } from './client.js';
import { decode, diff, kind } from './roster.js';
import { settings, target } from './settings.js';

const { parse, stringify } = JSON;

function check() {
  settings();
}

function fetch(user) {
  const { contacts, tag, warnings } = ask(user);
  return { contacts, tag, warnings };
}

function refresh(user, known) {
  const tag = known.tag();
  const answer = ask(user, tag);
  if (!answer) return { tag: 'unchanged' };
  const { contacts, tag: next, warnings } = answer;
  const changes = diff(known.contacts(), contacts);
  if (changes.length === 0 && warnings.length === 0 && equal(tag, next)) return { tag: 'unchanged' };
  return { tag: 'changed', val: { changes, tag: next, warnings } };
}

/** The user's roster, or nothing if it is still the one with this tag. The tag is the answer's ETag. */
function ask(user, tag) {
  const { url, domain } = settings('misconfigured');
  const { status, etag, body } = request(url, target(url, user), tag);
  if (status === 304 && tag) return undefined;
  if (status !== 200) throw { tag: 'status', val: status };
  return { ...decode(body, user, domain), tag: etag };
}

function changedUsers(body) {
  const refuse = (found) => ({ message: `expected a JSON array of usernames, such as ["john"]; ${found}` });
  let users;
  try {
    users = parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    throw refuse(body.length ? `the body is not JSON: ${error.message}` : 'the body is empty');
  }
  if (!Array.isArray(users)) throw refuse(`found ${kind(users)}`);
  const odd = users.findIndex((user) => typeof user !== 'string');
  if (odd >= 0) throw { message: `element ${odd} is ${kind(users[odd])}; expected a username (a string)` };
  // Half of a surrogate pair cannot leave this language.
  return users.map((user) => user.toWellFormed());
}

/** As the reference words it. A batch of which every user failed is an error, and so is the one user asked for. */
function summary({ tag, val }) {
  if (tag === 'refused') return answer(400, val.message, { updated: 0, errors: 0 });
  const right = tag === 'single' ? val : val.updated > 0 || val.errors === val.invalid;
  const counts = tag === 'single' ? {} : { updated: val.updated, errors: val.errors };
  return answer(right ? 200 : 500, right ? 'roster update complete' : 'roster update failed', counts);
}

function answer(status, message, counts) {
  const body = stringify({ status: status === 200 ? 'ok' : 'error', message, ...counts });
  return { status, contentType: 'application/json', body: new TextEncoder().encode(body) };
}

const equal = (a, b) => a?.length === b?.length && (a ?? []).every((byte, at) => byte === b[at]);

export const hooks = { check, fetch, changedUsers, refresh, summary };
