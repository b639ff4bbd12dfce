// The use cases: a user connects, an application says that rosters have changed. Rosters are kept here and nowhere else.

/** Node has no PRECIS (RFC 8265): this covers ASCII and most of what else there is. */
export const username = (text) => text.normalize('NFC').toLowerCase();

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
