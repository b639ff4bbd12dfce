// The application, as the tests want it to be.

import { createServer } from 'node:http';

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Application {
  /** What is answered for a path: { status, etag, body, delay, hang }, or a function that gives it. */
  answers = new Map();
  /** Every request, in the order they came. */
  asked = [];
  /** What is answered for many users: a function of the object that is sent, or none. */
  bulk = undefined;

  async start() {
    this.server = createServer((request, response) => this.answer(request, response).catch(() => response.destroy()));
    this.server.keepAliveTimeout = 60_000;
    await new Promise((resolve, reject) => this.server.once('error', reject).listen(0, '127.0.0.1', resolve));
    this.origin = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  reset() {
    this.answers.clear();
    this.asked.length = 0;
    this.bulk = undefined;
  }

  /** How often a user was asked for alone. */
  count(user) {
    return this.asked.filter(({ path }) => path === `/contacts/${user}`).length;
  }

  async answer(request, response) {
    let sent = '';
    for await (const piece of request) sent += piece;
    const { method, url: path, headers } = request;
    this.asked.push({ method, path, condition: headers['if-none-match'], sent });
    if (path === '/contacts') {
      if (!this.bulk) return response.writeHead(501).end();
      return response.writeHead(200).end(JSON.stringify(this.bulk(JSON.parse(sent))));
    }
    let answer = this.answers.get(path) ?? { status: 404 };
    if (typeof answer === 'function') answer = answer();
    const { status = 200, etag, body, delay = 0, hang, cut } = answer;
    if (hang) return;
    if (delay) await wait(delay);
    if (cut) {
      response.writeHead(200, { 'content-length': 1000 }).write(body);
      return setTimeout(() => response.destroy(), 20);
    }
    if (etag && headers['if-none-match'] === etag) return response.writeHead(304, { etag }).end();
    response.writeHead(status, etag ? { etag } : {}).end(body);
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** A roster that tells by each of its contacts of which generation it is. */
export class Generations {
  #of = new Map();

  constructor(app, { contacts = 20, delay = () => 0 } = {}) {
    Object.assign(this, { app, contacts, delay });
  }

  now(user) {
    return this.#of.get(user) ?? 0;
  }

  /** The next generation of a user's roster. */
  change(user) {
    const next = this.now(user) + 1;
    this.#of.set(user, next);
    this.app.answers.set(`/contacts/${user}`, () => {
      // What it is when it is asked, however late the answer goes.
      const generation = this.now(user);
      const ids = [...Array(this.contacts).keys()];
      const body = JSON.stringify(Object.fromEntries(ids.map((id) => [`c${id}@example.com`, { name: `${generation}` }])));
      return { body, etag: `"${generation}"`, delay: this.delay() };
    });
    return next;
  }

  /** The generation that an answer shows; throws if it is not one whole roster. */
  read({ status, json }) {
    const names = new Set(json.contacts?.map(({ name }) => name));
    if (status !== 200 || names.size !== 1 || json.contacts.length !== this.contacts) {
      throw new Error(`no whole roster: ${status} ${JSON.stringify(json)}`);
    }
    return Number([...names][0]);
  }
}
