// The five hooks of the world roster-plugin (wit/hooks.wit). What a hook throws is the error of its result.

import { decode, kind } from './roster.js';
import { settings, url } from './settings.js';

const { parse, stringify } = JSON;
const ACCEPT = { name: 'accept', value: 'application/json, text/plain, */*' };
const USER_AGENT = { name: 'user-agent', value: 'roster-plugin-javascript' };
const MAX_BODY = 10 * 1024 * 1024;

function check() {
  settings();
  return { responseHeaders: ['etag'] };
}

/** The tag is the ETag, if it is one that can be sent back. */
function makeRequest(user, tag) {
  const headers = [ACCEPT, USER_AGENT];
  if (tag) headers.push({ name: 'if-none-match', value: new TextDecoder().decode(tag) });
  return { method: { tag: 'get' }, url: url(settings('misconfigured'), user), headers, body: new Uint8Array() };
}

/** The whole roster: the host works out what has changed. */
function readResponse(user, tag, _known, { status, headers, body }) {
  if (status === 304 && tag) return { tag: 'unchanged' };
  if (status !== 200) throw { tag: 'status', val: status };
  if (body.length > MAX_BODY) throw { tag: 'too-large' };
  const etag = headers.length === 1 && isEtag(headers[0].value) ? new TextEncoder().encode(headers[0].value) : undefined;
  return { tag: 'roster', val: { ...decode(body, user, settings('misconfigured').domain), tag: etag } };
}

/** An entity tag (RFC 9110 section 8.8.3). Nothing else may be sent back. */
const isEtag = (text) => text.length <= 1024 && /^(W\/)?"[!#-~]*"$/.test(text);

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

export const hooks = { check, makeRequest, readResponse, changedUsers, summary };
