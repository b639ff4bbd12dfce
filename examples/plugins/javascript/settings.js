// What the operator wrote: http_roster_url, with %s for the username, and the domain.

import { get } from 'wasi:config/store@0.2.0-rc.1';

const URL_KEY = 'http_roster_url';

/** The settings, checked. Throws a config-error, or the fetch-error `misconfigured` for hooks that have those. */
export function settings(as) {
  const wrong = (key, reason) => (as ? { tag: as, val: `${key} ${reason}` } : { key, reason });
  const url = get(URL_KEY);
  const domain = get('domain');
  if (url === undefined) throw wrong(URL_KEY, 'is missing; expected a URL with %s for the username');
  if (domain === undefined) throw wrong('domain', 'is missing; expected the XMPP domain');
  if (!/^[^\s@/]+$/.test(domain)) throw wrong('domain', 'is not a domain such as example.com');
  const [, scheme, authority, path] = url.match(/^(https?):\/\/([^/?#]*)(.*)$/i) ?? [];
  if (!scheme) throw wrong(URL_KEY, 'does not begin with http:// or https://');
  if (authority.includes('@')) throw wrong(URL_KEY, 'has credentials in it; give them to the host');
  const [, host, port = '80'] = authority.match(/^(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d+))?$/i) ?? [];
  if (!host) throw wrong(URL_KEY, 'has no host that is a name or an address');
  if (port < 1 || port > 65535) throw wrong(URL_KEY, 'has a port that is not a number from 1 to 65535');
  if (/#|[^!-~]/.test(path)) throw wrong(URL_KEY, 'has a fragment, a space or a character beyond ASCII in it');
  const template = (path.startsWith('/') ? path : `/${path}`).replaceAll('%%', '\0').split('%s');
  if (template.length < 2) throw wrong(URL_KEY, 'has no %s to put the username into');
  const pieces = template.map((piece) => piece.replaceAll('\0', '%'));
  return { origin: `${scheme.toLowerCase()}://${authority}`, pieces, domain: domain.toLowerCase() };
}

/** The URL for a user: all but RFC 3986's unreserved characters are encoded. */
export function url({ origin, pieces }, user) {
  const odd = (reason) => ({ tag: 'misconfigured', val: `${URL_KEY} has no address for this user: ${reason}` });
  if (user === '') throw odd('a username is missing');
  const encoded = encodeURIComponent(user).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const path = pieces.join(encoded);
  if (/(^|\/)(\.|%2e){1,2}($|[/?])/i.test(path.split('?')[0])) throw odd('it would be a dot segment of the path');
  return origin + path;
}
