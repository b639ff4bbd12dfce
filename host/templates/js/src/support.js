// What every plugin needs: URLs with a username, contacts, validators, refresh requests.

/** The URL with %s for the username that a setting has to be, as a function of the username. Throws `{ key, reason }`. */
export function urlTemplate(key, text) {
  const wrong = (reason) => ({ key, reason });
  if (text === undefined) throw wrong('is missing; expected a URL with %s for the username');
  const [, origin, path] = text.match(/^(https?:\/\/(?:\[[0-9a-f:.]+\]|[\w.-]+)(?::\d+)?)([/?].*)$/i) ?? [];
  if (!origin) throw wrong('does not begin with http:// or https:// and a host');
  if (/#|[^!-~]/.test(path)) throw wrong('has a fragment, a space or a character beyond ASCII in it');
  const pieces = path.replaceAll('%%', '\0').split('%s').map((piece) => piece.replaceAll('\0', '%'));
  if (pieces.length < 2) throw wrong('has no %s to put the username into');
  return (user) => {
    const target = pieces.join(encode(user));
    if (user === '' || /(^|\/)(\.|%2e){1,2}($|[/?])/i.test(target)) throw wrong('has no address for this user');
    return origin + target;
  };
}

/** All but RFC 3986's unreserved characters. */
export const encode = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** A contact. The host normalises the JID. */
export function contact(jid, { name, subscription = 'both', ask = false, groups = [] } = {}) {
  if (typeof jid !== 'string') throw new TypeError('a contact has no address (a string)');
  if (typeof (name ?? '') !== 'string') throw new TypeError(`the name of ${jid} is no string`);
  if (!['none', 'to', 'from', 'both'].includes(subscription)) throw new TypeError(`${jid} has no such subscription`);
  if (!Array.isArray(groups) || !groups.every((group) => typeof group === 'string')) {
    throw new TypeError(`the groups of ${jid} are no list of strings`);
  }
  return { jid, name: name ?? undefined, subscription, ask: ask === true, groups: [...new Set(groups)] };
}

/** The entity tag (RFC 9110 section 8.8.3) among the headers of a response, if there is one that can be sent back. */
export function etag(headers) {
  const values = headers.filter(({ name }) => name === 'etag').map(({ value }) => value);
  return values.length === 1 && values[0].length <= 1024 && /^(W\/)?"[!#-~]*"$/.test(values[0]) ? values[0] : undefined;
}

/** The usernames in the body of a refresh request: a JSON array. Throws what was expected. */
export function usernames(body) {
  let users;
  try {
    users = JSON.parse(body);
  } catch {}
  if (!Array.isArray(users) || !users.every((user) => typeof user === 'string')) {
    throw new TypeError('expected a JSON array of usernames, such as ["john"]');
  }
  return users;
}

/** What the application is told about a refresh request: status and JSON. */
export function summary({ tag, val }) {
  if (tag === 'refused') return answer(400, val.message, { updated: 0, errors: 0 });
  const right = tag === 'single' ? val : val.updated > 0 || val.errors === val.invalid;
  const counts = tag === 'single' ? {} : { updated: val.updated, errors: val.errors };
  return answer(right ? 200 : 500, right ? 'roster update complete' : 'roster update failed', counts);
}

const answer = (status, message, counts) => ({ status, json: { status: status === 200 ? 'ok' : 'error', message, ...counts } });
