// SPDX-License-Identifier: Apache-2.0
// Model servers that misbehave, and what steps, tools and arguments a model may and may not get away with.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { LLMock } from '@copilotkit/aimock';
import { Server, assertDense, fake, filesystem, onTestEnd, tempDir, test } from './lib/server.mjs';
import { HeldModel, Model, calls, finished, plan, planned, turns, using, written } from './lib/model.mjs';

const QUICK = [planned({ objective: 'think', effect: 'none' }), turns('s1', finished('thought')), written('The end.')];

/** Runs one task against scripted rules; the planner's first answers may be `first`. */
async function runTask(rules, { config = {}, tools = [], prompt = 'do it' } = {}) {
  const model = await Model.start({ rules });
  const s = await Server.start({ tools, config: using(model, config) });
  const { id } = await s.submit(prompt, { approval: 'auto' });
  const doc = await s.until(id, 'completed', 'failed');
  const events = await s.events(id);
  assertDense(events);
  const requests = await model.requests();
  const text = JSON.stringify(events) + s.stderr;
  assert.ok(!text.includes('sk-test'), 'the key is nowhere');
  await s.stop();
  await model.stop();
  return { doc, events, requests, of: (type) => events.filter((e) => e.event === type) };
}
const firstly = (...responses) => ({ name: 'first', when: { system: 'planner' }, times: responses.length, respond: responses });

test('down: tried again, then the task fails and says where', async () => {
  const closed = net.createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address();
  closed.close();
  const s = await Server.start({ config: using({ url: `http://127.0.0.1:${port}/v1` }, { llm: { retries_max: 1 } }) });
  const { id } = await s.submit('anyone?');
  const doc = await s.until(id, 'failed');
  assert.equal(doc.error.code, 'unavailable');
  assert.match(doc.error.message, new RegExp(`127\\.0\\.0\\.1:${port}`));
  const events = await s.events(id);
  assert.equal(events.filter((e) => e.event === 'model.retried').length, 1);
  assert.equal(events.filter((e) => e.event === 'model.failed').length, 1);
  await s.stop();
});

test('slow to begin: time-out; slow within its answer: time-out, not tried again', async () => {
  const begin = await runTask([firstly({ hang: true }, { hang: true })], { config: { llm: { first_byte_seconds: 1, retries_max: 0 } } });
  assert.equal(begin.doc.error.code, 'timeout');
  assert.match(begin.doc.error.message, /llm\.first_byte_seconds/);
  const within = await runTask([firstly({ text: '{"goal":', hang: 'after_text' })], { config: { llm: { idle_seconds: 1, retries_max: 2 } } });
  assert.equal(within.doc.error.code, 'timeout');
  assert.match(within.doc.error.message, /llm\.idle_seconds/);
  assert.equal(within.requests.length, 1, 'what was passed on cannot be taken back');
});

test('slow, but steady: no limit is reached', async () => {
  const r = await runTask([{ when: { system: 'planner' }, respond: { text: plan('slow', [{ objective: 'x', effect: 'none' }]), chunk_delay_ms: 25 } }, ...QUICK.slice(1)], { config: { llm: { idle_seconds: 1, first_byte_seconds: 1 } } });
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
});

test('cut before any output: tried again; cut after some: the task fails', async () => {
  const early = await runTask([firstly({ close: true }, { text: 'x', cut_after_bytes: 40 }), ...QUICK]);
  assert.equal(early.doc.status, 'completed');
  assert.deepEqual(early.of('model.retried').map((e) => e.data.attempt), [2, 3]);
  const late = await runTask([firstly({ text: 'x'.repeat(500), cut_after_bytes: 2000, chunk_delay_ms: 10 }), ...QUICK]);
  assert.equal(late.doc.status, 'failed');
  assert.equal(late.requests.length, 1);
  assert.ok(late.doc.error.message.length > 20, late.doc.error.message);
});

