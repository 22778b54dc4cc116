// SPDX-License-Identifier: Apache-2.0
// Two hundred tasks, and everything else that opens something: afterwards the server holds what it held before.
import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import { Server, fake, filesystem, root, slow, stream, test } from './lib/server.mjs';
import { differences, measure, quiet } from './lib/holdings.mjs';
import { Model, calls, finished, planned, using, written } from './lib/model.mjs';

function assertSame(before, now) {
  assert.deepEqual(differences(before, now, { slow }), []);
  for (const [title, { pid }] of Object.entries(before.each)) assert.equal(now.each[title].pid, pid, `${title} is the same process`);
}

async function many(s, count, one) {
  const left = Array.from({ length: count }, (_, i) => i);
  await Promise.all(Array.from({ length: 10 }, async () => { while (left.length) await one(left.pop()); }));
}

test('offline, with a real tool server: 200 tasks', async () => {
  const s = await Server.start({ tools: [filesystem(path.join(root, 'etc/sample_data'))], config: { log: { level: 'info' } } });
  const one = async (i) => {
    const { id } = await s.submit('Read a file and summarize its contents', { approval: i % 2 ? 'auto' : 'required' });
    if (i % 2 === 0) {
      await s.until(id, 'awaiting_approval');
      if (i % 10 === 0) return void await s.post(`/v1/tasks/${id}/${i % 20 ? 'cancel' : 'reject'}`);
      await s.post(`/v1/tasks/${id}/approve`);
    }
    await s.until(id, 'completed');
    if (i % 5 === 1) for await (const e of stream(`${s.url}/v1/tasks/${id}/stream`)) void e;
  };
  await many(s, 60, one);
  await quiet(s);
  const before = measure(s);
  await many(s, 200, one);
  await quiet(s);
  assertSame(before, measure(s));
  await s.stop();
});

test('model calls, failed ones too, cancelled tasks, clients that leave, a tool server that dies', async () => {
  const model = await Model.start({ rules: [
    { when: { system: 'planner', user: 'refused' }, respond: { status: 401 } },
    { when: { system: 'planner', user: 'hangs' }, respond: { hang: true } },
    { when: { system: 'planner', user: 'cut' }, respond: { text: 'x'.repeat(200), cut_after_bytes: 900 } },
    planned({ objective: 'use', tools: ['fake__echo'] }),
    { when: { system: 'executor', turn: 0 }, respond: calls('fake__echo', { text: 'x' }) },
    { when: { system: 'executor' }, respond: finished() }, written()] });
  // Its failures are meant: nobody is to be spared.
  const s = await Server.start({ tools: [fake('fake', 'echo'), fake('dies', 'exit-after', '0')], config: using(model, { log: { level: 'info' }, llm: { breaker_failures: 0 }, tools: { restart_ms_min: 10, restart_ms_max: 50 } }) });
  const one = async (i) => {
    const kind = ['works', 'refused', 'hangs', 'cut', 'leaves'][i % 5];
    const { id } = await s.submit(`${kind} ${i}`, { approval: 'auto' });
    if (kind === 'hangs') await s.post(`/v1/tasks/${id}/cancel`);
    if (kind === 'leaves') {
      const socket = net.connect(s.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(`GET /v1/tasks/${id}/stream HTTP/1.1\r\nHost: a\r\n\r\n`);
      await new Promise((resolve) => { socket.once('data', resolve); });
      socket.resetAndDestroy();
    }
    await s.until(id, 'completed', 'failed', 'cancelled');
  };
  await many(s, 50, one);
  await quiet(s);
  const before = measure(s);
  await many(s, 200, one);
  await quiet(s);
  assertSame(before, measure(s));
  await s.stop();
  await model.stop();
});
