// `roster-host` with the proxy as its application: docs/wasm-servers.md.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Generations } from './application.js';
import { Program, freePort } from './servers.js';

const json = async (method, url, body) => {
  const answer = await fetch(url, { method, body, signal: AbortSignal.timeout(30_000) });
  return { status: answer.status, json: await answer.json().catch(() => undefined) };
};

export const source = {
  async 'roster-host takes it for its application'({ server, app }) {
    const rosters = new Generations(app, { contacts: 3 });
    const users = ['ann', 'ben', 'cid', 'dan'].map((name) => `source-${name}`);
    for (const user of users) rosters.change(user);
    const [http, admin, work] = [await freePort(), await freePort(), mkdtempSync(join(tmpdir(), 'roster-host-'))];
    const config = `[http]
listen = "127.0.0.1:${http}"
[admin]
listen = "127.0.0.1:${admin}"
[[host]]
domain = "example.com"
[host.settings]
http_roster_url = "${server.origin}/contacts/%s"
http_roster_bulk_url = "${server.origin}/contacts"
[host.client]
bearer_token = "${server.settings.token}"
`;
    writeFileSync(join(work, 'host.toml'), config);
    const host = new Program(process.env.ROSTER_HOST, ['--config', join(work, 'host.toml')]);
    try {
      for (let tries = 0; tries < 200; tries++) {
        if (await json('GET', `http://127.0.0.1:${admin}/readyz`).then(({ status }) => status === 200, () => false)) break;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const at = (user) => `http://127.0.0.1:${admin}/rosters/${user}`;
      for (const user of users) assert.equal((await json('PUT', `http://127.0.0.1:${admin}/sessions/${user}`)).status, 200, host.said);
      for (const user of users) assert.equal(rosters.read(await json('GET', at(user))), 1);
      // The proxy first: it is what the host asks.
      for (const user of users.slice(1)) rosters.change(user);
      for (const refresh of [server.origin, `http://127.0.0.1:${http}`]) {
        const headers = { authorization: `Bearer ${server.settings.token}` };
        const answer = await fetch(`${refresh}/roster_admin/refresh`, { method: 'POST', body: JSON.stringify(users), headers });
        assert.deepEqual(await answer.json(), { status: 'ok', message: 'roster update complete', updated: 4, errors: 0 });
      }
      for (const user of users) assert.equal(rosters.read(await json('GET', at(user))), rosters.now(user));
      const unknown = await json('PUT', `http://127.0.0.1:${admin}/sessions/source-nobody`);
      assert.deepEqual([unknown.status, /status 404/.test(unknown.json.message)], [502, true]);
    } finally {
      await host.stop();
      rmSync(work, { recursive: true, force: true });
    }
  },
};
