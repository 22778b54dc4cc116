// SPDX-License-Identifier: Apache-2.0
// What servers that call themselves compatible do differently, one test for each oddity that was seen in the field: the bytes are
// played back as they came, and the run has to end as if they had been by the book.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { Replay } from '../fake/replay_server.mjs';
import { Server, assertDense, fake, test } from './lib/server.mjs';
import { plan } from './lib/model.mjs';

// --- pieces of answers ---
const data = (o) => `data: ${typeof o === 'string' ? o : JSON.stringify(o)}\n\n`;
const chunk = (delta, finish = null, more = {}) => data({ id: 'c', object: 'chat.completion.chunk', model: 'odd', choices: [{ index: 0, delta, finish_reason: finish }], ...more });
const DONE = data('[DONE]');
const fn = (name, args) => ({ name, arguments: args });
const json = (o) => JSON.stringify(o);
const FINISH = { status: 'success', result: 'thought' };

const PLAN = json(JSON.parse(plan('odd', [{ objective: 'think', tools: ['fake__echo'], effect: 'none' }])));
const planned = chunk({ content: PLAN }) + chunk({}, 'stop') + DONE;
const called = (...calls) => chunk({ tool_calls: calls }) + chunk({}, 'tool_calls') + DONE;
const finished = called({ index: 0, id: 'call_f', type: 'function', function: fn('finish_step', json(FINISH)) });
const written = chunk({ content: 'The end [s1].' }) + chunk({}, 'stop') + DONE;
const BOOK = { planner: [planned], executor: [finished], writer: [written] };

let replay, service;
before(async () => {
  replay = await Replay.start();
  service = await Server.start({ shared: true, tools: [fake('fake', 'echo')], config: { openai: { api_key: 'sk-odd', base_url: replay.url }, llm: { api: 'chat', model: 'odd', retries_max: 1 } } });
});
after(async () => {
  await service.stop();
  replay.stop();
});

async function run(script, s = service) {
  replay.play({ ...BOOK, ...script });
  const { id } = await s.submit('do it', { approval: 'auto' });
  const doc = await s.until(id, 'completed', 'failed');
  const events = await s.events(id);
  assertDense(events);
  const of = (type) => events.filter((e) => e.event === type);
  return { doc, events, of, told: (role) => replay.seen.filter((r) => r.role === role).map((r) => r.body) };
}
async function completes(script, s) {
  const r = await run(script, s);
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  assert.equal(r.doc.result, 'The end [s1].');
  return r;
}
const echo = (text) => json({ text });
/** Two parallel calls of the echo tool, then finish_step; both must have been made, with the right arguments. */
async function bothCalled(answer, s) {
  const r = await completes({ executor: [answer, finished] }, s);
  assert.deepEqual(r.of('tool.started').map((e) => e.data.arguments.text).sort(), ['one', 'two']);
  return r;
}

// --- calls ---
test('Ollama: index 0 for all parallel calls', () => bothCalled(
  chunk({ tool_calls: [{ index: 0, id: 'call_a', function: fn('fake__echo', echo('one')) }] }) + called({ index: 0, id: 'call_b', function: fn('fake__echo', echo('two')) })));

test('SGLang, dynamo: no index', () => bothCalled(
  chunk({ tool_calls: [{ id: 'call_a', function: fn('fake__echo', '') }] }) + chunk({ tool_calls: [{ function: { arguments: echo('one') } }] })
  + chunk({ tool_calls: [{ id: 'call_b', function: fn('fake__echo', echo('two')) }] }) + chunk({}, 'tool_calls') + DONE));

test('neither index nor id: the position counts, and ids are made', async () => {
  const r = await bothCalled(called({ function: fn('fake__echo', echo('one')) }, { function: fn('fake__echo', echo('two')) }));
  const ids = r.told('executor')[1].messages.find((m) => m.tool_calls).tool_calls.map((c) => c.id);
  assert.equal(new Set(ids).size, 2);
});

test('LiteLLM over Ollama: arguments as an object, finish_reason stop beside calls, ids of chunks that change', () => bothCalled(
  chunk({ tool_calls: [{ index: 0, id: 'call_a', function: fn('fake__echo', { text: 'one' }) }] }, null, { id: 'x1' })
  + chunk({ tool_calls: [{ index: 1, id: 'call_b', function: fn('fake__echo', { text: 'two' }) }] }, 'stop', { id: 'x2' }) + DONE));

