// SPDX-License-Identifier: Apache-2.0
// Calls that a server of 2026-07-28 answers with a task (extension io.modelcontextprotocol/tasks), over both transports: they end
// once and as the server says, ask a person, tell progress, and are cancelled by their name.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Site, scratch } from './lib/durable.mjs';
import { alive, assertDense, descendants, eventually, fakeSandbox, fakes, onTestEnd, stdio, stream, test } from './lib/server.mjs';
import { TaskServer } from '../fake/task_http.mjs';

/** One such server; asked(method): the params of all it was asked so. */
const kinds = {
  stdio: async () => {
    const log = path.join(scratch(), 'log');
    const lines = () => (fs.existsSync(log) ? fs.readFileSync(log, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l)) : []);
    return { entry: { ...stdio('t', path.join(fakes, 'task_mcp'), [log], { era: 'modern' }), sandbox: fakeSandbox },
      asked: (method) => lines().filter((m) => m.method === method).map((m) => m.params) };
  },
  http: async () => {
    const server = await TaskServer.start();
    onTestEnd(() => server.stop());
    return { server, entry: { id: 't', enabled: true, type: 'remote_http', config: { url: server.url } },
      asked: (method) => server.requests.filter((q) => q.body?.method === method).map((q) => q.body.params) };
  },
};
const PROMPT = 'quince';

/** A task of ours in whose only step that tool is being called. */
async function calling(site, tool, prompt = PROMPT) {
  const { id } = await site.s.submit(prompt, { approval: 'auto' });
  (await site.next('planner', prompt)).plan({ objective: 'do it', tools: [`t__${tool}`], effect: 'write' });
  (await site.next('executor', prompt)).calls([`t__${tool}`, {}]);
  return id;
}
/** What the model is told of it; then the task is brought to its end. */
async function told(site, id, prompt = PROMPT) {
  const said = await site.next('executor', prompt).then((c) => { c.finish(); return c.told; });
  await site.finish(id, prompt);
  const events = await site.s.events(id);
  assertDense(events);
  assert.equal(events.filter((e) => /^tool\.(completed|failed)$/.test(e.event)).length, 1, 'it ends once');
  return said;
}