test('broken JSON, an error inside a 200, a page of HTML', async () => {
  const broken = await runTask([firstly({ text: 'some', broken_json: true }), ...QUICK]);
  assert.equal(broken.doc.status, 'failed');
  assert.match(broken.doc.error.message, /JSON/);
  const inside = await runTask([firstly({ error_after_200: true }), ...QUICK]);
  assert.equal(inside.doc.status, 'completed', 'server_error without output is tried again');
  const page = await runTask([firstly({ status: 404, body: '<html><body>nginx</body></html>' }), ...QUICK]);
  assert.equal(page.doc.status, 'failed');
  assert.match(page.doc.error.message, /openai\.base_url/);
});

test('429 with Retry-After is obeyed; one that is too long fails at once', async () => {
  const r = await runTask([firstly({ status: 429, headers: { 'retry-after': '1' }, body: { error: { message: 'slow down', code: 'rate_limit_exceeded' } } }), ...QUICK]);
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  const [retried] = r.of('model.retried');
  assert.equal(retried.data.wait_ms, 1000);
  assert.ok(r.requests[1].at_ms - r.requests[0].at_ms >= 990, `${r.requests[1].at_ms - r.requests[0].at_ms} ms`);
  const long = await runTask([firstly({ status: 429, headers: { 'retry-after': '3600' } }), ...QUICK]);
  assert.equal(long.doc.status, 'failed');
  assert.match(long.doc.error.message, /llm\.retry_wait_seconds/);
  assert.equal(long.requests.length, 1);
});

test('500 twice, then success', async () => {
  const r = await runTask([firstly({ status: 500 }, { status: 503 }), ...QUICK]);
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  assert.equal(r.of('model.retried').length, 2);
  const more = await runTask([firstly({ status: 500 }, { status: 500 }), ...QUICK], { config: { llm: { retries_max: 1 } } });
  assert.equal(more.doc.status, 'failed');
  assert.match(more.doc.error.message, /2 attempts/);
});

test('no money, a wrong key, a refusal: not tried again', async () => {
  const money = await runTask([firstly({ status: 429, body: { error: { message: 'You exceeded your current quota', code: 'insufficient_quota' } } }), ...QUICK]);
  assert.equal(money.doc.error.code, 'budget');
  assert.equal(money.requests.length, 1);
  const key = await runTask([firstly({ status: 401, body: { error: { message: 'Incorrect API key provided: sk-test', code: 'invalid_api_key' } } }), ...QUICK]);
  assert.equal(key.requests.length, 1);
  assert.match(key.doc.error.message, /openai\.api_key/);
  const refusal = await runTask([firstly({ refusal: 'I will not do that.' }), ...QUICK]);
  assert.equal(refusal.doc.error.code, 'refused');
  assert.match(refusal.doc.error.message, /I will not do that/);
  assert.equal(refusal.requests.length, 1);
});

test('an invalid plan is shown to the model once and repaired; twice invalid becomes one step', async () => {
  const bad = plan('x', [{ id: 's1', objective: 'a', after: ['s9'] }]);
  const r = await runTask([firstly({ text: bad }), ...QUICK]);
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  const asked = r.requests[1].body.messages;
  assert.equal(asked.at(-2).role, 'assistant');
  assert.equal(asked.at(-2).content, bad);
  assert.match(asked.at(-1).content, /s9/);
  assert.equal(r.of('plan.created').length, 1);
  for (const twice of [['no plan', '{"steps": "none"}'], [plan('x', [{ id: 's1', objective: 'a', after: ['s2'] }, { id: 's2', objective: 'b', after: ['s1'] }]), '{']]) {
    const single = await runTask([firstly({ text: twice[0] }, { text: twice[1] }), ...QUICK.slice(1)], { prompt: 'the whole goal' });
    assert.equal(single.doc.status, 'completed');
    assert.equal(single.doc.plan.steps.length, 1);
    assert.equal(single.doc.plan.steps[0].objective, 'the whole goal');
  }
});

