// A host for xmpp:roster plugins in Node: the refresh route, sessions, cached rosters. For people: see README.md.

import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { origin } from './plugin.js';
import { Rosters, username } from './rosters.js';
import { HookError, Workers } from './workers.js';

const MAX_BODY = 10 * 1024 * 1024;
const REFRESH = '/roster_admin/refresh';

/** Serves on loopback until closed. `told` hears of every roster event. */
export async function serve({ settings, port = 0, instances = 4, told = () => {}, deadlineMs }) {
  const plugin = await Workers.start(instances, { settings, allowed: [origin(settings.http_roster_url)] }, deadlineMs);
  const rosters = new Rosters(plugin, told);
  const server = createServer({ requestTimeout: 30_000 }, (request, response) => {
    answer(plugin, rosters, request).catch(failure).then(({ status, body, type = 'application/json', allow }) => {
      response.writeHead(status, { 'content-type': type, ...(allow && { allow }) }).end(body);
    });
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    async close() {
      await new Promise((resolve) => (server.close(resolve), server.closeIdleConnections()));
      await plugin.close();
    },
  };
}

const json = (status, value) => ({ status, body: JSON.stringify(value, plain) });
const error = (status, message) => json(status, { status: 'error', message });
const notAllowed = (allow) => ({ ...error(405, `expected ${allow}`), allow });
const plain = (key, value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value);

function failure(reason) {
  if (reason.status) return error(reason.status, reason.message);
  console.error(reason);
  return error(500, 'the plugin failed');
}

async function answer(plugin, rosters, request) {
  const path = new URL(request.url, 'http://host').pathname;
  if (path === REFRESH) {
    if (request.method !== 'POST') return notAllowed('POST');
    return refreshMany(plugin, rosters, await readAll(request));
  }
  const [, route, user] = path.match(/^(\/roster_admin\/refresh|\/sessions|\/rosters)\/([^/]+)$/) ?? [];
  if (!route) return error(404, 'there is nothing here');
  const name = username(decode(user));
  if (name === undefined) return error(400, 'this is no username');
  switch (`${request.method} ${route}`) {
    case `GET ${REFRESH}`: {
      const [updated] = await rosters.refresh([name]);
      return summary(plugin, { tag: 'single', val: updated });
    }
    case 'PUT /sessions':
      return connected(name, rosters);
    case 'DELETE /sessions':
      return rosters.disconnect(name) ? { status: 204 } : error(404, `${name} is not connected`);
    case 'GET /rosters':
      return rosters.get(name) ? json(200, { user: name, ...rosters.get(name) }) : error(404, `no roster of ${name}`);
    default:
      return notAllowed(route === '/sessions' ? 'PUT, DELETE' : 'GET');
  }
}

async function connected(user, rosters) {
  try {
    return json(200, { user, ...(await rosters.connect(user)) });
  } catch (reason) {
    return error(502, reason.message);
  }
}

async function refreshMany(plugin, rosters, body) {
  let users;
  try {
    users = await plugin.call('changedUsers', body);
  } catch (reason) {
    if (!(reason instanceof HookError)) throw reason;
    return summary(plugin, { tag: 'refused', val: reason.payload });
  }
  const updated = await rosters.refresh(users);
  const failed = updated.filter((right) => !right).length;
  const invalid = users.includes('') ? 1 : 0;
  return summary(plugin, { tag: 'batch', val: { updated: updated.length - failed, errors: failed + invalid, invalid } });
}

/** Step 3 of a refresh: what the application is told is the plugin's to say. */
async function summary(plugin, outcome) {
  const { status, contentType, body } = await plugin.call('summary', outcome);
  return { status, type: contentType, body };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    throw Object.assign(new Error('the username is not percent-encoded UTF-8'), { status: 400 });
  }
}

async function readAll(request) {
  const pieces = [];
  let length = 0;
  for await (const piece of request) {
    length += piece.length;
    if (length > MAX_BODY) throw Object.assign(new Error(`the body is longer than ${MAX_BODY} bytes`), { status: 413 });
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

if (import.meta.filename === process.argv[1]) {
  const { url, domain, port } = parseArgs({
    options: {
      url: { type: 'string' },
      domain: { type: 'string', default: 'localhost' },
      port: { type: 'string', default: '5280' },
    },
  }).values;
  const settings = { domain, ...(url && { http_roster_url: url }) };
  const server = await serve({ settings, port: Number(port), told: (event) => console.log(JSON.stringify(event, plain)) });
  console.log(`serving ${domain} on ${server.url}${REFRESH}`);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close());
}
