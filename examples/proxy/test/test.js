// Runs the cases in the servers that are here. Node 20, no packages.
// Usage: node --test test/test.js, with WASMTIME (programs, separated by spaces), VALKEY and ROSTER_HOST (a program each) in the
// environment, as far as they are there; or with WASMCLOUD, the program in wasmcloud/, which is tried alone then

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';

import { Application } from './application.js';
import { SETTINGS, cases } from './cases.js';
import { files, lasting } from './lasting.js';
import { source } from './source.js';
import { JcoDirectory, WasmcloudDirectory, WasmtimeDirectory, WasmtimeValkey } from './servers.js';

const work = mkdtempSync(join(tmpdir(), 'roster-proxy-'));
const app = await new Application().start();
after(() => {
  app.stop();
  rmSync(work, { recursive: true, force: true });
});

const settings = {
  ...SETTINGS,
  http_roster_url: `${app.origin}/contacts/%s`,
  http_roster_bulk_url: `${app.origin}/contacts`,
};
const programs = (process.env.WASMTIME ?? '').split(' ').filter(Boolean);
const folder = (name) => join(work, name);
// The last release serves many requests with one instance, one after another; so does the first, with Valkey.
const reuse = ['--max-instance-reuse-count', '1000'];
const servers = process.env.WASMCLOUD ? [new WasmcloudDirectory(process.env.WASMCLOUD, folder('wasmcloud'), settings)] : [
  new JcoDirectory(folder('jco'), settings),
  ...programs.map((wasmtime, at) => new WasmtimeDirectory(wasmtime, folder(`directory${at}`), settings, at ? reuse : [])),
];
if (process.env.VALKEY && programs.length && !process.env.WASMCLOUD) {
  servers.push(new WasmtimeValkey(programs[0], process.env.VALKEY, folder('valkey'), settings, reuse));
}

for (const server of servers) {
  describe(server.name, () => {
    let failed = false;
    before(() => server.start());
    after(async () => {
      await server.end();
      if (failed) console.error(server.program.said);
    });
    beforeEach(() => app.reset());
    const all = { ...cases, ...lasting, ...(!server.valkey && files), ...(process.env.ROSTER_HOST && source) };
    for (const [name, run] of Object.entries(all)) {
      it(name, { timeout: 300_000 }, async () => {
        try {
          await run({ server, app });
        } catch (error) {
          failed = true;
          throw error;
        }
      });
    }
  });
}
