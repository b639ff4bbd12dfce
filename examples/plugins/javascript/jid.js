// Addresses (RFC 7622), as far as the engine's Unicode goes. It has no PRECIS tables, and this engine is built without
// normalisation forms: letters become lower case, and the host does the rest of it to whatever a plugin returns.

const LONGEST = 1023;
const bytes = (text) => new TextEncoder().encode(text).length;
const fits = (part) => part !== '' && bytes(part) <= LONGEST;
// Character by character: a capital sigma is the same letter wherever it stands.
const fold = (text) => Array.from(text, (c) => c.toLowerCase()).join('');
const LABEL = /^(?!-)[a-z0-9_\u0080-\u{10ffff}-]{1,63}(?<!-)$/u;
const RESERVED = /["&'/:<>@\s\x00-\x1f\x7f-\x9f\ufffd]/;

/** The normalised bare JID of a bare or full JID. Throws what is wrong with it. */
export function bare(text) {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const resource = slash < 0 ? undefined : text.slice(slash + 1);
  if (resource !== undefined && (!fits(resource) || /[\x00-\x1f\x7f-\x9f]/.test(resource))) {
    throw 'its resource (after the /) is not valid';
  }
  const at = address.indexOf('@');
  if (at < 0) return domain(address);
  const local = fold(address.slice(0, at));
  if (!fits(local) || RESERVED.test(local)) throw 'its localpart (before the @) is not valid';
  return `${local}@${domain(address.slice(at + 1))}`;
}

function domain(text) {
  const name = fold(text).replace(/\.$/, '');
  if (/^\[[0-9a-f:.]+\]$/.test(name) && name.includes(':')) return name;
  if (!fits(name) || !name.split('.').every((label) => LABEL.test(label))) throw 'its domain is not valid';
  return name;
}
