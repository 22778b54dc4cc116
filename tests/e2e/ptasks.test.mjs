// SPDX-License-Identifier: Apache-2.0
// A tool that its server runs as a task of its own (MCP 2025-11-25): the official server's research, as a local and as a remote server.
import assert from 'node:assert/strict';
import { Site } from './lib/durable.mjs';
import { everything, freePort } from './lib/everything.mjs';
import { assertDense, eventually, mcpPackage, stdio, stream, test } from './lib/server.mjs';
import { Tap } from './lib/tap.mjs';

const official = () => stdio('everything', process.execPath, [mcpPackage('@modelcontextprotocol/server-everything'), 'stdio']);
const TOOL = 'everything__simulate-research-query';

/** The same one over Streamable HTTP, with somebody in between who remembers what it was asked. */
async function remote() {
  const port = await freePort();
  await everything('streamableHttp', port);
  const tap = await Tap.start(`http://127.0.0.1:${port}`);
  return { tap, entry: { id: 'everything', enabled: true, type: 'remote_http', config: { url: `${tap.url}/mcp` } } };
}
/** A task of ours in whose only step the research was just begun. */
async function researching(site, prompt, args) {
  const { id } = await site.s.submit(prompt, { approval: 'auto' });
  (await site.next('planner', prompt)).plan({ objective: 'look into it', tools: [TOOL], effect: 'write' });
  (await site.next('executor', prompt)).calls([TOOL, args]);
  return id;
}
/** What the model is told of the research; then the task is brought to its end. */
async function told(site, id, prompt) {
  const text = await site.next('executor', prompt).then((c) => { c.finish(); return c.told; });
  await site.finish(id, prompt);
  const events = await site.s.events(id);
  assertDense(events);
  assert.equal(events.filter((e) => e.event === 'tool.completed').length, 1, 'it ends once');
  return text;
}

test('a tool that demands to run as a task of its server works like any other', async () => {
  const site = await Site.open({ tools: [official()] });
  const id = await researching(site, 'quince', { topic: 'quinces' });
  const following = (async () => { const all = []; for await (const e of stream(`${site.s.url}/v1/tasks/${id}/stream`)) all.push(e); return all; })();
  const text = await told(site, id, 'quince');
  assert.match(text, /Research Report: quinces/);
  assert.doesNotMatch(text, /-32601/);
  const said = (await following).filter((e) => e.event === 'tool.progress').map((e) => e.data.message);
  assert.ok(said.includes('Generating report...'), JSON.stringify(said));
  await site.end();
});

for (const transport of ['stdio', 'http'])
  test(`what such a task asks is asked of a person, in the course of its call (${transport})`, async () => {
    const site = await Site.open({ tools: [transport === 'stdio' ? official() : (await remote()).entry] });
    const id = await researching(site, 'medlar', { topic: 'python', ambiguous: true });
    let doc;
    await eventually(async () => {
      doc = (await site.s.json(`/v1/tasks/${id}`)).body;
      return doc.status === 'input_required';
    }, 'the server asks', 20_000);
    assert.deepEqual([doc.pending.kind, doc.pending.server, doc.pending.tool], ['elicitation', 'everything', 'simulate-research-query']);
    const r = await site.s.post(`/v1/tasks/${id}/input`, { id: doc.pending.id, action: 'accept', content: { interpretation: 'snake' } });
    assert.equal(r.status, 200, JSON.stringify(r.body));
    assert.match(await told(site, id, 'medlar'), /Research Report: python \(snake\)/);
    await site.end();
  });

test('cancelled while such a task runs: it is cancelled at its server by its name, and the next one is served', async () => {
  const { entry, tap } = await remote();
  const asked = (method) => tap.seen.filter((r) => r.body?.method === method).map((r) => r.body.params);
  const site = await Site.open({ tools: [entry] });
  const id = await researching(site, 'sloe', { topic: 'sloes' });
  await eventually(() => asked('tasks/get').length > 0, 'the task runs at the server', 20_000);
  assert.equal((await site.s.post(`/v1/tasks/${id}/cancel`)).status, 200);
  await eventually(() => asked('tasks/cancel').length > 0, 'the server is told', 20_000);
  assert.deepEqual(asked('tasks/cancel').map((p) => p.taskId), [asked('tasks/get')[0].taskId]);
  assert.deepEqual(asked('notifications/cancelled'), []);
  await eventually(async () => (await site.s.json(`/v1/tasks/${id}`)).body.status === 'cancelled', 'cancelled', 20_000);
  const next = await researching(site, 'damson', { topic: 'damsons' });
  assert.match(await told(site, next, 'damson'), /Research Report: damsons/);
  await site.end();
});