test('Gemini: the thought signature of a call goes back with it, also one that comes in a delta alone', async () => {
  const extra = (text) => ({ google: { thought_signature: text } });
  const r = await bothCalled(
    chunk({ tool_calls: [{ id: 'call_a', function: fn('fake__echo', echo('one')), extra_content: extra('sig-a') }, { id: 'call_b', function: fn('fake__echo', echo('two')) }] })
    + chunk({ tool_calls: [{ id: 'call_b', extra_content: extra('sig-b') }] }) + chunk({}, 'stop') + DONE);
  const calls = r.told('executor')[1].messages.find((m) => m.tool_calls).tool_calls;
  assert.deepEqual(calls.map((c) => c.extra_content.google.thought_signature), ['sig-a', 'sig-b']);
});

test('Gemini: an error in an array', async () => {
  const r = await run({ planner: [{ status: 400, type: 'application/json', body: json([{ error: { code: 400, message: 'Function call is missing a thought_signature', status: 'INVALID_ARGUMENT' } }]) }] });
  assert.equal(r.doc.status, 'failed');
  assert.match(r.doc.error.message, /missing a thought_signature/);
  assert.equal(replay.seen.length, 1);
});

test('vLLM: tool_calls as the reason although the arguments were cut: not acted upon', async () => {
  const r = await completes({ executor: [called({ index: 0, id: 'call_a', function: fn('fake__echo', '{"text": "hal') }), finished] });
  assert.equal(r.of('tool.started').length, 0);
  assert.match(json(r.told('executor')[1].messages.at(-1)), /cut off/);
});

test('null and empty arguments mean none; several objects in one event; no usage: it is an estimate', async () => {
  const r = await run({ executor: [`data: ${json({ choices: [{ delta: { tool_calls: [{ index: 0, id: 'a', function: fn('fake__echo', null) }] } }] })}${json({ choices: [{ delta: { tool_calls: [{ index: 1, id: 'b', function: fn('fake__echo', '') }] } }] })}\n\n${chunk({}, 'tool_calls')}`, finished] });
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  assert.deepEqual(r.of('model.completed')[1].data.calls.map((c) => c.arguments), ['{}', '{}']);
  assert.ok(r.of('model.completed').every((e) => e.data.usage.estimated && e.data.usage.input_tokens > 0));
});

// --- Azure ---
test('Azure: address from a template, its own header for the key, empty choices with filter results, empty ids', async () => {
  const s = await Server.start({ tools: [fake('fake', 'echo')], config: { openai: { api_key: 'sk-odd', base_url: `http://127.0.0.1:${replay.port}/openai/deployments/{model}?api-version=2024-10-21` }, llm: { api: 'chat', model: 'gpt 4', key_header: 'api-key' } } });
  const filter = data({ id: '', model: '', object: '', choices: [], prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }] });
  await completes({ planner: [filter + chunk({ content: PLAN }, null, { id: '' }) + chunk({}, 'stop') + DONE] }, s);
  assert.equal(replay.seen[0].path, '/openai/deployments/gpt%204/chat/completions?api-version=2024-10-21');
  assert.equal(replay.seen[0].headers['api-key'], 'sk-odd');
  assert.equal(replay.seen[0].headers.authorization, undefined);
  await s.stop();
});

// --- reasoning ---
const thinking = (name) => chunk({ [name]: 'Let me ' }) + chunk({ [name]: 'see.' }) + called({ index: 0, id: 'call_a', function: fn('fake__echo', echo('one')) });

test('DeepSeek: reasoning_content goes back with the turn', async () => {
  const r = await completes({ executor: [thinking('reasoning_content'), finished] });
  assert.equal(r.told('executor')[1].messages.find((m) => m.tool_calls).reasoning_content, 'Let me see.');
});

test('vLLM: reasoning under its new name goes back under the name that is configured, or not at all', async () => {
  for (const [echoed, expected] of [['reasoning', ['Let me see.', undefined]], ['off', [undefined, undefined]]]) {
    const s = await Server.start({ tools: [fake('fake', 'echo')], config: { openai: { api_key: 'sk-odd', base_url: replay.url }, llm: { api: 'chat', model: 'odd', reasoning_echo: echoed } } });
    const r = await completes({ executor: [thinking('reasoning'), finished] }, s);
    const turn = r.told('executor')[1].messages.find((m) => m.tool_calls);
    assert.deepEqual([turn.reasoning, turn.reasoning_content], expected);
    await s.stop();
  }
});

