// A few instances of the plugin, each serving one call at a time. A call that traps or takes too long costs its instance.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** A hook has returned an error: its payload is the `fetch-error`, `bad-request` or `config-error` of the WIT. */
export class HookError extends Error {
  constructor(payload) {
    super(payload.message ?? `${payload.tag}${payload.val === undefined ? '' : `: ${payload.val}`}`);
    this.payload = payload;
  }
}

export class Workers {
  #options;
  #idle = [];
  #waiting = [];
  #deadlineMs;
  #closed = false;

  /** Starts `count` instances. Throws if the component or its settings cannot work. */
  static async start(count, workerData, deadlineMs = 20_000) {
    const workers = new Workers();
    workers.#options = { workerData };
    workers.#deadlineMs = deadlineMs;
    workers.#idle = await Promise.all(Array.from({ length: count }, () => workers.#spawn()));
    return workers;
  }

  async #spawn() {
    const worker = new Worker(new URL('worker.js', import.meta.url), this.#options);
    await once(worker, 'message');
    return worker;
  }

  /** What the hook returns, or HookError, or the trap, or a timeout. */
  async call(hook, ...args) {
    const worker = this.#idle.pop() ?? (await this.#turn());
    let healthy = false;
    try {
      const signal = AbortSignal.timeout(this.#deadlineMs);
      const answer = once(worker, 'message', { signal });
      worker.postMessage({ hook, args });
      const [{ ok, err }] = await answer;
      healthy = true;
      if (err !== undefined) throw new HookError(err);
      return ok;
    } catch (error) {
      throw error.name === 'AbortError' ? new Error(`${hook} took longer than ${this.#deadlineMs} ms`) : error;
    } finally {
      if (healthy) this.#give(worker);
      else this.#replace(worker);
    }
  }

  /** Waits for an instance, and not for ever. */
  #turn() {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((waiter) => waiter !== take);
        reject(new Error(`no instance was free within ${this.#deadlineMs} ms`));
      }, this.#deadlineMs);
      const take = (worker) => (clearTimeout(timer), resolve(worker));
      this.#waiting.push(take);
    });
  }

  #give(worker) {
    if (this.#closed) return worker.terminate();
    const take = this.#waiting.shift();
    take ? take(worker) : this.#idle.push(worker);
  }

  async #replace(worker) {
    await worker.terminate();
    if (this.#closed) return;
    this.#spawn().then((fresh) => this.#give(fresh), (error) => console.error(`an instance is lost: ${error.message}`));
  }

  async close() {
    this.#closed = true;
    await Promise.all(this.#idle.map((worker) => worker.terminate()));
  }
}
