// SPDX-License-Identifier: Apache-2.0
// What tool servers ask of a person while a call of theirs runs: by the official server, and by a scripted one for all that can go wrong.
import assert from 'node:assert/strict';
import path from 'node:path';
import { Site, roleOf } from './lib/durable.mjs';
import { assertDense, assertProblem, eventually, fakeSandbox, fakes, mcpPackage, socketOwner, stdio, test } from './lib/server.mjs';

const official = stdio('everything', process.execPath, [mcpPackage('@modelcontextprotocol/server-everything'), 'stdio']);
const asking = (...args) => ({ ...stdio('asks', path.join(fakes, 'asking_mcp'), args), sandbox: fakeSandbox });
const form = (properties, required = []) => JSON.stringify({ message: 'Who are you?', requestedSchema: { type: 'object', properties, required } });
const NAME = form({ name: { type: 'string' } }, ['name']);

/** A task in whose only step that tool was just called. */
async function calling(site, prompt, tool, args, effect = 'write') {
  const { id } = await site.s.submit(prompt, { approval: 'auto' });
  (await site.next('planner', prompt)).plan({ objective: 'ask', tools: [tool], effect });
  const call = await site.next('executor', prompt);
  const worker = socketOwner(call.port, site.model.server.address().port, site.s.processes().workers.map((p) => p.pid));
  call.calls([tool, args]);
  return { id, worker };
}
/** The task with this entry, once it waits for it. */
const waits = async (site, id, known = []) => {
  let doc;
  await eventually(async () => {
    // A worker that is killed takes its connections with it.
    doc = (await site.s.json(`/v1/tasks/${id}`).catch(() => ({ body: {} }))).body;
    return doc.status === 'input_required' && !known.includes(doc.pending?.id);
  }, 'the task asks', 20_000);
  return doc;
};
const answer = async (site, doc, action, content) => {
  const r = await site.s.post(`/v1/tasks/${doc.id}/input`, { id: doc.pending.id, action, ...(content === undefined ? {} : { content }) });
  return r;
};
/** What the model is told of the call; then the task is brought to its end. */
async function told(site, id, prompt) {
  const { told: text } = await site.next('executor', prompt).then((c) => { c.finish(); return c; });
  const doc = await site.finish(id, prompt);
  assert.equal(doc.pending, null);
  assertDense(await site.s.events(id));
  return text;
}

test('the official server asks with a form: shown, checked, defaults filled, answered', async () => {
  const site = await Site.open({ tools: [official] });
  const { id } = await calling(site, 'quince', 'everything__trigger-elicitation-request', {});
  const doc = await waits(site, id);
  const { pending } = doc;
  assert.equal(pending.kind, 'elicitation');
  assert.equal(pending.live, true);
  assert.deepEqual([pending.server, pending.tool, pending.mode, pending.step], ['everything', 'trigger-elicitation-request', 'form', 's1']);
  assert.deepEqual(pending.actions, ['accept', 'decline', 'cancel']);
  assert.ok(pending.message && pending.question.includes(pending.message));
  assert.equal(pending.schema.type, 'object');
  const required = pending.schema.required ?? [];
  const bad = await answer(site, doc, 'accept', { ...Object.fromEntries(required.map((k) => [k, 'x'])), nmae: 'x' });
  assertProblem(bad, 400, 'invalid-field');
  assert.match(JSON.stringify(bad.body), /\/content\/nmae/);
  assertProblem(await answer(site, doc, 'retry'), 400, 'invalid-field');
  assertProblem(await answer(site, { ...doc, pending: { id: 'ask1' } }, 'cancel'), 409, 'conflict');
  const content = Object.fromEntries(required.map((k) => [k, pending.schema.properties[k].type === 'string' ? 'Ada' : 1]));
  const r = await answer(site, doc, 'accept', content);
  assert.equal(r.status, 200, JSON.stringify(r.body));
  const text = await told(site, id, 'quince');
  assert.match(text, /Ada/);
  const input = (await site.s.events(id)).find((e) => e.event === 'task.input').data;
  for (const [name, field] of Object.entries(pending.schema.properties))
    if (field.default !== undefined && content[name] === undefined) assert.deepEqual(input.content[name], field.default, name);
  await site.end();
});