// --- streams ---
test('llama.cpp: further members are ignored', () => completes({ planner: [chunk({ content: PLAN }, null, { timings: { prompt_n: 1, predicted_ms: 2.5 } }) + chunk({}, 'stop', { timings: {} }) + DONE] }));

test('OpenRouter: comment lines', () => completes({ planner: [`: OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n${planned}`] }));

test('OpenRouter: a failure after 200, with a numeric code: tried again', async () => {
  const failed = data({ id: 'c', choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }], error: { code: 502, message: 'Provider returned error' } });
  const r = await completes({ planner: [failed, planned] });
  assert.match(r.of('model.retried')[0].data.error.message, /Provider returned error/);
});

test('llm-gateway: comments wrapped as data', () => completes({ planner: [`data: : keep-alive\n\n${planned}`] }));

test('an error as JSON that calls itself an event stream', async () => {
  const r = await completes({ planner: [json({ error: { message: 'upstream is busy', type: 'server_error' } }), planned] });
  assert.match(r.of('model.retried')[0].data.error.message, /upstream is busy/);
});

test('one JSON body in place of a stream', () => completes({
  planner: [{ type: 'application/json', body: json({ model: 'odd', choices: [{ index: 0, message: { role: 'assistant', content: PLAN }, finish_reason: 'stop' }], usage: { prompt_tokens: 3, completion_tokens: 4 } }) }],
}));

test('CRLF, no blank line at the end, no [DONE]', () => completes({ planner: [(chunk({ content: PLAN }) + chunk({}, 'stop')).replaceAll('\n', '\r\n').trimEnd()] }));

test('characters split over reads', async () => {
  const bytes = Buffer.from(chunk({ content: 'Zwölf 😀 [s1].' }) + chunk({}, 'stop') + DONE);
  const r = await run({ writer: [[...bytes].map((byte) => Buffer.from([byte]))] });
  assert.equal(r.doc.result, 'Zwölf 😀 [s1].');
});

test('characters cut in two by UTF-16 units, an escape in each event', async () => {
  const piece = (escaped) => chunk({ content: '@' }).replace('@', escaped);
  const r = await run({ writer: [piece('Zw\\ud83d') + piece('\\ude00lf [s1].') + chunk({}, 'stop') + DONE] });
  assert.equal(r.doc.result, 'Zw😀lf [s1].');
});

test('the end without a finish_reason is a cut: before any text tried again, after it the end of the task', async () => {
  const r = await completes({ planner: [chunk({ role: 'assistant' }), planned] });
  assert.equal(r.of('model.retried').length, 1);
  const cut = await run({ planner: [chunk({ content: PLAN.slice(0, 50) })] });
  assert.equal(cut.doc.status, 'failed');
  assert.match(cut.doc.error.message, /broke off/);
});

test('401 with a page of HTML', async () => {
  const r = await run({ planner: [{ status: 401, type: 'text/html', body: '<!DOCTYPE html><html><title>Login</title></html>' }] });
  assert.equal(r.doc.status, 'failed');
  assert.match(r.doc.error.message, /did not accept the API key.*HTML/);
  assert.equal(replay.seen.length, 1);
});

test('calls written into the text count only where the operator says so', async () => {
  const text = chunk({ content: `<tool_call>\n{"name": "finish_step", "arguments": ${json(FINISH)}}\n</tool_call>` }) + chunk({}, 'stop') + DONE;
  const off = await completes({ executor: [text, finished] });
  assert.equal(off.told('executor').length, 2, 'text, and asked again');
  const s = await Server.start({ tools: [fake('fake', 'echo')], config: { openai: { api_key: 'sk-odd', base_url: replay.url }, llm: { api: 'chat', model: 'odd', text_tool_calls: 'on' } } });
  const on = await completes({ executor: [text] }, s);
  assert.equal(on.told('executor').length, 1);
  await s.stop();
});

