// SPDX-License-Identifier: Apache-2.0
// What tool servers have of us beside their calls: folders they are told of (roots), answers of the task's model (sampling), a level to log
// from and somebody who reads it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Site, scratch } from './lib/durable.mjs';
import { assertDense, eventually, fakeSandbox, fakes, filesystem, mcpPackage, stdio, stream, test } from './lib/server.mjs';

const official = (more = {}) => ({ ...stdio('everything', process.execPath, [mcpPackage('@modelcontextprotocol/server-everything'), 'stdio']), ...more });
const asking = (more = {}) => ({ ...stdio('asks', path.join(fakes, 'asking_mcp')), sandbox: fakeSandbox, ...more });
const SAMPLE = { messages: [{ role: 'user', content: { type: 'text', text: 'Say quince.' } }], systemPrompt: 'Be short.', maxTokens: 20 };

const USE = { type: 'tool_use', id: 'use1', name: 'look_up', input: { word: 'quince' } };

/** A task in whose only step that tool was just called. */
async function calling(site, prompt, tool, args, effect = 'write') {
  const { id } = await site.s.submit(prompt, { approval: 'auto' });
  (await site.next('planner', prompt)).plan({ objective: 'ask', tools: [tool], effect });
  (await site.next('executor', prompt)).calls([tool, args]);
  return id;
}
/** What the model is told of the call; then the task is brought to its end. */
async function told(site, id, prompt) {
  const { told: text } = await site.next('executor', prompt).then((c) => { c.finish(); return c; });
  await site.finish(id, prompt);
  assertDense(await site.s.events(id));
  return text;
}
/** The model call that a server wanted: the only one without a role of ours. */
const sampled = (site, text) => site.model.next((c) => c.role === 'writer' && String(c.body.messages.at(-1).content).includes(text));

test('roots: the official servers are told the folders of the registry, and work in these', async () => {
  const dir = fs.realpathSync(scratch());
  const work = path.join(dir, 'a folder');
  fs.mkdirSync(work);
  fs.writeFileSync(path.join(work, 'note.txt'), 'found by its root');
  const site = await Site.open({ tools: [official({ roots: [work] }), { ...filesystem(scratch()), roots: [work] }] });
  const roots = await calling(site, 'quince', 'everything__get-roots-list', {}, 'read');
  assert.match(await told(site, roots, 'quince'), /a%20folder/);
  const file = await calling(site, 'medlar', 'filesystem__read_text_file', { path: path.join(work, 'note.txt') }, 'read');
  assert.match(await told(site, file, 'medlar'), /found by its root/);
  await site.end();
});

test('sampling on: the official server gets an answer of the model, which is seen and counted', async () => {
  const site = await Site.open({ tools: [official({ sampling: 'on' })] });
  const id = await calling(site, 'quince', 'everything__trigger-sampling-request', { prompt: 'name a fruit', maxTokens: 30 });
  (await sampled(site, 'name a fruit')).text('A medlar.');
  assert.match(await told(site, id, 'quince'), /A medlar\./);
  const events = await site.s.events(id);
  const started = events.find((e) => e.event === 'model.started' && e.data.role === 'sampling').data;
  assert.equal(started.server, 'everything');
  assert.ok(JSON.stringify(started.messages).includes('name a fruit'));
  const completed = events.find((e) => e.event === 'model.completed' && e.data.role === 'sampling').data;
  assert.deepEqual([completed.call, completed.text], [started.call, 'A medlar.']);
  assert.ok(completed.usage.output_tokens >= 0);
  assert.equal((await site.s.json(`/v1/tasks/${id}`)).body.usage.model_calls, events.filter((e) => e.event === 'model.started').length);
  await site.end();
});

test('sampling ask: a person sees the request and approves or denies it', async () => {
  const site = await Site.open({ tools: [asking({ sampling: 'ask' })] });
  for (const action of ['approve', 'deny']) {
    const prompt = `plum ${action}`;
    const id = await calling(site, prompt, 'asks__ask', { method: 'sampling/createMessage', params: JSON.stringify(SAMPLE) }, 'read');
    const doc = await site.s.until(id, 'input_required');
    assert.deepEqual([doc.pending.kind, doc.pending.live, doc.pending.actions], ['sampling', true, ['approve', 'deny']]);
    assert.deepEqual(doc.pending.request, SAMPLE);
    assert.equal((await site.s.post(`/v1/tasks/${id}/input`, { id: doc.pending.id, action })).status, 200);
    if (action === 'approve') (await sampled(site, 'Say quince.')).text('quince');
    const text = await told(site, id, prompt);
    if (action === 'approve') assert.deepEqual(JSON.parse(text).content, { type: 'text', text: 'quince' });
    else assert.equal(JSON.parse(text).code, -1);
  }
  await site.end();
});

