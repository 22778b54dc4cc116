// SPDX-License-Identifier: Apache-2.0
// Whole runs over each model API against a server that nobody here wrote (aimock), well-behaved and with its faults. A tap in
// between shows what was really asked.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { LLMock } from '@copilotkit/aimock';
import { Server, assertDense, filesystem, onTestEnd, tempDir, test } from './lib/server.mjs';
import { plan } from './lib/model.mjs';
import { Tap } from './lib/tap.mjs';

const NOTE = 'The reflector is clean.';
const APIS = { chat: '/v1/chat/completions', responses: '/v1/responses', messages: '/v1/messages' };

async function mocked() {
  const mock = new LLMock({ port: 0 });
  await mock.start();
  onTestEnd(() => mock.stop());
  const tap = await Tap.start(mock.url);
  return { mock, tap };
}

const configured = (api, tap, more = {}) => ({
  openai: { api_key: 'sk-test', base_url: api === 'messages' ? tap.url : `${tap.url}/v1` },
  llm: { api, model: api === 'messages' ? 'claude-opus-5-0' : 'gpt-6-sol', ...more },
});

/** A task without tools: plan, one step, answer. */
function scripted(mock) {
  mock.on({ systemMessage: 'planner' }, { content: plan('think', [{ objective: 'think', effect: 'none' }]) });
  mock.on({ systemMessage: 'executor' }, { toolCalls: [{ name: 'finish_step', arguments: JSON.stringify({ status: 'success', result: 'thought' }) }] });
  mock.on({ systemMessage: 'final answer' }, { content: 'The end [s1].' });
}

async function run(s, prompt = 'do it') {
  const { id } = await s.submit(prompt, { approval: 'auto' });
  const doc = await s.until(id, 'completed', 'failed');
  const events = await s.events(id);
  assertDense(events);
  assert.ok(!(JSON.stringify(events) + s.stderr).includes('sk-test'), 'the key is nowhere');
  return { doc, events, of: (type) => events.filter((e) => e.event === type) };
}

for (const [api, where] of Object.entries(APIS)) {
  test(`${api}: a run with a tool, streamed, its turns given back as the API wants them`, async () => {
    const { mock, tap } = await mocked();
    const dir = tempDir();
    onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
    fs.writeFileSync(path.join(dir, 'notes.md'), `${NOTE}\n`);
    mock.on({ systemMessage: 'planner' }, { content: plan('read the notes', [{ objective: 'read notes.md', tools: ['filesystem__read_text_file'] }]) });
    mock.on({ systemMessage: 'executor', hasToolResult: false }, {
      reasoning: 'It has to be read.',
      content: 'Reading.',
      toolCalls: [
        { name: 'filesystem__read_text_file', arguments: JSON.stringify({ path: path.join(dir, 'notes.md') }) },
        { name: 'filesystem__list_directory', arguments: JSON.stringify({ path: dir }) },
      ],
    });
    mock.on({ systemMessage: 'executor', toolResultContains: NOTE }, { toolCalls: [{ name: 'finish_step', arguments: JSON.stringify({ status: 'success', result: 'The notes say the reflector is clean.' }) }] });
    mock.on({ systemMessage: 'executor', hasToolResult: true }, { toolCalls: [{ name: 'finish_step', arguments: JSON.stringify({ status: 'success', result: 'The notes say the reflector is clean.' }) }] });
    mock.on({ systemMessage: 'final answer' }, { content: 'It is clean [s1].' });
    const s = await Server.start({ tools: [filesystem(dir)], config: configured(api, tap) });
    const { id } = await s.submit('What do the notes say?');
    const waiting = await s.until(id, 'awaiting_approval');
    await s.post(`/v1/tasks/${id}/approve`, { plan_digest: waiting.plan.digest });
    const done = await s.until(id, 'completed', 'failed');
    assert.equal(done.status, 'completed', done.error?.message);
    assert.equal(done.result, 'It is clean [s1].');
    assert.deepEqual([done.usage.model_calls, done.usage.tool_calls], [4, 2]);
    assert.ok(tap.seen.every((r) => r.path === where && r.body.stream === true));
    const [planner, first, second] = tap.seen.map((r) => r.body);
    asked[api]({ headers: tap.seen[0].headers, planner, first, second });
    await s.stop();
  });

  test(`${api}: refused for a while, then well: 429 with Retry-After, 500, 503`, async () => {
    const { mock, tap } = await mocked();
    mock.on({ systemMessage: 'planner', sequenceIndex: 0 }, { error: { message: 'slow down', type: 'rate_limit_error', code: 'rate_limit_exceeded' }, status: 429, retryAfter: 1 });
    mock.on({ systemMessage: 'planner', sequenceIndex: 1 }, { error: { message: 'boom', type: 'server_error' }, status: 500 });
    mock.on({ systemMessage: 'planner', sequenceIndex: 2 }, { error: { message: 'busy', type: 'overloaded_error' }, status: api === 'messages' ? 529 : 503 });
    scripted(mock);
    const s = await Server.start({ config: configured(api, tap, { retries_max: 3 }) });
    const r = await run(s);
    assert.equal(r.doc.status, 'completed', r.doc.error?.message);
    assert.deepEqual(r.of('model.retried').map((e) => e.data.attempt), [2, 3, 4]);
    assert.match(r.of('model.retried')[0].data.error.message, /slow down/);
    await s.stop();
  });

  test(`${api}: a cut in the middle ends the task, a cut before any text does not`, async () => {
    const { mock, tap } = await mocked();
    mock.on({ systemMessage: 'planner', sequenceIndex: 0 }, { content: plan('x', [{ objective: 'a', effect: 'none' }]) }, { latency: 20, chunkSize: 20, truncateAfterChunks: 9 });
    scripted(mock);
    const s = await Server.start({ config: configured(api, tap) });
    const r = await run(s);
    assert.equal(r.doc.status, 'failed');
    assert.match(r.doc.error.message, /broke off|closed|lost|cut/);
    assert.equal(tap.seen.length, 1, 'what was passed on cannot be taken back');
    const again = await run(s);
    assert.equal(again.doc.status, 'completed', again.doc.error?.message);
    await s.stop();
  });

  test(`${api}: no money is not tried again; a malformed answer is one error`, async () => {
    const { mock, tap } = await mocked();
    mock.on({ systemMessage: 'planner', userMessage: 'money' }, { error: { message: 'Your credit balance is exhausted', type: 'insufficient_quota', code: 'credit_balance_exhausted' }, status: 429 });
    mock.on({ systemMessage: 'planner', userMessage: 'garbage' }, { content: 'x' }, { chaos: { malformedRate: 1 } });
    const s = await Server.start({ config: configured(api, tap) });
    const money = await run(s, 'money');
    assert.equal(money.doc.error.code, 'budget');
    assert.match(money.doc.error.message, /credit balance/);
    assert.equal(tap.seen.length, 1);
    const garbage = await run(s, 'garbage');
    assert.equal(garbage.doc.status, 'failed');
    assert.match(garbage.doc.error.message, /JSON|broke off/);
    await s.stop();
  });
}