// --- Bedrock, Ollama ---
test('Bedrock: its base address, its key as a bearer token, throttling as 429 and 529', async () => {
  const s = await Server.start({ tools: [fake('fake', 'echo')], config: { openai: { api_key: 'bedrock-key', base_url: `http://127.0.0.1:${replay.port}/openai/v1` }, llm: { api: 'chat', model: 'anthropic.claude', retries_max: 2 } } });
  const throttled = (status) => ({ status, type: 'application/json', headers: ['Retry-After-Ms: 1', 'x-amzn-ErrorType: ThrottlingException'], body: json({ message: 'Too many requests, please wait before trying again.' }) });
  const r = await completes({ planner: [throttled(429), throttled(529), planned] }, s);
  assert.equal(replay.seen[0].path, '/openai/v1/chat/completions');
  assert.equal(replay.seen[0].headers.authorization, 'Bearer bedrock-key');
  assert.deepEqual(r.of('model.retried').map((e) => /Too many requests/.test(e.data.error.message)), [true, true]);
  await s.stop();
});

test('Ollama: any placeholder is a key, and none is none', async () => {
  for (const api_key of ['ollama', '']) {
    const s = await Server.start({ tools: [fake('fake', 'echo')], config: { openai: { api_key, base_url: replay.url }, llm: { api: 'chat', model: 'qwen3' } } });
    await completes({}, s);
    assert.equal(replay.seen[0].headers.authorization, api_key ? 'Bearer ollama' : undefined);
    await s.stop();
  }
});

test('errors whose code is a number or a text, whose body is a bare message, or nothing at all', async () => {
  for (const [body, seen] of [[{ error: { code: 'invalid_model', message: 'no such model' } }, /invalid_model.*no such model/], [{ error: { code: 400, message: 'bad' } }, /\(status 400, 400\): bad/], [{ detail: 'not here' }, /not here/], ['', /status 400/]]) {
    const r = await run({ planner: [{ status: 400, type: 'application/json', body: body === '' ? '' : json(body) }] });
    assert.equal(r.doc.status, 'failed');
    assert.match(r.doc.error.message, seen);
  }
});

// --- bounds of one answer ---
test('what is beyond the bounds of an answer is refused and says which', async () => {
  const large = 'x'.repeat(300 << 10), piece = (args, more = {}) => chunk({ tool_calls: [{ index: 0, ...more, function: { arguments: args } }] });
  const cases = {
    'a line': [[`data: ${'x'.repeat(600 << 10)}`, 'x'.repeat(600 << 10)], /1048576/],
    'an event': [Array.from({ length: 6 }, () => `data: ${'x'.repeat(800 << 10)}\n`), /4194304/],
    'the arguments of a call': [chunk({ tool_calls: [{ index: 0, id: 'a', function: fn('fake__echo', '{"text":"') }] }) + piece(large), /262144/],
    'the calls of a turn': [Array.from({ length: 129 }, (_, i) => chunk({ tool_calls: [{ index: i, id: `k${i}`, function: fn('fake__echo', '{}') }] })).join(''), /128/],
    'the whole answer': [Array.from({ length: 18 }, () => chunk({ content: 'x'.repeat(1000 << 10) })), /16777216|llm\.response_bytes/],
  };
  for (const [what, [answer, says]] of Object.entries(cases)) {
    const r = await run({ executor: [answer] });
    const error = r.of('model.failed')[0]?.data.error.message ?? '(none)';
    assert.match(error, says, what);
    assert.equal(r.doc.status, 'failed', what);
  }
  // The service is none the worse for it.
  await completes({});
});

// --- structured output ---
test('a server without JSON schemas: asked without, then for an object, then for nothing of the kind; a plan within prose is found', async () => {
  const s = await Server.start({ tools: [fake('fake', 'echo')], config: { server: { workers: 1 }, openai: { api_key: 'sk-odd', base_url: replay.url }, llm: { api: 'chat', model: 'odd' } } });
  const refused = { status: 400, type: 'application/json', body: json({ error: { message: "'response_format' of type 'json_schema' is not supported", type: 'invalid_request_error', param: 'response_format' } }) };
  const prose = chunk({ content: `Sure! Here is the plan:\n\`\`\`json\n${PLAN}\n\`\`\`\nShall I?` }) + chunk({}, 'stop') + DONE;
  const formats = (r) => r.told('planner').map((b) => b.response_format?.type);
  assert.deepEqual(formats(await completes({ planner: [refused, prose] }, s)), ['json_schema', undefined]);
  assert.deepEqual(formats(await completes({ planner: [refused, prose] }, s)), ['json_object', undefined]);
  assert.deepEqual(formats(await completes({ planner: [prose] }, s)), [undefined]);
  await s.stop();
});
