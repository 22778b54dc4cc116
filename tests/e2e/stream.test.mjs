// SPDX-License-Identifier: Apache-2.0
// Server-sent events: all of them from the first, then live, resumable at every place, and never a false end.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { once } from 'node:events';
import { EventSource } from 'eventsource';
import { Server, assertDense, assertProblem, onTestEnd, socketOwner, stream, test } from './lib/server.mjs';
import { HeldModel, using } from './lib/model.mjs';

const READ = { objective: 'look', effect: 'none' };

/** A stream as bytes: {head, text(), until(fn), ended: 'end' | 'cut', socket}. */
async function open(s, id, { after, lastEventId } = {}) {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) };
  const request = http.get(`${s.url}/v1/tasks/${id}/stream${after === undefined ? '' : `?after=${after}`}`, { headers, agent: false });
  request.on('error', () => {}); // it is told by the response, too
  onTestEnd(() => request.destroy());
  const [response] = await once(request, 'response');
  const o = { response, socket: response.socket, text: '', chunks: 0 };
  const waiters = new Set();
  response.setEncoding('utf8').on('data', (d) => { o.text += d; o.chunks += 1; for (const w of waiters) w(); });
  o.until = (fn) => new Promise((resolve) => {
    const look = () => { if (fn(o.text)) { waiters.delete(look); resolve(); } };
    waiters.add(look);
    look();
  });
  o.ended = new Promise((resolve) => {
    response.on('end', () => resolve('end'));
    response.on('error', () => resolve('cut'));
    response.on('aborted', () => resolve('cut'));
  });
  return o;
}
const numbered = (text) => [...text.matchAll(/^id: (\d+)$/gm)].map((m) => Number(m[1]));
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A task that waits for its model: server, model, task id, the planner's request. */
async function underWay(config = {}) {
  const model = await HeldModel.start();
  const s = await Server.start({ config: using(model, config) });
  const { id } = await s.submit('watch me', { approval: 'auto' });
  const planner = await model.next('planner');
  return { model, s, id, planner };
}
async function complete({ model, planner }) {
  planner.plan(READ);
  (await model.next('executor')).finish('seen');
  (await model.next('writer')).text('All seen.');
}

test('the first byte comes at once, with the right head; then events live; then end and a clean close', async () => {
  const w = await underWay();
  const o = await open(w.s, w.id);
  assert.equal(o.response.statusCode, 200);
  assert.match(o.response.headers['content-type'], /^text\/event-stream/);
  assert.equal(o.response.headers['x-accel-buffering'], 'no');
  assert.match(o.response.headers['cache-control'], /no-store|no-cache/);
  await o.until((t) => t.length > 0);
  assert.match(o.text, /^:/, 'a comment first');
  await o.until((t) => t.includes('event: model.started'));
  assert.ok(!o.text.includes('plan.created'));
  w.planner.say('{"thinking');
  await o.until((t) => t.includes('event: model.delta'));
  assert.ok(!/id: \d+\nevent: model\.delta/.test(o.text), 'live events carry no id');
  w.planner.res.destroy();
  await o.until((t) => t.includes('event: end'));
  assert.equal(await o.ended, 'end');
  assert.ok(!o.text.includes('\r'));
  assert.match(o.text, /\n\nevent: end\ndata: [^\n]+\n\n$/);
  const doc = (await w.s.json(`/v1/tasks/${w.id}`)).body;
  assert.deepEqual(numbered(o.text), range(1, doc.last_seq));
  const last = o.text.trimEnd().split('\n\n').at(-2);
  assert.match(last, /^id: \d+\nevent: task\.state\ndata: \{.*\}$/);
  assert.equal(JSON.parse(last.split('data: ')[1]).to, 'failed');
  await w.s.stop();
  await w.model.stop();
});

test('every event is id, event, data in one line of JSON that names its number and time', async () => {
  const w = await underWay();
  const o = await open(w.s, w.id);
  await complete(w);
  assert.equal(await o.ended, 'end');
  for (const block of o.text.split('\n\n').filter((b) => b && !b.startsWith(':'))) {
    assert.match(block, /^(id: \d+\n)?event: [a-z._]+\ndata: \{[^\n]*\}$/);
    const data = JSON.parse(block.split('data: ')[1]);
    const id = /^id: (\d+)/.exec(block)?.[1];
    if (id) {
      assert.equal(data.seq, Number(id));
      assert.ok(!Number.isNaN(Date.parse(data.at)), data.at);
    }
  }
  await w.s.stop();
  await w.model.stop();
});