test('the official server asks for an address to be opened: shown whole, never fetched', async () => {
  const site = await Site.open({ tools: [official] });
  const url = `http://127.0.0.1:${site.port}/nowhere?seen=by-people-only`;
  const { id } = await calling(site, 'medlar', 'everything__trigger-url-elicitation', { url });
  const doc = await waits(site, id);
  assert.equal(doc.pending.mode, 'url');
  assert.equal(doc.pending.url, url);
  assertProblem(await answer(site, doc, 'accept', { any: 1 }), 400, 'invalid-field');
  assert.equal((await answer(site, doc, 'accept')).status, 200);
  assert.match(await told(site, id, 'medlar'), /accept|complet/i);
  assert.ok(!site.s.logs.some((l) => JSON.stringify(l).includes('by-people-only')), 'nobody asked for it');
  await site.end();
});

test('error -32042 of the official server: the address is shown, and once it is accepted the call is made again', async () => {
  const site = await Site.open({ tools: [official] });
  const url = `http://127.0.0.1:${site.port}/nowhere?seen=by-people-only`;
  const { id } = await calling(site, 'rowan', 'everything__trigger-url-elicitation', { url, errorPath: true });
  const first = await waits(site, id);
  assert.deepEqual([first.pending.mode, first.pending.url], ['url', 'https://modelcontextprotocol.io']);
  assert.ok(first.pending.elicitation_id);
  assert.equal((await answer(site, first, 'accept')).status, 200);
  // The second time the tool goes on, and asks by itself.
  const second = await waits(site, id, [first.pending.id]);
  assert.equal(second.pending.url, url);
  assert.equal((await answer(site, second, 'accept')).status, 200);
  assert.match(await told(site, id, 'rowan'), /completed the URL elicitation flow/);
  assert.equal((await site.s.events(id)).filter((e) => e.event === 'tool.started').length, 1);
  await site.end();
});

test('addresses of an error -32042: one after the other; decline ends the call; complete accepts; rounds are bounded', async () => {
  const site = await Site.open({ tools: [asking()], config: { tools: { input_rounds: 2 } } });
  const two = await calling(site, 'elder', 'asks__unlock', { addresses: 2 }, 'read');
  const first = await waits(site, two.id);
  assert.equal((await answer(site, first, 'accept')).status, 200);
  const second = await waits(site, two.id, [first.pending.id]);
  assert.deepEqual([first.pending.elicitation_id, second.pending.elicitation_id].sort(), ['e0', 'e1']);
  assert.equal((await answer(site, second, 'accept')).status, 200);
  assert.equal(await told(site, two.id, 'elder'), 'unlocked');
  const done = await calling(site, 'hazel', 'asks__unlock', { addresses: 3, complete: true, errors: 2 }, 'read');
  assert.equal(await told(site, done.id, 'hazel'), 'unlocked');
  const often = await calling(site, 'aspen', 'asks__unlock', { complete: true, errors: 3 }, 'read');
  assert.match(await told(site, often.id, 'aspen'), /tools\.input_rounds/);
  const no = await calling(site, 'alder', 'asks__unlock', { errors: 4 }, 'read');
  const doc = await waits(site, no.id);
  assert.equal((await answer(site, doc, 'decline')).status, 200);
  assert.match(await told(site, no.id, 'alder'), /not accepted \(decline\)/);
  await site.end();
});

test('decline and cancel are told as what they are; several questions come one after the other', async () => {
  const site = await Site.open({ tools: [asking()] });
  const { id } = await calling(site, 'apple', 'asks__ask', { params: NAME, times: 3 }, 'read');
  const first = await waits(site, id);
  assert.equal((await answer(site, first, 'decline')).status, 200);
  const second = await waits(site, id, [first.pending.id]);
  assert.equal((await answer(site, second, 'accept', { name: 'Ada' })).status, 200);
  assertProblem(await answer(site, second, 'accept', { name: 'Ada' }), 409, 'conflict');
  const third = await waits(site, id, [first.pending.id, second.pending.id]);
  assert.equal((await answer(site, third, 'cancel')).status, 200);
  assert.equal(await told(site, id, 'apple'), '{"action":"decline"}\n{"action":"accept","content":{"name":"Ada"}}\n{"action":"cancel"}');
  await site.end();
});

