// The application's JSON to contacts, and two lists of contacts to the changes between them.

import { bare } from './jid.js';

const SUBSCRIPTIONS = ['none', 'to', 'from', 'both'];
const MOST_WARNINGS = 20;
// Control characters, and what XML cannot carry: halves of surrogate pairs too.
const CONTROL = /[\x00-\x1f\x7f-\x9f\ufffe\uffff]|[\ud800-\udfff]/u;

/** `{ contacts, warnings }`. Throws the fetch-error `malformed` if the document is no roster. */
export function decode(body, user, domain) {
  const malformed = (found) => ({ tag: 'malformed', val: `${found}; expected a JSON object whose keys are JIDs` });
  let json;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    throw malformed(body.length ? `the body is not JSON: ${error.message}` : 'the body is empty');
  }
  if (Array.isArray(json) && json.length) throw malformed('found an array that is not empty');
  if (json === null || typeof json !== 'object') throw malformed(`found ${kind(json)}`);
  const contacts = new Map();
  const warnings = [];
  for (const [key, value] of Object.entries(json)) {
    let jid = key;
    try {
      jid = bare(key);
      if (jid === `${user}@${domain}`) throw 'it is the user';
      if (contacts.has(jid)) warnings.push(`contact ${quoted(jid)} is there twice; the last counts`);
      contacts.set(jid, contact(jid, value, warnings));
    } catch (reason) {
      if (reason instanceof Error) throw reason;
      warnings.push(`left out the contact ${quoted(jid)}: ${reason}`);
    }
  }
  return { contacts: [...contacts.values()], warnings: bounded(warnings) };
}

function contact(jid, value, warnings) {
  if (kind(value) !== 'an object') throw `it is ${kind(value)}; expected an object`;
  const { name, groups: given = [], subscription = 'both', ask } = value;
  if (name !== undefined && name !== null && typeof name !== 'string') throw `its name is ${kind(name)}; expected a string`;
  if (CONTROL.test(name ?? '')) throw 'its name has a control character';
  if (given === null || typeof given !== 'object') {
    throw `its groups are ${kind(given)}; expected an object or an array of strings`;
  }
  const groups = new Set(Array.isArray(given) ? given : Object.keys(given));
  for (const group of groups) {
    if (typeof group !== 'string') throw `one of its groups is ${kind(group)}; expected a string`;
    if (CONTROL.test(group)) throw 'one of its groups has a control character';
  }
  const known = SUBSCRIPTIONS.includes(subscription);
  if (!known) warnings.push(`contact ${quoted(jid)} has an unknown subscription; it counts as both`);
  if (groups.delete('')) warnings.push(`contact ${quoted(jid)} has a group without a name, which is left out`);
  return {
    jid,
    name: name ?? undefined,
    subscription: known ? subscription : 'both',
    ask: ask === 'subscribe',
    groups: [...groups],
  };
}

/** What turns `before` into `after`. The order of groups carries no meaning. */
export function diff(before, after) {
  const text = ({ name, subscription, ask, groups }) => JSON.stringify([name ?? null, subscription, ask, [...groups].sort()]);
  const old = new Map(before.map((contact) => [contact.jid, text(contact)]));
  const changes = [];
  for (const contact of after) {
    if (old.get(contact.jid) !== text(contact)) changes.push({ tag: 'put', val: contact });
    old.delete(contact.jid);
  }
  for (const jid of old.keys()) changes.push({ tag: 'remove', val: jid });
  return changes;
}

/** The kind of a JSON value, for people. */
export function kind(value) {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return { object: 'an object', string: 'a string', number: 'a number', boolean: 'a boolean' }[typeof value];
}

const quoted = (text) => JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);

function bounded(warnings) {
  if (warnings.length <= MOST_WARNINGS) return warnings;
  return [...warnings.slice(0, MOST_WARNINGS), `and ${warnings.length - MOST_WARNINGS} more`];
}