test('a plan in prose and a code fence is found; nothing to do completes the task', async () => {
  const fenced = await runTask([firstly({ text: `Sure:\n\`\`\`json\n${plan('x', [{ objective: 'a', effect: 'none' }])}\n\`\`\`\nGood luck!` }), ...QUICK.slice(1)]);
  assert.equal(fenced.doc.status, 'completed');
  const nothing = await runTask([firstly({ text: { goal: 'x', assumptions: [], questions: [], steps: [], final_output: 'Already done.' } })]);
  assert.equal(nothing.doc.status, 'completed');
  assert.equal(nothing.doc.result, 'Already done.');
});

test('questions of the planner are answered by a person, and planned with; or the task fails', async () => {
  const asks = { text: { goal: 'x', assumptions: [], questions: ['Which town?'], steps: [], final_output: '' } };
  const model = await Model.start({ rules: [
    { when: { system: 'planner', user: 'Answered: Oslo' }, respond: { text: plan('x', [{ objective: 'a', effect: 'none' }]) } },
    { when: { system: 'planner' }, respond: asks },
    ...QUICK.slice(1),
  ] });
  const s = await Server.start({ config: using(model) });
  const submit = async () => s.until((await s.submit('the weather', { approval: 'auto' })).id, 'input_required');
  const waiting = await submit();
  assert.equal(waiting.pending.kind, 'questions');
  assert.deepEqual(waiting.pending.questions, ['Which town?']);
  const answered = await s.post(`/v1/tasks/${waiting.id}/input`, { id: waiting.pending.id, action: 'answer', content: 'Oslo' });
  assert.equal(answered.status, 200, JSON.stringify(answered.body));
  const done = await s.until(waiting.id, 'completed');
  assert.equal(done.plan.version, 2);
  const other = await submit();
  await s.post(`/v1/tasks/${other.id}/input`, { id: other.pending.id, action: 'fail' });
  assert.equal((await s.until(other.id, 'failed')).error.code, 'needs-input');
  await s.stop();
  await model.stop();
});

test('a step ends by what finish_step says, and its failure ends the task or not, as the plan has it', async () => {
  const failed = await runTask([planned({ objective: 'a', effect: 'none' }), turns('s1', finished('no such town', 'failed'))]);
  assert.equal(failed.doc.status, 'failed');
  assert.match(failed.doc.error.message, /no such town/);
  assert.equal(failed.doc.plan.steps[0].status, 'failed');
  const skip = await runTask([planned({ objective: 'a', effect: 'none', on_failure: 'skip' }, { objective: 'b', effect: 'none' }), turns('s1', finished('nothing', 'failed')), turns('s2', finished('b')), written('Half of it.')]);
  assert.equal(skip.doc.status, 'completed');
  const twice = await runTask([planned({ objective: 'a', effect: 'none', on_failure: 'retry' }), turns('s1', finished('not yet', 'failed'), finished('now')), written('Done.')]);
  assert.equal(twice.doc.status, 'completed');
  assert.equal(twice.of('step.started').length, 2);
  const talker = await runTask([planned({ objective: 'a', effect: 'none' }), turns('s1', { text: 'I am done, really.' })]);
  assert.equal(talker.doc.status, 'failed', 'claims are not success');
  const cut = await runTask([planned({ objective: 'a', effect: 'none' }), turns('s1', calls('finish_step', '{"status": "success", "result": "half of'), finished('short')), written('Done.')]);
  assert.equal(cut.doc.status, 'completed', 'arguments that were cut off are not acted upon');
  assert.equal(cut.doc.plan.steps[0].result, 'short');
});