for (const [name, base, key, where] of [
  ['Azure', '/openai/deployments/{model}?api-version=2024-10-21', 'api-key', /^\/openai\/deployments\/gpt-6-sol\/chat\/completions\?api-version=2024-10-21$/],
  ['OpenRouter', '/api/v1', '', /^\/api\/v1\/chat\/completions$/],
]) {
  test(`${name}: a run at its own address`, async () => {
    const { mock, tap } = await mocked();
    scripted(mock);
    const c = configured('chat', tap, { key_header: key });
    c.openai.base_url = `${tap.url}${base}`;
    const s = await Server.start({ config: c });
    const r = await run(s);
    assert.equal(r.doc.status, 'completed', r.doc.error?.message);
    assert.ok(tap.seen.length === 3 && tap.seen.every((one) => where.test(one.path)), tap.seen[0].path);
    assert.equal(tap.seen[0].headers[key || 'authorization'], key ? 'sk-test' : 'Bearer sk-test');
    await s.stop();
  });
}

// What the three bodies of a run must be like.
const asked = {
  chat({ headers, planner, first, second }) {
    assert.equal(headers.authorization, 'Bearer sk-test');
    assert.equal(planner.response_format.json_schema.strict, true);
    assert.equal(planner.tools, undefined, 'the planner is told of tools in words');
    assert.ok(first.tools.some((t) => t.function.name === 'finish_step'));
    const [assistant, one, two] = second.messages.slice(-3);
    assert.equal(assistant.tool_calls.length, 2);
    assert.deepEqual([one.role, two.role], ['tool', 'tool']);
    assert.deepEqual([one.tool_call_id, two.tool_call_id].sort(), assistant.tool_calls.map((c) => c.id).sort());
  },
  responses({ headers, planner, first, second }) {
    assert.equal(headers.authorization, 'Bearer sk-test');
    assert.equal(planner.store, false);
    assert.deepEqual(planner.include, ['reasoning.encrypted_content']);
    assert.equal(planner.text.format.strict, true);
    assert.match(planner.instructions, /planner/);
    assert.ok(first.tools.some((t) => t.name === 'finish_step' && t.strict === false));
    const results = second.input.filter((item) => item.type === 'function_call_output');
    const calls = second.input.filter((item) => item.type === 'function_call');
    assert.equal(calls.length, 2);
    assert.deepEqual(results.map((r) => r.call_id).sort(), calls.map((c) => c.call_id).sort());
    assert.ok(second.input.every((item) => item.id === undefined), 'no ids of the server');
  },
  messages({ headers, planner, first, second }) {
    assert.equal(headers['x-api-key'], 'sk-test');
    assert.equal(headers['anthropic-version'], '2023-06-01');
    assert.equal(planner.output_config.format.type, 'json_schema');
    assert.equal(planner.temperature, undefined);
    assert.ok(planner.max_tokens > 0);
    assert.ok(first.tools.some((t) => t.name === 'finish_step'));
    const marks = JSON.stringify(second).match(/"cache_control"/g).length;
    assert.ok(marks >= 2 && marks <= 4, `${marks} marks`);
    const [assistant, user] = second.messages.slice(-2);
    const uses = assistant.content.filter((b) => b.type === 'tool_use');
    assert.equal(uses.length, 2);
    assert.equal(assistant.content[0].type, 'thinking');
    assert.ok(assistant.content[0].signature.length > 0);
    assert.equal(user.role, 'user');
    assert.deepEqual(user.content.map((b) => b.type), ['tool_result', 'tool_result']);
    assert.deepEqual(user.content.map((b) => b.tool_use_id).sort(), uses.map((b) => b.id).sort());
  },
};
