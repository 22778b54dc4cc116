// SPDX-License-Identifier: Apache-2.0
// A network between us and the model server that breaks, by a tool that nobody here wrote (mountebank): resets, noise, silence,
// streams that stall. What happens before any text is tried again; nothing hangs.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before } from 'node:test';
import { recorded } from '../bench/lib/model_streams.mjs';
import { Server, assertDense, root, tempDir, test } from './lib/server.mjs';
import { plan } from './lib/model.mjs';

let mb, admin, dir;
before(async () => {
  dir = tempDir();
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  mb = spawn(process.execPath, [path.join(root, 'tests/e2e/node_modules/@mbtest/mountebank/bin/mb'), 'start', '--port', String(port), '--host', '127.0.0.1', '--localOnly', '--nologfile', '--pidfile', path.join(dir, 'mb.pid')], { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'] });
  admin = `http://127.0.0.1:${port}`;
  let said = '';
  await new Promise((resolve, reject) => {
    mb.stdout.on('data', (text) => { said += text; if (said.includes('now taking orders')) resolve(); });
    mb.on('exit', () => reject(new Error(`mountebank ended: ${said}`)));
  });
});
after(async () => {
  mb.kill('SIGKILL');
  await once(mb, 'exit');
  fs.rmSync(dir, { recursive: true, force: true });
});

/** A server that gives these responses one after the other, then the last for good. Returns its port. */
async function imposter(protocol, responses) {
  const body = { protocol, host: '127.0.0.1', ...(protocol === 'tcp' ? { mode: 'text' } : {}), stubs: [{ responses }] };
  const made = await (await fetch(`${admin}/imposters`, { method: 'POST', body: JSON.stringify(body) })).json();
  assert.ok(made.port, JSON.stringify(made));
  return made.port;
}

const event = (o) => `data: ${typeof o === 'string' ? o : JSON.stringify(o)}\n\n`;
const answer = (text) => event({ choices: [{ index: 0, delta: { content: text } }] }) + event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }) + event('[DONE]');
// A plan with questions only ends a task at once: the planner's call is all there is to see.
const NOTHING_TO_DO = JSON.stringify({ ...JSON.parse(plan('x', [])), final_output: 'Already done.' });
const well = (body = answer(NOTHING_TO_DO)) => ({ is: { statusCode: 200, headers: { 'Content-Type': 'text/event-stream', Connection: 'close' }, body } });

async function run(port, llm = {}) {
  const s = await Server.start({ config: { openai: { api_key: 'sk-net', base_url: `http://127.0.0.1:${port}/v1` }, llm: { api: 'chat', model: 'm', ...llm } } });
  const { id } = await s.submit('do it', { approval: 'auto' });
  const doc = await s.until(id, 'completed', 'failed');
  const events = await s.events(id);
  assertDense(events);
  await s.stop();
  return { doc, retried: events.filter((e) => e.event === 'model.retried') };
}

test('a connection that is reset, then a good one', async () => {
  const port = await imposter('http', [{ fault: 'CONNECTION_RESET_BY_PEER' }, well()]);
  const r = await run(port);
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  assert.equal(r.doc.result, 'Already done.');
  assert.equal(r.retried.length, 1);
});

test('noise in place of HTTP: the wrong address, says which option', async () => {
  const port = await imposter('http', [{ fault: 'RANDOM_DATA_THEN_CLOSE' }]);
  const r = await run(port);
  assert.equal(r.doc.status, 'failed');
  assert.match(r.doc.error.message, new RegExp(`127\\.0\\.0\\.1:${port}.*base_url`));
});

test('resets without end: given up after llm.retries_max, with the address', async () => {
  const port = await imposter('http', [{ fault: 'CONNECTION_RESET_BY_PEER' }]);
  const r = await run(port, { retries_max: 1 });
  assert.equal(r.doc.status, 'failed');
  assert.match(r.doc.error.message, new RegExp(`2 attempts.*127\\.0\\.0\\.1:${port}`));
});

test('silence before the first byte: llm.first_byte_seconds, then tried again', async () => {
  const late = { ...well(), behaviors: [{ wait: 3000 }] };
  const port = await imposter('http', [late, well()]);
  const r = await run(port, { first_byte_seconds: 1 });
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  assert.match(r.retried[0].data.error.message, /llm\.first_byte_seconds/);
});

test('Retry-After as a date', async () => {
  const port = await imposter('http', [{ is: { statusCode: 503, headers: { 'Retry-After': new Date(Date.now() + 2500).toUTCString(), Connection: 'close' }, body: 'busy' } }, well()]);
  const r = await run(port);
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  assert.ok(r.retried[0].data.wait_ms <= 2500, `${r.retried[0].data.wait_ms} ms`);
});

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n';
const STALLED = {
  chat: event({ choices: [{ index: 0, delta: { content: '{"goal":' } }] }),
  responses: recorded('responses', 'book_text').split('event: response.output_text.done')[0],
  messages: recorded('messages', 'book_text').split('event: content_block_stop')[0],
};
for (const [api, part] of Object.entries(STALLED)) {
  test(`${api}: a stream that stalls in the middle ends by llm.idle_seconds and is not taken for an answer`, async () => {
    const port = await imposter('tcp', [{ is: { data: HEAD + part } }]);
    const r = await run(port, { api, idle_seconds: 1 });
    assert.equal(r.doc.status, 'failed');
    assert.equal(r.doc.error.code, 'timeout');
    assert.match(r.doc.error.message, /llm\.idle_seconds/);
    assert.equal(r.retried.length, 0, 'what was passed on cannot be taken back');
  });
}