test('resuming at every place gives exactly the rest; the header goes before the parameter; the future is refused', async () => {
  const w = await underWay();
  await complete(w);
  const { last_seq: last } = await w.s.until(w.id, 'completed');
  const all = await w.s.events(w.id);
  assertDense(all);
  assert.equal(all.length, last + 1, 'all events and the end');
  for (let k = 0; k <= last; k++) {
    for (const how of [{ after: k }, { lastEventId: k }, { lastEventId: k, after: last - k }]) {
      const o = await open(w.s, w.id, how);
      assert.equal(await o.ended, 'end');
      assert.deepEqual(numbered(o.text), range(k + 1, last), JSON.stringify(how));
      assert.match(o.text, /event: end/);
    }
  }
  for (const bad of ['after=-1', 'after=x', `after=${last + 1}`, 'after=99999999999999999999', 'from=1'])
    assertProblem(await w.s.json(`/v1/tasks/${w.id}/stream?${bad}`), 400, 'invalid-field');
  assertProblem(await w.s.json(`/v1/tasks/${w.id}/stream`, { headers: { 'last-event-id': 'abc' } }), 400, 'invalid-field');
  await w.s.stop();
  await w.model.stop();
});

test('heartbeat: a quiet stream gets comments, no events', async () => {
  const w = await underWay({ server: { heartbeat_seconds: 1 } });
  const o = await open(w.s, w.id);
  await o.until((t) => t.includes('event: model.started'));
  const events = numbered(o.text).length;
  await o.until((t) => (t.match(/^:.*$/gm) ?? []).length >= 3);
  assert.equal(numbered(o.text).length, events);
  await w.s.post(`/v1/tasks/${w.id}/cancel`);
  assert.equal(await o.ended, 'end');
  await w.s.stop();
  await w.model.stop();
});

test('two subscribers on different workers see the same', async () => {
  const w = await underWay();
  const workers = w.s.processes().workers.map((p) => p.pid);
  assert.equal(workers.length, 2);
  const streams = [];
  // While one worker is stopped, the other one accepts.
  for (const [wanted, other] of [workers, workers.toReversed()]) {
    process.kill(other, 'SIGSTOP');
    const o = await open(w.s, w.id);
    assert.equal(socketOwner(w.s.port, o.socket.localPort, workers), wanted);
    process.kill(other, 'SIGCONT');
    streams.push(o);
  }
  for (const o of streams) await o.until((t) => t.includes('event: model.started'));
  w.planner.say('x');
  for (const o of streams) await o.until((t) => t.includes('event: model.delta'));
  w.planner.res.destroy();
  for (const o of streams) assert.equal(await o.ended, 'end');
  const plain = (t) => t.replaceAll(/^:\n\n/gm, '');
  assert.equal(plain(streams[0].text), plain(streams[1].text));
  await w.s.stop();
  await w.model.stop();
});