test('sampling with tools: what the model calls goes back to the server, and its results to the model', async () => {
  const site = await Site.open({ tools: [asking({ sampling: 'on' })] });
  const inputSchema = { type: 'object', properties: { word: { type: 'string' } }, required: ['word'] };
  const offer = { ...SAMPLE, tools: [{ name: 'look_up', description: 'Looks a word up.', inputSchema }], toolChoice: { mode: 'required' } };
  const ask = (prompt, params) => calling(site, prompt, 'asks__ask', { method: 'sampling/createMessage', params: JSON.stringify(params) }, 'read');
  const first = await ask('rowan', offer);
  const called = await sampled(site, 'Say quince.');
  assert.deepEqual(called.body.tools.map((t) => [t.function.name, t.function.description, t.function.parameters]), [['look_up', 'Looks a word up.', inputSchema]]);
  assert.equal(called.body.tool_choice, 'required');
  called.calls(['look_up', { word: 'quince' }]);
  const turn = JSON.parse(await told(site, first, 'rowan'));
  assert.equal(turn.stopReason, 'toolUse');
  const [use, ...rest] = turn.content;
  assert.deepEqual([use.type, use.name, use.input, rest.length], ['tool_use', 'look_up', { word: 'quince' }, 0]);
  assert.deepEqual((await site.s.events(first)).find((e) => e.event === 'model.started' && e.data.role === 'sampling').data.tools, ['look_up']);

  const result = { type: 'tool_result', toolUseId: use.id, content: [{ type: 'text', text: 'a fruit' }] };
  const second = await ask('elder', { ...offer, toolChoice: undefined, messages: [...SAMPLE.messages, { role: 'assistant', content: turn.content }, { role: 'user', content: result }] });
  const answered = await sampled(site, 'a fruit');
  const [assistant, tool] = answered.body.messages.slice(-2);
  assert.deepEqual([assistant.tool_calls[0].id, assistant.tool_calls[0].function.name, JSON.parse(assistant.tool_calls[0].function.arguments)], [use.id, 'look_up', { word: 'quince' }]);
  assert.deepEqual([tool.role, tool.tool_call_id, answered.body.tool_choice], ['tool', use.id, undefined]);
  answered.text('It is a fruit.');
  const end = JSON.parse(await told(site, second, 'elder'));
  assert.deepEqual([end.stopReason, end.content], ['endTurn', { type: 'text', text: 'It is a fruit.' }]);
  await site.end();
});

test('sampling off, malformed, with a picture, failing: each is told why', async () => {
  const site = await Site.open({ tools: [asking({ sampling: 'on' }), { ...asking(), id: 'off' }], config: { llm: { retries_max: 0 } } });
  const ask = async (prompt, params, server = 'asks') =>
    calling(site, prompt, `${server}__ask`, { method: 'sampling/createMessage', params: JSON.stringify(params) }, 'read');
  const code = async (prompt, ...rest) => JSON.parse(await told(site, await ask(prompt, ...rest), prompt)).code;
  assert.equal(await code('pear', SAMPLE, 'off'), -32601);
  assert.equal(await code('fig', { messages: [] }), -32602);
  assert.equal(await code('sloe', { ...SAMPLE, tools: [{ name: 'no name', inputSchema: { type: 'object' } }] }), -32602);
  assert.equal(await code('medlar', { messages: [...SAMPLE.messages, { role: 'assistant', content: USE }, ...SAMPLE.messages] }), -32602);
  assert.equal(await code('haw', { messages: [{ role: 'user', content: { type: 'image', data: '', mimeType: 'image/png' } }] }), -32602);
  const id = await ask('apple', SAMPLE);
  const { res } = await sampled(site, 'Say quince.');
  res.writeHead(400, { 'content-type': 'application/json' }).end('{"error":{"message":"no"}}');
  assert.equal(JSON.parse(await told(site, id, 'apple')).code, -1);
  assert.ok((await site.s.events(id)).some((e) => e.event === 'model.failed' && e.data.role === 'sampling'));
  await site.end();
});