test('a chat run over a server that nobody here wrote (aimock)', async () => {
  const mock = new LLMock({ port: 0 });
  const whole = plan('read the notes', [{ objective: 'read notes.md', tools: ['filesystem__read_text_file'] }]);
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  fs.writeFileSync(path.join(dir, 'notes.md'), 'The reflector is clean.\n');
  mock.on({ systemMessage: 'planner' }, { content: whole });
  mock.on({ systemMessage: 'executor', hasToolResult: false }, { toolCalls: [{ name: 'filesystem__read_text_file', arguments: JSON.stringify({ path: path.join(dir, 'notes.md') }) }] });
  mock.on({ systemMessage: 'executor', toolResultContains: 'The reflector is clean.' }, { toolCalls: [{ name: 'finish_step', arguments: JSON.stringify({ status: 'success', result: 'The notes say the reflector is clean.' }) }] });
  mock.on({ systemMessage: 'final answer' }, { content: 'It is clean [s1].' });
  await mock.start();
  onTestEnd(() => mock.stop());
  const s = await Server.start({ tools: [filesystem(dir)], config: using({ url: `${mock.url}/v1` }) });
  const { id } = await s.submit('What do the notes say?');
  const waiting = await s.until(id, 'awaiting_approval');
  await s.post(`/v1/tasks/${id}/approve`, { plan_digest: waiting.plan.digest });
  const done = await s.until(id, 'completed');
  assert.equal(done.result, 'It is clean [s1].');
  assert.equal(done.plan.steps[0].result, 'The notes say the reflector is clean.');
  assert.deepEqual([done.usage.model_calls, done.usage.tool_calls], [4, 1]);
  assert.ok(done.usage.input_tokens > 0 && done.usage.output_tokens > 0);
  const bodies = mock.getRequests().map((r) => r.body);
  assert.ok(bodies.every((b) => b.stream === true));
  assert.equal(bodies[0].tools, undefined, 'the planner is told of tools in words');
  assert.ok(bodies[1].tools.some((t) => t.function.name === 'finish_step'));
  await s.stop();
});

test('read-only steps run side by side up to agent.parallel_steps, a writing one alone', async () => {
  const model = await HeldModel.start();
  const s = await Server.start({ config: using(model, { agent: { parallel_steps: 2 } }) });
  const { id } = await s.submit('several', { approval: 'auto' });
  const effects = ['read', 'read', 'read', 'write', 'read'];
  (await model.next('planner')).plan(...effects.map((effect, i) => ({ id: `s${i + 1}`, objective: 'x', effect })));
  const step = (name) => model.next((c) => c.step === name);
  const [one, two] = [await step('s1'), await step('s2')];
  assert.deepEqual(model.seen.map((c) => c.step), [undefined, 's1', 's2']);
  two.finish();
  const three = await step('s3');
  one.finish();
  await s.event(id, (e) => e.event === 'step.completed' && e.data.step === 's1');
  three.finish();
  const four = await step('s4');
  four.finish();
  (await step('s5')).finish();
  (await model.next('writer')).text('Done.');
  await s.until(id, 'completed');
  let running = [];
  let most = 0;
  for (const e of await s.events(id)) {
    if (e.event === 'step.started') running.push(e.data.step);
    if (e.event === 'step.completed') running = running.filter((x) => x !== e.data.step);
    most = Math.max(most, running.length);
    if (running.includes('s4')) assert.deepEqual(running, ['s4'], 'alone');
  }
  assert.equal(most, 2);
  await s.stop();
  await model.stop();
});

test('steps and calls that only read overlap at a real tool server; a later step gets the results it builds on', async () => {
  const sleep = calls('fake__sleep', { ms: 300 });
  const r = await runTask([
    planned({ objective: 'a', tools: ['fake__sleep'] }, { objective: 'b', tools: ['fake__sleep'] }, { objective: 'c', after: ['s1', 's2'], effect: 'none' }),
    turns('s1', { tool_calls: [...sleep.tool_calls, ...sleep.tool_calls] }, finished('slept twice')), turns('s2', sleep, finished('slept once')), turns('s3', finished('rested')), written(),
  ], { tools: [fake('fake', 'echo')] });
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  const tools = r.events.filter((e) => e.event.startsWith('tool.')).map((e) => e.event);
  assert.deepEqual(tools, [...Array(3).fill('tool.started'), ...Array(3).fill('tool.completed')], 'all three at once');
  const third = r.requests.find((q) => q.rule === 's3').body.messages.findLast((m) => m.role === 'user').content;
  assert.match(third, /slept twice[^]*slept once/);
});

