// SPDX-License-Identifier: Apache-2.0
// What Responses and Messages want back, byte for byte, and how they fail, through the whole service: recorded answers are played
// back, and what the service asks next is looked at.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { Replay } from '../fake/replay_server.mjs';
import { Server, assertDense, fake, test } from './lib/server.mjs';
import { plan } from './lib/model.mjs';

const json = (o) => JSON.stringify(o);
const event = (type, o = {}) => `event: ${type}\ndata: ${json({ type, ...o })}\n\n`;
const PLAN = json(JSON.parse(plan('wires', [{ objective: 'think', tools: ['fake__echo'], effect: 'none' }])));
const FINISH = json({ status: 'success', result: 'thought' });

// --- Anthropic Messages ---
const start = event('message_start', { message: { id: 'msg', type: 'message', role: 'assistant', model: 'claude', content: [], stop_reason: null, usage: { input_tokens: 10, cache_read_input_tokens: 90, cache_creation_input_tokens: 5, output_tokens: 1 } } });
const block = (index, content_block, ...deltas) => event('content_block_start', { index, content_block }) + deltas.map((delta) => event('content_block_delta', { index, delta })).join('') + event('content_block_stop', { index });
const text = (index, t) => block(index, { type: 'text', text: '' }, { type: 'text_delta', text: t });
const use = (index, id, name, args) => block(index, { type: 'tool_use', id, name, input: {} }, { type: 'input_json_delta', partial_json: args });
const stop = (stop_reason, more = {}) => event('message_delta', { delta: { stop_reason, ...more }, usage: { output_tokens: 7 } }) + event('message_stop');
const messages = {
  planner: [start + text(0, PLAN) + stop('end_turn')],
  executor: [start + use(0, 'toolu_f', 'finish_step', FINISH) + stop('tool_use')],
  writer: [start + text(0, 'The end [s1].') + stop('end_turn')],
};

// --- OpenAI Responses ---
const item = (output_index, o) => event('response.output_item.done', { output_index, item: o });
const message = (t, phase) => ({ type: 'message', id: 'msg_1', role: 'assistant', ...(phase ? { phase } : {}), content: [{ type: 'output_text', text: t, annotations: [] }] });
const completed = event('response.completed', { response: { id: 'resp', status: 'completed', model: 'gpt', output: [], usage: { input_tokens: 50, input_tokens_details: { cached_tokens: 32 }, output_tokens: 9, output_tokens_details: { reasoning_tokens: 4 } } } });
const created = event('response.created', { response: { id: 'resp', status: 'in_progress', model: 'gpt' } });
const responses = {
  planner: [created + item(0, message(PLAN)) + completed],
  executor: [created + item(0, { type: 'function_call', id: 'fc_1', call_id: 'call_f', name: 'finish_step', arguments: FINISH }) + completed],
  writer: [created + item(0, message('The end [s1].')) + completed],
};

const books = { messages, responses };
const services = {};
let replay;
const serve = (api, llm = {}) => Server.start({ shared: true, tools: [fake('fake', 'echo')], config: { openai: { api_key: 'sk-wires', base_url: replay.url }, llm: { api, model: `model-${api}`, retries_max: 1, ...llm } } });
before(async () => {
  replay = await Replay.start();
  for (const api of Object.keys(books)) services[api] = await serve(api);
});
after(async () => {
  for (const s of Object.values(services)) await s.stop();
  replay.stop();
});

async function run(api, script, s = services[api]) {
  replay.play({ ...books[api], ...script });
  const { id } = await s.submit('do it', { approval: 'auto' });
  const doc = await s.until(id, 'completed', 'failed');
  const events = await s.events(id);
  assertDense(events);
  return { doc, of: (type) => events.filter((e) => e.event === type), told: (role) => replay.seen.filter((r) => r.role === role).map((r) => r.body) };
}
async function completes(api, script, s) {
  const r = await run(api, script, s);
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  assert.equal(r.doc.result, 'The end [s1].');
  return r;
}

test('Messages: thinking goes back byte for byte, in its place; usage counts what was cached', async () => {
  const thought = { type: 'thinking', thinking: 'Zuerst „lesen“,\n\tdann 😀 "handeln"', signature: 'EqQB/+Cg==' };
  const sealed = { type: 'redacted_thinking', data: 'EmwKAhgBEgy3va3p' };
  const first = start + block(0, { type: 'thinking', thinking: '', signature: '' }, { type: 'thinking_delta', thinking: thought.thinking.slice(0, 9) }, { type: 'thinking_delta', thinking: thought.thinking.slice(9) }, { type: 'signature_delta', signature: thought.signature })
    + text(1, 'One.') + block(2, sealed) + text(3, 'Two.') + use(4, 'toolu_a', 'fake__echo', json({ text: 'hello' })) + stop('tool_use');
  const r = await completes('messages', { executor: [first, messages.executor[0]] });
  const turn = r.told('executor')[1].messages.find((m) => m.role === 'assistant');
  assert.deepEqual(turn.content, [thought, { type: 'text', text: 'One.' }, sealed, { type: 'text', text: 'Two.' }, { type: 'tool_use', id: 'toolu_a', name: 'fake__echo', input: { text: 'hello' } }]);
  const { usage, text: said, reasoning } = r.of('model.completed')[1].data;
  assert.deepEqual([said, reasoning], ['One.Two.', thought.thinking]);
  assert.deepEqual(usage, { input_tokens: 105, output_tokens: 7, cached_tokens: 90, cache_write_tokens: 5, reasoning_tokens: 0, estimated: false });
});

