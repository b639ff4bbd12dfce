// The application's JSON to contacts.

import { bare } from './jid.js';

const SUBSCRIPTIONS = ['none', 'to', 'from', 'both'];
const MOST_WARNINGS = 20;
// What no name can have: control characters and line separators, and what XML cannot carry, halves of surrogate pairs too.
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/g;
const NOT_XML = /[\ufffe\uffff]|[\ud800-\udfff]/gu;
const UNFIT = 'has characters that no name can have (control characters, halves of surrogate pairs); they are replaced';

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
    let jid = key.replace(NOT_XML, '\ufffd');
    try {
      jid = bare(jid);
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

/** What cannot be used of a contact costs that, with one warning for each field, and not the contact. */
function contact(jid, value, warnings) {
  const odd = (what) => warnings.push(`contact ${quoted(jid)}: ${what}`);
  const nothing = Array.isArray(value) && value.length === 0;
  if (value === null) odd('it is null; expected an object; it counts as {}');
  else if (Array.isArray(value) && !nothing) {
    odd('it is an array that is not empty; expected an object; it has no fields and its subscription is none');
    value = { subscription: 'none' };
  } else if (typeof value !== 'object') throw `it is ${kind(value)}; expected an object`;
  const { name, groups, subscription, ask } = nothing || value === null ? {} : value;
  if (ask !== undefined && ask !== null && typeof ask !== 'string') odd(`its ask is ${kind(ask)}; it is left out`);
  return {
    jid,
    name: readName(name, odd),
    subscription: readSubscription(subscription, odd),
    ask: ask === 'subscribe',
    groups: readGroups(groups, odd),
  };
}

function readName(name, odd) {
  if (name === undefined || name === null) return undefined;
  if (typeof name !== 'string') {
    odd(`its name is ${kind(name)}; expected a string; it has no name now`);
    return undefined;
  }
  const fit = mended(name);
  if (fit !== name) odd(`its name ${UNFIT}`);
  return fit;
}

function readGroups(given, odd) {
  if (given === undefined) return [];
  if (given === null || typeof given !== 'object') {
    odd(`its groups are ${kind(given)}; expected an array of strings or an object; it has no groups now`);
    return [];
  }
  const names = Array.isArray(given) ? given : Object.keys(given);
  const faults = [];
  if (names !== given && names.some((name) => /^\d+$/.test(name))) {
    faults.push('one of its groups has a number for a name; if the values are the names, send an array of strings');
  }
  const groups = new Set();
  for (const group of names) {
    if (typeof group !== 'string') faults.push(`one of its groups is ${kind(group)}; that group is left out`);
    else if (group === '') faults.push('one of its groups has no name; that group is left out');
    else {
      groups.add(mended(group));
      if (mended(group) !== group) faults.push(`one of its groups ${UNFIT}`);
    }
  }
  if (faults.length) odd(faults[0]);
  return [...groups];
}

/** What is not understood shares nobody's presence. */
function readSubscription(subscription, odd) {
  if (subscription === undefined || subscription === null) return 'both';
  if (SUBSCRIPTIONS.includes(subscription)) return subscription;
  odd('its subscription is not none, to, from or both; it counts as none');
  return 'none';
}

const mended = (text) => text.replace(CONTROL, ' ').replace(NOT_XML, '\ufffd');

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
