// One instance of the plugin in a thread of its own: wasi:http is synchronous in Node, and would hold up the server.

import { parentPort, workerData } from 'node:worker_threads';
import { Snapshot, load } from './plugin.js';

const hooks = await load(workerData).catch((error) => {
  const { key, reason } = error.payload ?? {};
  throw new Error(key ? `setting ${key} ${reason}` : error.message);
});

parentPort.on('message', ({ hook, args }) => {
  try {
    if (hook === 'refresh') args[1] = new Snapshot(args[1]);
    parentPort.postMessage({ ok: hooks[hook](...args) });
  } catch (error) {
    // What a hook returns as an error has a payload. Anything else is a trap: the instance is spent.
    if (error.payload === undefined) throw error;
    parentPort.postMessage({ err: error.payload });
  }
});
parentPort.postMessage('ready');