test('Messages: a turn that paused goes on when it is sent back, with nothing said in between', async () => {
  const search = { type: 'server_tool_use', id: 'srv_1', name: 'web_search', input: { q: 'x' } };
  const paused = start + text(0, 'Searching.') + block(1, { ...search, input: {} }, { type: 'input_json_delta', partial_json: json(search.input) }) + stop('pause_turn');
  const r = await completes('messages', { executor: [paused, messages.executor[0]] });
  const last = r.told('executor')[1].messages.at(-1);
  assert.equal(last.role, 'assistant');
  assert.deepEqual(last.content, [{ type: 'text', text: 'Searching.' }, search]);
});

test('Messages: a refusal ends the task with its explanation', async () => {
  const r = await run('messages', { planner: [start + stop('refusal', { stop_details: { category: 'cyber', explanation: 'Not this.' } })] });
  assert.equal(r.doc.error.code, 'refused');
  assert.match(r.doc.error.message, /Not this\./);
});

test('Messages: overloaded inside a 200 is tried again; spent money as 429 is not', async () => {
  const r = await completes('messages', { planner: [start + event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } }), messages.planner[0]] });
  assert.match(r.of('model.retried')[0].data.error.message, /Overloaded/);
  const spent = await run('messages', { planner: [{ status: 429, type: 'application/json', body: json({ type: 'error', error: { type: 'rate_limit_error', message: 'limit', details: { error_code: 'enforced_spend_limit_reached' } } }) }] });
  assert.equal(spent.doc.error.code, 'budget');
  assert.equal(replay.seen.length, 1);
});

test('Messages: both versions of the API, the same body', async () => {
  await completes('messages', {});
  const [old, body] = [replay.seen[0].headers['anthropic-version'], replay.seen[0].body];
  const s = await serve('messages', { api_version: '2026-10-21' });
  await completes('messages', {}, s);
  assert.deepEqual([old, replay.seen[0].headers['anthropic-version']], ['2023-06-01', '2026-10-21']);
  assert.deepEqual(Object.keys(replay.seen[0].body), Object.keys(body));
  for (const name of ['temperature', 'top_p', 'top_k']) assert.ok(!(name in body));
  await s.stop();
});

test('Responses: sealed reasoning and phases go back in their place, without ids', async () => {
  const first = created + item(0, { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'It thinks.' }], encrypted_content: 'gAAAA==', status: 'completed' })
    + item(1, message('Looking.', 'commentary')) + item(2, { type: 'function_call', id: 'fc_a', call_id: 'call_a', name: 'fake__echo', arguments: json({ text: 'hello' }), status: 'completed' }) + completed;
  const r = await completes('responses', { executor: [first, responses.executor[0]] });
  const { input, store } = r.told('executor')[1];
  assert.equal(store, false);
  assert.deepEqual(input.slice(-4, -1), [
    { type: 'reasoning', summary: [{ type: 'summary_text', text: 'It thinks.' }], encrypted_content: 'gAAAA==' },
    { type: 'message', role: 'assistant', phase: 'commentary', content: [{ type: 'output_text', text: 'Looking.' }] },
    { type: 'function_call', call_id: 'call_a', name: 'fake__echo', arguments: json({ text: 'hello' }) },
  ]);
  assert.deepEqual([input.at(-1).type, input.at(-1).call_id], ['function_call_output', 'call_a']);
  const { usage, reasoning } = r.of('model.completed')[1].data;
  assert.equal(reasoning, 'It thinks.');
  assert.deepEqual(usage, { input_tokens: 50, output_tokens: 9, cached_tokens: 32, cache_write_tokens: 0, reasoning_tokens: 4, estimated: false });
});

test('Responses: a failure inside a 200 is tried again, or not, by its code', async () => {
  const failed = (code) => created + event('response.failed', { response: { status: 'failed', error: { code, message: `it is ${code}` } } });
  const r = await completes('responses', { planner: [failed('server_error'), responses.planner[0]] });
  assert.match(r.of('model.retried')[0].data.error.message, /server_error/);
  const money = await run('responses', { planner: [failed('insufficient_quota')] });
  assert.equal(money.doc.error.code, 'budget');
  assert.equal(replay.seen.length, 1);
});

test('Responses: cut for its length: the call is not made, and what was sealed stays behind', async () => {
  const cut = created + item(0, { type: 'reasoning', id: 'rs', summary: [], encrypted_content: 'g==' }) + event('response.output_item.added', { output_index: 1, item: { type: 'function_call', call_id: 'c', name: 'fake__echo', arguments: '' } })
    + event('response.function_call_arguments.delta', { output_index: 1, delta: '{"text": "ha' }) + event('response.incomplete', { response: { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } } });
  const r = await completes('responses', { executor: [cut, responses.executor[0]] });
  assert.equal(r.of('tool.started').length, 0);
  assert.ok(!json(r.told('executor')[1].input).includes('encrypted_content'));
});