for (const kind of ['stdio', 'http']) {
  const open = async (config = {}) => {
    const peer = await kinds[kind]();
    return { ...peer, site: await Site.open({ tools: [peer.entry], config }) };
  };

  test(`a call that becomes a task works like any other, and its status messages are its progress (${kind})`, async () => {
    const { site, asked } = await open();
    const id = await calling(site, 'long');
    const following = (async () => { const all = []; for await (const e of stream(`${site.s.url}/v1/tasks/${id}/stream`)) all.push(e); return all; })();
    assert.match(await told(site, id), /long and done/);
    const said = (await following).filter((e) => e.event === 'tool.progress').map((e) => e.data.message);
    assert.ok(said.includes('2 of 2'), JSON.stringify(said));
    assert.equal(asked('tasks/get').length, 3);
    assert.equal(asked('tasks/cancel').length, 0);
    await site.end();
  });

  test(`what such a task wants to know is asked of a person once, and told once (${kind})`, async () => {
    const { site, asked } = await open();
    const id = await calling(site, 'asks');
    let doc;
    await eventually(async () => {
      doc = (await site.s.json(`/v1/tasks/${id}`)).body;
      return doc.status === 'input_required';
    }, 'the server asks', 20_000);
    assert.deepEqual([doc.pending.kind, doc.pending.server, doc.pending.tool], ['elicitation', 't', 'asks']);
    const before = asked('tasks/get').length;
    await eventually(() => asked('tasks/get').length > before + 1, 'it is asked about meanwhile', 20_000);
    const now = (await site.s.json(`/v1/tasks/${id}`)).body;
    assert.deepEqual([now.status, now.pending.id], ['input_required', doc.pending.id], 'and nobody is asked twice');
    const r = await site.s.post(`/v1/tasks/${id}/input`, { id: doc.pending.id, action: 'accept', content: { name: 'Ada' } });
    assert.equal(r.status, 200, JSON.stringify(r.body));
    assert.match(await told(site, id), /hello Ada, told 1 time/);
    assert.deepEqual(asked('tasks/update').map((p) => p.inputResponses), [{ who: { action: 'accept', content: { name: 'Ada' } } }]);
    await site.end();
  });

  test(`a task that fails, or that its server does not know any more, is an error that says so (${kind})`, async () => {
    const { site, asked } = await open();
    assert.match(await told(site, await calling(site, 'fails', 'medlar'), 'medlar'), /-32603: rate limit exceeded/);
    assert.match(await told(site, await calling(site, 'expires', 'sloe'), 'sloe'),
      /does not know its task of this call any more, which it was to keep for 60000 ms: .*Task has expired/);
    assert.equal(asked('tasks/cancel').length, 0);
    await site.end();
  });

  test(`cancelled while such a task runs: it is cancelled at its server by its name, and the next one is served (${kind})`, async () => {
    const { site, asked } = await open();
    const id = await calling(site, 'endless');
    await eventually(() => asked('tasks/get').length > 0, 'the task runs at the server', 20_000);
    assert.equal((await site.s.post(`/v1/tasks/${id}/cancel`)).status, 200);
    await eventually(() => asked('tasks/cancel').length > 0, 'the server is told', 20_000);
    assert.deepEqual(asked('tasks/cancel').map((p) => p.taskId), [asked('tasks/get')[0].taskId]);
    await eventually(async () => (await site.s.json(`/v1/tasks/${id}`)).body.status === 'cancelled', 'cancelled', 20_000);
    assert.match(await told(site, await calling(site, 'long', 'damson'), 'damson'), /long and done/);
    await site.end();
  });

  test(`a task that never ends meets the limits of its call, and is cancelled at its server (${kind})`, async () => {
    const { site, asked } = await open({ tools: { call_idle_seconds: 2 } });
    assert.match(await told(site, await calling(site, 'endless')), /neither answer nor progress for 2000 ms/);
    await eventually(() => asked('tasks/cancel').length === 1, 'the server is told', 20_000);
    await site.end();
  });

  test(`a server that tells the status of its tasks is believed, long before it would be asked (${kind})`, async () => {
    const { site, asked, server } = await open();
    const began = Date.now();
    assert.match(await told(site, await calling(site, 'told')), /told and done/);
    assert.ok(Date.now() - began < 25_000, 'before its 30 seconds are over');
    assert.deepEqual(asked('subscriptions/listen').map((p) => p.notifications.taskIds.length), [1]);
    if (kind === 'http') await eventually(() => server.streams === 0, 'the subscription ends with the task', 20_000);
    else await eventually(() => asked('notifications/cancelled').length === 1, 'the subscription ends with the task', 20_000);
    await site.end();
  });
}

test('a remote server that is away for a moment while such a task runs: its task is asked about until it is back', async () => {
  const { server, entry, asked } = await kinds.http();
  const site = await Site.open({ tools: [entry] });
  const id = await calling(site, 'gated');
  await eventually(() => asked('tasks/get').length > 0, 'the task runs at the server', 20_000);
  await server.away(1500);
  server.open = true;
  assert.match(await told(site, id), /gated and done/);
  assert.equal(asked('tools/call').length, 1);
  await site.end();
});

test('a server that dies while such a task runs: nobody knows whether the call took effect, and it is not made again', async () => {
  const peer = await kinds.stdio();
  const site = await Site.open({ tools: [peer.entry] });
  const id = await calling(site, 'endless');
  await eventually(() => peer.asked('tasks/get').length > 0, 'the task runs at the server', 20_000);
  const { pid } = descendants(site.s.pid).find((p) => p.title.includes('task_mcp'));
  process.kill(pid, 'SIGKILL');
  await eventually(() => !alive(pid), 'dead', 10_000);
  let doc;
  await eventually(async () => {
    doc = (await site.s.json(`/v1/tasks/${id}`)).body;
    return doc.status === 'input_required';
  }, 'a person is asked', 20_000);
  assert.equal(doc.plan.steps[0].status, 'in_doubt');
  const r = await site.s.post(`/v1/tasks/${id}/input`, { id: doc.pending.id, action: 'completed', content: 'it did' });
  assert.equal(r.status, 200, JSON.stringify(r.body));
  await site.finish(id, PROMPT);
  assert.equal(peer.asked('tools/call').length, 1);
  await site.end();
});