test('a slow reader gets everything, and holds nobody up', async () => {
  const w = await underWay({ limits: { tool_result_bytes: 1048576 }, store: { size_mb: 256, task_bytes: 67108864 } });
  const socket = net.connect({ port: w.s.port, host: '127.0.0.1' });
  onTestEnd(() => socket.destroy());
  socket.write(`GET /v1/tasks/${w.id}/stream HTTP/1.1\r\nHost: a\r\n\r\n`);
  await once(socket, 'readable');
  // Nothing is read from here on: what the kernel's buffers do not take waits in the store.
  const text = 'y'.repeat(250_000);
  const steps = 20;
  w.planner.plan(...Array.from({ length: steps }, (_, i) => ({ ...READ, id: `s${i + 1}` })));
  for (let i = 0; i < steps; i++) (await w.model.next('executor')).finish(text);
  (await w.model.next('writer')).text('Done.');
  const doc = await w.s.until(w.id, 'completed');
  const fast = await w.s.events(w.id);
  assertDense(fast);
  const parts = [];
  socket.on('data', (d) => { parts.push(d); if (d.includes('event: end')) socket.end(); });
  await once(socket, 'close');
  const got = Buffer.concat(parts).toString('latin1');
  assert.ok(got.length > 2 * steps * text.length, 'more than kernels buffer');
  // Chunk borders fall anywhere: take them out before looking for lines.
  const body = got.slice(got.indexOf('\r\n\r\n') + 4);
  let plain = '';
  for (let at = 0; at < body.length;) {
    const line = body.indexOf('\r\n', at);
    const size = parseInt(body.slice(at, line), 16);
    if (!size) break;
    plain += body.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
  assert.deepEqual(numbered(plain), range(1, doc.last_seq));
  await w.s.stop();
  await w.model.stop();
});

test('SIGTERM with an unfinished stream: the client sees an error, never an end', async () => {
  for (const when of ['waiting for a person', 'model running']) {
    const w = await underWay({ server: { drain_seconds: 1 } });
    let id = w.id;
    if (when === 'waiting for a person') {
      ({ id } = await w.s.submit('needs approval'));
      (await w.model.next('planner')).plan(READ);
      await w.s.until(id, 'awaiting_approval');
    }
    const o = await open(w.s, id);
    await o.until((t) => t.includes('task.state'));
    const stopping = w.s.stop();
    assert.equal(await o.ended, 'cut', when);
    assert.ok(!o.text.includes('event: end'));
    await stopping;
    await w.model.stop();
  }
});

test('a finished stream ends cleanly also when the server stops', async () => {
  const w = await underWay();
  await complete(w);
  await w.s.until(w.id, 'completed');
  const o = await open(w.s, w.id);
  assert.equal(await o.ended, 'end');
  await w.s.stop();
  await w.model.stop();
});

test('the eventsource client reconnects after a cut and misses nothing', async () => {
  const w = await underWay();
  // Between client and server, so that the connection can be cut from outside.
  const links = new Set();
  let passed = 0;
  const between = net.createServer((client) => {
    passed += 1;
    const server = net.connect(w.s.port, '127.0.0.1');
    links.add(client);
    client.on('error', () => {}).on('close', () => server.destroy());
    server.on('error', () => {}).on('close', () => client.destroy());
    client.pipe(server);
    server.pipe(client);
  });
  between.listen(0, '127.0.0.1');
  await once(between, 'listening');
  onTestEnd(() => { between.close(); for (const l of links) l.destroy(); });
  const source = new EventSource(`http://127.0.0.1:${between.address().port}/v1/tasks/${w.id}/stream`);
  onTestEnd(() => source.close());
  const ids = [];
  let started;
  const seen = new Promise((resolve) => { started = resolve; });
  const over = new Promise((resolve) => {
    const note = (e) => { if (e.lastEventId && Number(e.lastEventId) !== ids.at(-1)) ids.push(Number(e.lastEventId)); };
    for (const type of ['task.created', 'task.state', 'task.result', 'plan.created', 'plan.approved', 'step.started', 'step.completed', 'model.completed', 'model.failed', 'model.retried']) source.addEventListener(type, note);
    source.addEventListener('model.started', (e) => { note(e); started(); });
    source.addEventListener('end', (e) => { source.close(); resolve(JSON.parse(e.data)); });
  });
  await seen;
  for (const l of links) l.resetAndDestroy();
  await complete(w);
  assert.equal((await over).status, 'completed');
  assert.ok(passed >= 2, 'it came back');
  const { last_seq: last } = (await w.s.json(`/v1/tasks/${w.id}`)).body;
  assert.deepEqual(ids, range(1, last));
  await w.s.stop();
  await w.model.stop();
});

test('many streams of one task', async () => {
  const w = await underWay();
  const all = Array.from({ length: 100 }, async () => {
    const ids = [];
    for await (const e of stream(`${w.s.url}/v1/tasks/${w.id}/stream`)) if (e.id) ids.push(e.id);
    return ids;
  });
  await complete(w);
  const { last_seq: last } = await w.s.until(w.id, 'completed');
  for (const ids of await Promise.all(all)) assert.deepEqual(ids, range(1, last));
  await w.s.stop();
  await w.model.stop();
});