test('logging: the level of the registry is set, messages are live events of the task, floods are cut', async () => {
  const site = await Site.open({ tools: [asking({ log_level: 'notice' })], config: { tools: { notices_per_second: 5 } } });
  const id = await calling(site, 'quince', 'asks__cancelled', {}, 'read');
  const seen = [];
  const watching = (async () => {
    for await (const e of stream(`${site.s.url}/v1/tasks/${id}/stream`)) if (e.event === 'tool.log') seen.push(e.data);
  })();
  const call = await site.next('executor', 'quince');
  call.calls(['asks__logs', { times: 500 }]);
  assert.equal(await told(site, id, 'quince'), 'notice');
  await watching;
  assert.ok(seen.length > 0 && seen.length <= 10, `${seen.length} log events`);
  assert.deepEqual([seen[0].server, seen[0].level, seen[0].logger, seen[0].data], ['asks', 'warning', 'asking', 'line 0']);
  assert.ok(seen[0].call && seen[0].step === 's1');
  await site.end();
});

/** What of a type comes live from now on; done: all of it, once the task is over. */
async function watch(site, id, type) {
  const seen = [];
  let connected;
  const began = new Promise((r) => { connected = r; });
  const done = (async () => {
    for await (const e of stream(`${site.s.url}/v1/tasks/${id}/stream`)) {
      connected();
      if (e.event === type) seen.push(e.data);
    }
    return seen;
  })();
  await Promise.race([began, done]);
  return { seen, done };
}

test('logging: a modern server is told the level in each request, and what it logs is an event of the task', async () => {
  const modern = { ...stdio('mod', path.join(fakes, 'modern_mcp'), ['modern', path.join(scratch(), 'log')], { era: 'modern' }), sandbox: fakeSandbox };
  const site = await Site.open({ tools: [{ ...modern, log_level: 'notice' }] });
  const id = await calling(site, 'quince', 'mod__echo', { text: 'x' }, 'read');
  const call = await site.next('executor', 'quince');
  const logs = await watch(site, id, 'tool.log');
  call.calls(['mod__logs', {}]);
  assert.equal(await told(site, id, 'quince'), 'notice');
  const [seen, ...more] = await logs.done;
  assert.deepEqual([seen.server, seen.level, seen.logger, seen.data, more.length], ['mod', 'notice', 'modern', 'working', 0]);
  await site.end();
});

test('logging: what the official server says in the course of a call is an event of the task', async () => {
  const site = await Site.open({ tools: [official({ log_level: 'debug' })] });
  const id = await calling(site, 'medlar', 'everything__echo', { message: 'x' }, 'write');
  const call = await site.next('executor', 'medlar');
  const logs = await watch(site, id, 'tool.log');
  call.calls(['everything__toggle-simulated-logging', {}]);
  assert.match(await told(site, id, 'medlar'), /Started simulated/);
  const [first] = await logs.done;
  assert.equal(first.server, 'everything');
  assert.match(first.data, /message/);
  await site.end();
});

test('progress of the official server keeps a call alive beyond the idle limit, and cancel ends it for us at once', async () => {
  const site = await Site.open({ tools: [official()], config: { tools: { call_idle_seconds: 2 } } });
  const long = 'everything__trigger-long-running-operation';
  const id = await calling(site, 'apple', long, { duration: 5, steps: 20 }, 'write');
  assert.match(await told(site, id, 'apple'), /Duration: 5 seconds/);
  const stopped = await calling(site, 'pear', 'everything__echo', { message: 'x' }, 'write');
  const call = await site.next('executor', 'pear');
  const progress = await watch(site, stopped, 'tool.progress');
  call.calls([long, { duration: 120, steps: 480 }]);
  await eventually(() => progress.seen.length > 1, 'progress', 20_000);
  assert.deepEqual([progress.seen[0].progress, progress.seen[0].total], [1, 480]);
  const before = performance.now();
  assert.equal((await site.s.post(`/v1/tasks/${stopped}/cancel`)).status, 200);
  await site.s.until(stopped, 'cancelled');
  await progress.done;
  assert.ok(performance.now() - before < 20_000, 'nobody waited for the tool');
  // That server works on regardless; others of its calls do not suffer.
  const after = await calling(site, 'plum', 'everything__get-sum', { a: 20, b: 22 }, 'read');
  assert.match(await told(site, after, 'plum'), /42/);
  await site.end();
});
