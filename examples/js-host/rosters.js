// The use cases: a user connects, an application says that rosters have changed. Rosters are kept here and nowhere else.

const wide = (text) => text.replace(/[\uff01-\uffee\u3000]/g, (c) => c.normalize('NFKC'));
const lower = (text) => Array.from(text, (c) => c.toLowerCase()).join('');
const LETTERS = /^(?:[!-~]|(?!\p{Default_Ignorable_Code_Point})[\p{Ll}\p{Lu}\p{Lo}\p{Lm}\p{Nd}\p{Mn}\p{Mc}])+$/u;
const RESERVED = /["&'/:<>@]/;

/**
 * The user that a name stands for (RFC 8265, UsernameCaseMapped), or undefined. Node has no tables for the characters whose
 * neighbours count, such as a joiner, and for text from right to left: the former are refused, the latter is not looked at.
 */
export function username(text) {
  const name = wide(text);
  // What is something else under NFKC is a variant of a character and not one.
  const plain = LETTERS.test(name) && Array.from(name).every((c) => c.normalize('NFKC') === c);
  const user = plain ? lower(name).normalize('NFC') : '';
  return user === '' || RESERVED.test(user) || Buffer.byteLength(user) > 1023 ? undefined : user;
}

export class Rosters {
  #plugin;
  #told;
  #kept = new Map();
  #online = new Set();
  #flights = new Map();
  #version = 0;

  /** `told(event)` hears of every change before whoever asked for the refresh is answered. */
  constructor(plugin, told) {
    this.#plugin = plugin;
    this.#told = told;
  }

  get(user) {
    return this.#kept.get(user);
  }

  /** The user has connected: the roster that is kept, or a first fetch. */
  connect(user) {
    this.#online.add(user);
    return this.#kept.get(user) ?? this.#update(user, () => this.#kept.get(user) ?? this.#first(user));
  }

  disconnect(user) {
    this.#kept.delete(user);
    return this.#online.delete(user);
  }

  /** Brings the users' rosters up to date, those that are kept. True for each whose roster is now right. */
  refresh(users) {
    const known = [...new Set(users.map(username))].filter((user) => user);
    return Promise.all(known.map((user) => this.#kept.has(user) ? this.#fresh(user) : true));
  }

  async #fresh(user) {
    try {
      await this.#update(user, () => this.#again(user));
      return true;
    } catch (error) {
      console.error(`${user}: the roster could not be refreshed: ${error.message}`);
      return false;
    }
  }

  /** One request for a user at a time. Whoever asks while one is in flight shares the next, which begins after they asked. */
  #update(user, fly) {
    const flight = this.#flights.get(user) ?? {};
    this.#flights.set(user, flight);
    flight.next ??= Promise.resolve(flight.current).catch(() => {}).then(() => {
      flight.current = flight.next;
      flight.next = undefined;
      return fly();
    }).finally(() => {
      if (!flight.next) this.#flights.delete(user);
    });
    return flight.next;
  }

  async #first(user) {
    const { contacts, tag, warnings } = await this.#plugin.call('fetch', user);
    this.#warn(user, warnings);
    return this.#keep(user, contacts, tag, { event: 'loaded', contacts });
  }

  async #again(user) {
    const known = this.#kept.get(user);
    if (!known) return;
    const result = await this.#plugin.call('refresh', user, known);
    if (result.tag === 'unchanged') return;
    const { changes, tag, warnings } = result.val;
    this.#warn(user, warnings);
    const contacts = new Map(known.contacts.map((contact) => [contact.jid, contact]));
    for (const change of changes) {
      if (change.tag === 'put') contacts.set(change.val.jid, change.val);
      else contacts.delete(change.val);
    }
    if (changes.length === 0) known.tag = tag; // The answer differs, the roster does not.
    else this.#keep(user, [...contacts.values()], tag, { event: 'changed', changes });
  }

  #keep(user, contacts, tag, event) {
    if (new Set(contacts.map((contact) => contact.jid)).size < contacts.length) throw new Error('a JID is there twice');
    const roster = { version: ++this.#version, contacts, tag };
    if (!this.#online.has(user)) return roster; // Has left while it was fetched.
    this.#kept.set(user, roster);
    this.#told({ ...event, user, version: roster.version });
    return roster;
  }

  #warn(user, warnings) {
    for (const warning of warnings) console.error(`${user}: ${warning}`);
  }
}
