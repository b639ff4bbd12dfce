// The servers that the proxy is tried in, as programs that are started, stopped and killed.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('..', import.meta.url));
const JCO = join(HERE, '../js-host/node_modules/@bytecodealliance/jco/../../.bin/jco');

/** The variable of the environment for a setting. */
const variable = (key) => `ROSTER_${key.toUpperCase()}`;

/** A port that nobody listens on now. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** A process group, with what it says. */
export class Program {
  said = '';

  constructor(command, args, env) {
    this.process = spawn(command, args, { cwd: HERE, env: { ...process.env, ...env }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = once(this.process, 'exit');
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (piece) => (this.said = (this.said + piece).slice(-20_000)));
    }
  }

  /** The group, for `jco serve` serves in a process of its own. */
  async stop(signal = 'SIGTERM') {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      process.kill(-this.process.pid, signal);
      const late = setTimeout(() => process.kill(-this.process.pid, 'SIGKILL'), 10_000);
      await this.ended;
      clearTimeout(late);
    }
  }
}

/** One way to serve the proxy. `start` may be called again after `stop`. */
class Server {
  constructor(name, folder, settings) {
    Object.assign(this, { name, folder, settings });
    mkdirSync(folder, { recursive: true });
  }

  async start() {
    const port = await freePort();
    this.origin = `http://127.0.0.1:${port}`;
    await this.startState?.();
    const { command, args, env } = this.command(port);
    this.program = new Program(command, args, env);
    const gone = this.program.ended.then(() => true);
    for (let tries = 0; tries < 1200; tries++) {
      // Some listen before they have the component.
      const up = await this.call('GET', '/').then(({ json }) => json !== undefined, () => false);
      if (up) return;
      if (await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 100))])) break;
    }
    throw new Error(`${this.name} does not serve: ${this.program.said}`);
  }

  async stop(signal) {
    await this.program?.stop(signal);
  }

  async end() {
    await this.stop();
    await this.state?.stop();
  }

  /** One request, its path sent as it is. */
  call(method, path, body, headers = {}) {
    const authorization = this.settings.token && `Bearer ${this.settings.token}`;
    const all = { ...(authorization && { authorization }), ...headers };
    if (body !== undefined && !('transfer-encoding' in headers)) all['content-length'] = Buffer.byteLength(body);
    return new Promise((resolve, reject) => {
      const sent = request(this.origin, { method, path, headers: all, agent: false, timeout: 60_000 }, async (response) => {
        try {
          let text = '';
          for await (const piece of response) text += piece;
          const json = text.startsWith('{') ? JSON.parse(text) : undefined;
          resolve({ status: response.statusCode, headers: response.headers, text, json });
        } catch (error) {
          reject(error);
        }
      });
      sent.once('error', reject).once('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer`)));
      sent.end(body);
    });
  }

  roster(user) {
    return this.call('GET', `/rosters/${user}`);
  }

  refresh(...users) {
    return this.call('POST', '/roster_admin/refresh', JSON.stringify(users));
  }
}

// The proxy is some twenty instances of modules, of which a pool has 1,000 by itself: with 64 requests at once there would be none left.
const POOL = ['-O', 'pooling-total-core-instances=4000', '--max-concurrent-requests', '128'];

/** `wasmtime serve`, with a directory. */
export class WasmtimeDirectory extends Server {
  constructor(wasmtime, folder, settings, options = []) {
    super(`wasmtime serve with a directory (${[wasmtime, ...options].join(' ')})`, folder, settings);
    Object.assign(this, { wasmtime, options });
  }

  command(port) {
    return this.serve(port, 'directory', ['--dir', `${this.folder}::/state`], this.settings);
  }

  serve(port, state, options, settings) {
    // One instance for many requests has its settings from the environment, for both to be tried.
    const env = this.options.length > 0;
    const vars = Object.entries(settings).flatMap(([key, value]) =>
      env ? ['--env', `${variable(key)}=${value}`] : ['-S', `config-var=${key}=${value}`]);
    const component = `http-roster-admin-proxy-${state}${env ? '-env' : ''}.wasm`;
    const args = ['serve', '--addr', `127.0.0.1:${port}`, '-S', 'cli,http,config', ...POOL, ...this.options, ...options, ...vars, component];
    return { command: this.wasmtime, args };
  }
}

/** `wasmtime serve`, with Valkey or Redis, which outlives it. */
export class WasmtimeValkey extends WasmtimeDirectory {
  constructor(wasmtime, valkey, folder, settings, options = []) {
    super(wasmtime, folder, settings, options);
    Object.assign(this, { valkey, name: `wasmtime serve with Valkey (${[wasmtime, ...options].join(' ')}, ${valkey})` });
  }

  async startState() {
    if (this.state) return;
    this.port = await freePort();
    const args = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--requirepass', 's3cret', '--dir', this.folder, '--appendonly', 'yes'];
    this.state = new Program(this.valkey, args);
    for (let tries = 0; !this.state.said.includes('Ready to accept connections'); tries++) {
      if (tries === 100) throw new Error(`${this.valkey} does not start: ${this.state.said}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  command(port) {
    const settings = { ...this.settings, valkey_url: `redis://:s3cret@127.0.0.1:${this.port}/0` };
    return this.serve(port, 'valkey', ['-S', 'inherit-network'], settings);
  }
}

/** `jco serve`, with a directory. */
export class JcoDirectory extends Server {
  constructor(folder, settings) {
    super('jco serve with a directory', folder, settings);
  }

  command(port) {
    const vars = Object.entries(this.settings).map(([key, value]) => [variable(key), value]);
    const args = [
      JCO, 'serve', '--host', '127.0.0.1', '--port', `${port}`, '--jco-dir', join(HERE, '../js-host/generated-proxy'),
      '--jco-import', join(HERE, 'jco/state.js'), '--', join(HERE, 'http-roster-admin-proxy-directory-env.wasm'),
    ];
    return { command: process.execPath, args, env: { ...Object.fromEntries(vars), STATE_FOLDER: this.folder } };
  }
}

/** wasmCloud's runtime, with a directory: the program in wasmcloud/. */
export class WasmcloudDirectory extends Server {
  constructor(program, folder, settings) {
    super(`wasmCloud's runtime with a directory (${program})`, folder, settings);
    this.wasmcloud = program;
  }

  command(port) {
    const vars = Object.entries(this.settings).map(([key, value]) => [variable(key), value]);
    const args = ['http-roster-admin-proxy-directory-env.wasm', `127.0.0.1:${port}`, this.folder];
    return { command: this.wasmcloud, args, env: Object.fromEntries(vars) };
  }
}
