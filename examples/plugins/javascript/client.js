// One GET through wasi:http. Deadlines, credentials and the size limit are the host's; so is every handle, and each has
// to be given back, children first.

import { handle } from 'wasi:http/outgoing-handler@0.2.12';
import { Fields, OutgoingRequest } from 'wasi:http/types@0.2.12';

const MAX_BODY = 10 * 1024 * 1024;
const dispose = Symbol.dispose ?? Symbol.for('dispose');
const text = new TextEncoder();

const TIMEOUTS = [
  'DNS-timeout', 'connection-timeout', 'connection-read-timeout', 'connection-write-timeout', 'HTTP-response-timeout',
];

/** The status, and with 200 the ETag (bytes) and the body. Throws a fetch-error. */
export function request({ scheme, authority }, path, etag) {
  const held = [];
  const hold = (resource) => (held.push(resource), resource);
  const unreachable = (what) => ({ tag: 'unreachable', val: `${scheme}://${authority}: ${what}` });
  try {
    const headers = [['accept', text.encode('application/json, text/plain, */*')], ['user-agent', text.encode('roster-plugin-javascript')]];
    if (etag) headers.push(['if-none-match', etag]);
    const outgoing = new OutgoingRequest(Fields.fromList(headers));
    outgoing.setScheme({ tag: scheme.toUpperCase() });
    outgoing.setAuthority(authority);
    outgoing.setPathWithQuery(path);
    const future = hold(handle(outgoing, undefined));
    const ready = future.subscribe();
    ready.block();
    ready[dispose]();
    const outcome = future.get();
    // A result within a result: whether it was asked for before, and what came of it.
    if (outcome?.tag !== 'ok') throw unreachable('the host has no answer');
    if (outcome.val.tag !== 'ok') throw outcome.val.val;
    const response = hold(outcome.val.val);
    const status = response.status();
    if (status !== 200) return { status };
    const fields = hold(response.headers());
    const etags = fields.get('etag');
    const content = hold(response.consume());
    const stream = hold(content.stream());
    return { status, etag: etags.length === 1 && isEtag(etags[0]) ? etags[0] : undefined, body: readAll(stream) };
  } catch (error) {
    throw explain(error?.payload ?? error, unreachable);
  } finally {
    for (const resource of held.reverse()) resource[dispose]();
  }
}

/** An entity tag (RFC 9110 section 8.8.3). Nothing else may be sent back. */
const isEtag = (bytes) => bytes.length <= 1024 && /^(W\/)?"[!#-~]*"$/.test(String.fromCharCode(...bytes));

function readAll(stream) {
  const pieces = [];
  let length = 0;
  for (;;) {
    try {
      const piece = stream.blockingRead(BigInt(MAX_BODY + 1 - length));
      pieces.push(piece);
      length += piece.length;
    } catch (error) {
      const { tag, val } = error?.payload ?? error;
      if (tag === 'closed') break;
      const reason = val?.toDebugString?.() ?? 'the answer broke off';
      val?.[dispose]?.();
      throw { tag: 'internal-error', val: reason };
    }
    if (length > MAX_BODY) throw { tag: 'too-large' };
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    body.set(piece, at);
    at += piece.length;
  }
  return body;
}

/** A fetch-error for an error-code of wasi:http, or the fetch-error it is already. */
function explain(error, unreachable) {
  if (error instanceof Error) return error; // A fault of this plugin: it traps.
  const { tag, val } = error;
  if (['unreachable', 'too-large'].includes(tag)) return error;
  if (TIMEOUTS.includes(tag)) return { tag: 'timed-out' };
  if (tag === 'HTTP-response-body-size') return { tag: 'too-large' };
  if (tag === 'HTTP-request-denied' || tag === 'destination-IP-prohibited') return unreachable('the host does not allow this address');
  return unreachable(typeof val === 'string' ? val : tag);
}