test('what may change something goes one after the other, in the order of the model', async () => {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  const file = path.join(dir, 'count');
  const r = await runTask([
    planned({ objective: 'count', tools: ['fake__count'], effect: 'write' }),
    turns('s1', { tool_calls: [{ name: 'fake__sleep', arguments: { ms: 100 } }, { name: 'fake__count', arguments: { file } }, { name: 'fake__count', arguments: { file } }] }, finished()), written(),
  ], { tools: [fake('fake', 'echo')] });
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  assert.deepEqual(r.events.filter((e) => e.event.startsWith('tool.')).map((e) => `${e.event} ${e.data.tool}`),
    ['tool.started sleep', 'tool.completed sleep', 'tool.started count', 'tool.completed count', 'tool.started count', 'tool.completed count']);
  const started = r.of('tool.started').filter((e) => e.data.tool === 'count').map((e) => e.data.call);
  assert.equal(fs.readFileSync(file, 'utf8'), started.map((call) => `called ${r.doc.id}:${call}\n`).join(''), 'each once, under its key');
});

test('arguments that are wrong are answered to the model and never reach the server; so are unknown tools', async () => {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  const file = path.join(dir, 'count');
  const wrong = [{ name: 'fake__count', arguments: { file: 5 } }, { name: 'fake__count', arguments: 'file=x' }, { name: 'fake__count', arguments: '[]' }, { name: 'fake__nothing', arguments: {} }];
  const r = await runTask([planned({ objective: 'count', tools: ['fake__count'], effect: 'write' }), turns('s1', ...wrong.map((c) => ({ tool_calls: [c] })), calls('fake__count', { file }), finished()), written()], { tools: [fake('fake', 'echo')] });
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  assert.equal(r.of('tool.started').length, 1);
  assert.equal(fs.readFileSync(file, 'utf8'), `called ${r.doc.id}:${r.of('tool.started')[0].data.call}\n`, 'only the right one arrived');
  assert.deepEqual(r.of('tool.failed').map((e) => e.data.sent), [false, false, false, false]);
  const told = r.requests.filter((q) => q.rule === 's1').map((q) => q.body.messages.at(-1)).slice(1, 5);
  assert.ok(told.every((m) => m.role === 'tool' && /^Error: /.test(m.content)), JSON.stringify(told));
  assert.match(told[0].content, /file/);
  assert.match(told[3].content, /fake__nothing/);
  assert.equal(r.doc.usage.tool_calls, 1);
});

test('a writing tool in a step that was approved as reading is refused', async () => {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  const file = path.join(dir, 'new.txt');
  const r = await runTask([planned({ objective: 'look around', effect: 'read' }), turns('s1', calls('filesystem__write_file', { path: file, content: 'x' }), finished('could not')), written()], { tools: [filesystem(dir)] });
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  assert.equal(fs.existsSync(file), false);
  const [failed] = r.of('tool.failed');
  assert.equal(failed.data.sent, false);
  assert.match(failed.data.error.message, /reading only/);
});

test('a plan that names a writing tool shows it before approval', async () => {
  const model = await Model.start({ rules: [planned({ objective: 'write', tools: ['fake__count'], effect: 'read' })] });
  const s = await Server.start({ tools: [fake('fake', 'echo')], config: using(model) });
  const { id } = await s.submit('write');
  const { plan: shown } = await s.until(id, 'awaiting_approval');
  assert.equal(shown.steps[0].side_effects, 'write');
  await s.stop();
  await model.stop();
});

test('a failing tool is told to the model, which may go another way', async () => {
  const r = await runTask([planned({ objective: 'try', tools: ['fake__fail'], effect: 'write' }), turns('s1', calls('fake__fail'), calls('fake__echo', { text: 'instead' }), finished('went another way')), written()], { tools: [fake('fake', 'echo')] });
  assert.equal(r.doc.status, 'completed', r.doc.error?.message);
  assert.equal(r.of('tool.completed')[0].data.is_error, true);
  assert.match(r.requests.filter((q) => q.rule === 's1')[1].body.messages.at(-1).content, /Error: .*as it was told/);
});
