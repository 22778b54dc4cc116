// SPDX-License-Identifier: Apache-2.0
// The main job: a prompt becomes a plan, is approved, is carried out with the real filesystem server, is watched as it goes.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { Server, assertDense, filesystem, mcpPackage, root, stdio } from './lib/server.mjs';
import { Model, plan } from './lib/model.mjs';

const sample = path.join(root, 'etc/sample_data');
const PROMPT = 'Read a file and summarize its contents';

test('offline: plan, approval, real tools, answer, stream', async () => {
  const s = await Server.start({ tools: [filesystem(sample)] });
  const created = await s.submit(PROMPT, { metadata: { ticket: 7 } });
  assert.equal(created.prompt, PROMPT);
  assert.deepEqual(created.metadata, { ticket: 7 });
  const waiting = await s.until(created.id, 'awaiting_approval');
  assert.ok(waiting.plan.steps.length >= 2);
  assert.ok(waiting.plan.steps.every((step) => step.status === 'pending'));
  const approved = await s.post(`/v1/tasks/${created.id}/approve`, { plan_digest: waiting.plan.digest });
  assert.equal(approved.status, 200);
  const done = await s.until(created.id, 'completed');
  assert.match(done.result, /no language model/i);
  assert.ok(done.plan.steps.every((step) => step.status === 'completed'));
  assert.ok(done.usage.tool_calls >= 1);

  const events = await s.events(created.id);
  assertDense(events);
  assert.equal(events[0].event, 'task.created');
  assert.deepEqual(events.at(-1).event, 'end');
  assert.equal(events.at(-2).event, 'task.state');
  assert.equal(events.at(-2).data.to, 'completed');
  assert.equal(events.at(-2).id, done.last_seq);
  const read = events.find((e) => e.event === 'tool.completed' && e.data.tool === 'read_text_file');
  assert.ok(read, 'a file was read by the real server');
  await s.stop();
});

test('a chat model plans, calls tools, finishes steps and writes', async () => {
  const model = await Model.start({
    rules: [
      { when: { system: 'planner' }, respond: { text: plan('greet', [
        { objective: 'say hello', tools: ['everything__echo'] },
        { objective: 'say world', tools: ['everything__echo'], after: ['s1'] }]) } },
      { when: { system: 'executor', user: 'Your step: s1', turn: 0 }, respond: { tool_calls: [{ name: 'everything__echo', arguments: { message: 'hello' } }] } },
      { when: { system: 'executor', user: 'Your step: s1' }, respond: { tool_calls: [{ name: 'finish_step', arguments: { status: 'success', result: 'said hello' } }] } },
      { when: { system: 'executor', user: 'Your step: s2', turn: 0 }, respond: { tool_calls: [{ name: 'everything__echo', arguments: { message: 'world' } }] } },
      { when: { system: 'executor', user: 'Your step: s2' }, respond: { tool_calls: [{ name: 'finish_step', arguments: { status: 'success', result: 'said world' } }] } },
      { when: { system: 'final answer' }, respond: { text: 'Greeted the world [s1][s2].' } },
    ],
  });
  const s = await Server.start({
    tools: [stdio('everything', process.execPath, [mcpPackage('@modelcontextprotocol/server-everything')])],
    config: { openai: { api_key: 'sk-test', base_url: model.url }, llm: { model: 'scripted' } },
  });
  const task = await s.submit('greet', { approval: 'auto' });
  const done = await s.until(task.id, 'completed');
  assert.equal(done.result, 'Greeted the world [s1][s2].');
  assert.deepEqual(done.plan.steps.map((x) => x.result), ['said hello', 'said world']);
  assert.equal(done.usage.model_calls, 6);
  assert.equal(done.usage.tool_calls, 2);
  const requests = await model.requests();
  assert.equal(requests.length, 6);
  const events = await s.events(task.id);
  assertDense(events);
  assert.ok(!JSON.stringify(events).includes('sk-test'), 'the key is in no event');
  assert.ok(!s.stderr.includes('sk-test'), 'the key is in no log line');
  await s.stop();
  await model.stop();
});