test('what cannot be shown is refused; what nobody answers in time is dismissed, and a late answer is a conflict', async () => {
  const site = await Site.open({ tools: [asking()], config: { tools: { input_seconds: 1 } } });
  const deep = await calling(site, 'pear', 'asks__ask', { params: form({ a: { type: 'object' } }) }, 'read');
  assert.match(await told(site, deep.id, 'pear'), /-32602.*"?a\\?"?/);
  const { id } = await calling(site, 'plum', 'asks__ask', { params: NAME }, 'read');
  const doc = await waits(site, id);
  const text = await site.next('executor', 'plum').then((c) => { c.finish(); return c.told; });
  assert.equal(text, '{"action":"cancel"}');
  assertProblem(await answer(site, doc, 'accept', { name: 'late' }), 409, 'conflict');
  await site.finish(id, 'plum');
  await site.end();
});

test('a question that the server takes back, or that ends with its call, goes', async () => {
  const site = await Site.open({ tools: [asking()] });
  for (const then of ['take_back', 'answer']) {
    const { id } = await calling(site, `fig ${then}`, 'asks__ask', { params: NAME, then }, 'read');
    assert.equal(await told(site, id, `fig ${then}`), 'nothing');
    assert.equal((await site.s.json(`/v1/tasks/${id}`)).body.status, 'completed');
  }
  await site.end();
});

test('cancelled while a person is asked: the task ends, the server is told', async () => {
  const site = await Site.open({ tools: [asking()] });
  const { id } = await calling(site, 'sloe', 'asks__ask', { params: NAME }, 'read');
  const doc = await waits(site, id);
  assert.equal((await site.s.post(`/v1/tasks/${id}/cancel`)).status, 200);
  assertProblem(await answer(site, doc, 'accept', { name: 'late' }), 409, 'conflict');
  assert.equal((await site.s.json(`/v1/tasks/${id}`)).body.pending, null);
  const after = await calling(site, 'damson', 'asks__cancelled', {}, 'read');
  assert.equal(await told(site, after.id, 'damson'), '1');
  await site.end();
});

for (const [victim, writes] of [['worker', false], ['worker', true], ['tool server', false], ['supervisor', true], ['everything', false], ['everything', true]]) {
  test(`${victim} killed while a person is asked: a call that ${writes ? 'may have had effects is in doubt' : 'reads is made again and asks again'}`, async () => {
    const site = await Site.open({ tools: [asking(...(writes ? ['writes'] : []))] });
    const { id, worker } = await calling(site, 'quince', 'asks__ask', { params: NAME }, writes ? 'write' : 'read');
    const doc = await waits(site, id);
    if (victim === 'everything') await site.restart();
    else process.kill({ worker, supervisor: roleOf(site.s, 'supervisor')?.pid, 'tool server': site.s.processes().tools[0].pid }[victim], 'SIGKILL');
    const again = await waits(site, id, [doc.pending.id]);
    assert.equal((await answer(site, doc, 'accept', { name: 'late' })).status, 409);
    assert.equal(again.pending.kind, writes ? 'in_doubt' : 'elicitation');
    if (writes) {
      assert.equal((await answer(site, again, 'skip')).status, 200);
      await told(site, id, 'quince');
    } else {
      assert.equal((await answer(site, again, 'accept', { name: 'Ada' })).status, 200);
      assert.equal(await told(site, id, 'quince'), '{"action":"accept","content":{"name":"Ada"}}');
    }
    await site.end();
    await site.assertWhole();
  });
}

test('the service stops at once while a person is asked, and goes on from there', async () => {
  // One worker: of several, one that hears of the stop last may take the run over, make the call again, and be waited for.
  const site = await Site.open({ tools: [asking()], config: { server: { workers: 1, drain_seconds: 30 } } });
  const { id } = await calling(site, 'bullace', 'asks__ask', { params: NAME }, 'read');
  const doc = await waits(site, id);
  const before = performance.now();
  await site.s.stop();
  assert.ok(performance.now() - before < 20_000, 'nobody was waited for');
  await site.start();
  const again = await waits(site, id, [doc.pending.id]);
  assert.equal((await answer(site, again, 'decline')).status, 200);
  assert.equal(await told(site, id, 'bullace'), '{"action":"decline"}');
  await site.end();
});
