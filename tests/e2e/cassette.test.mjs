// SPDX-License-Identifier: Apache-2.0
// --record keeps every exchange with a model server; --replay answers from it with the network off. Each recording is made against
// a server that is gone when it is replayed: in its place stands a trap that counts connections.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { Replay } from '../fake/replay_server.mjs';
import { Server, command, eventually, fake, onTestEnd, tempDir, test } from './lib/server.mjs';
import { Model, calls, finished, plan, planned, turns, using, written } from './lib/model.mjs';

const KEY = 'sk-cassette-0f3b9c55d1';
const json = (o) => JSON.stringify(o);

/** A folder that goes with the test. */
function folder() {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  return path.join(dir, 'cassette');
}
/** Takes connections where a model server was, and counts them. */
async function trap(port) {
  const t = { count: 0 };
  t.server = net.createServer((socket) => { t.count += 1; socket.destroy(); });
  t.server.listen(port, '127.0.0.1');
  await once(t.server, 'listening');
  t.close = () => t.server.close();
  onTestEnd(t.close);
  return t;
}
const exchanges = (dir) => fs.readdirSync(dir).filter((f) => /^\d+-[0-9a-f]+\.json$/.test(f)).sort().map((f) => ({ file: path.join(dir, f), ...JSON.parse(fs.readFileSync(path.join(dir, f), 'utf8')) }));

/** What a task's models did, without what is another in each run, sorted: of steps side by side either may be first. */
const story = (events) => events.filter((e) => /^model\.(completed|retried|failover|failed)$/.test(e.event))
  .map(({ event, data }) => [event, data.step, data.role, data.provider, data.text, data.tool_calls?.map((c) => c.arguments), data.usage, data.error?.code])
  .sort((a, b) => (json(a) < json(b) ? -1 : 1));

/** Runs tasks to their ends, `act` meanwhile; gives of each its document and its story. */
async function tasks(s, prompts, act) {
  const ids = await Promise.all(prompts.map(async (prompt) => (await s.submit(prompt, act ? {} : { approval: 'auto' })).id));
  if (act) for (const id of ids) await act(s, id);
  const docs = await Promise.all(ids.map((id) => s.until(id, 'completed', 'failed')));
  const stories = await Promise.all(ids.map(async (id) => story(await s.events(id))));
  return docs.map((doc, i) => ({ result: doc.result, status: doc.status, error: doc.error, story: stories[i], id: ids[i] }));
}

/** Records the prompts, stops the model server, replays them in another service; both runs must tell the same. */
async function recordAndReplay({ config, tools = [], prompts = ['do it'], act, ports, stop, replayConfig, status = 'completed', dir = folder() }) {
  const s = await Server.start({ config, tools, args: ['--record', dir] });
  const first = await tasks(s, prompts, act);
  for (const t of first) assert.equal(t.status, status, t.error?.message);
  await s.stop();
  await stop();
  const traps = await Promise.all(ports.map(trap));
  const r = await Server.start({ config: replayConfig ?? config, tools, args: ['--replay', dir] });
  const second = await tasks(r, prompts, act);
  for (const [i, t] of second.entries()) {
    assert.equal(t.error?.message, first[i].error?.message);
    assert.deepEqual([t.status, t.result], [first[i].status, first[i].result]);
    assert.deepEqual(t.story, first[i].story);
  }
  await r.stop();
  assert.equal(traps.reduce((n, t) => n + t.count, 0), 0, 'no connection was opened');
  traps.forEach((t) => t.close());
  return { dir, first };
}

const TALK = [planned({ objective: 'say it', tools: ['fake__echo'] }), turns('s1', calls('fake__echo', { text: 'hello' }), finished('said hello')), written('It was said [s1].')];

test('what was recorded is replayed: same answers, same calls, no connection, no key', async () => {
  const model = await Model.start({ rules: TALK });
  const config = using(model, { openai: { api_key: KEY } });
  const { dir, first } = await recordAndReplay({ config, replayConfig: using(model, { openai: { api_key: '' } }), tools: [fake('fake', 'echo')], ports: [model.port], stop: () => model.stop() });
  const kept = exchanges(dir);
  assert.equal(kept.length, 4);
  assert.equal(first[0].story.filter(([e]) => e === 'model.completed').length, 4);
  assert.deepEqual([...new Set(kept.map((x) => `${x.provider} ${x.api} ${x.path} ${x.status}`))], ['openai chat /v1/chat/completions 200']);
  assert.ok(kept.every((x) => x.request.prompt_cache_key === undefined && x.pieces.length > 0));
  assert.equal(fs.statSync(dir).mode & 0o777, 0o700);
  assert.equal(fs.statSync(kept[0].file).mode & 0o777, 0o600);
});

test('all workers replay from one recording; several tasks at once', async () => {
  const names = Array.from({ length: 12 }, (_, i) => `topic-${i}`);
  const model = await Model.start({ rules: [
    planned({ objective: 'say it', tools: ['fake__echo'] }, { objective: 'say more', tools: ['fake__echo'] }, { objective: 'join', after: ['s1', 's2'], effect: 'none' }),
    ...['s1', 's2'].map((s) => turns(s, calls('fake__echo', { text: s }), finished(`said ${s}`))).map((rule) => ({ ...rule, when: { ...rule.when, last_role: 'user' }, respond: rule.respond[0] })),
    { when: { system: 'executor', last_role: 'tool' }, respond: finished('said') },
    turns('s3', finished('joined')),
    { when: { system: 'final answer' }, respond: { text: 'About {{user:(topic-[0-9]+)}}.' } }] });
  const { dir } = await recordAndReplay({ config: using(model, { server: { workers: 3 } }), replayConfig: using(model, { server: { workers: 2 } }), tools: [fake('fake', 'echo')], prompts: names, ports: [model.port], stop: () => model.stop() });
  assert.equal(exchanges(dir).length, 12 * 7);
});

test('steps side by side: results that are read again by handle are the same ones', async () => {
  const long = (step) => `${step} says `.repeat(2000);
  const model = await Model.start({ rules: [
    planned(...['s1', 's2', 's3'].map((s) => ({ objective: `say ${s}`, tools: ['fake__echo'] }))),
    ...['s1', 's2', 's3'].flatMap((s, i) => [
      { when: { system: 'executor', text: `Your step: ${s} `, turn: 0 }, respond: { ...calls('fake__echo', { text: long(s) }), delay_ms: 60 - 25 * i } },
      { when: { system: 'executor', text: `Your step: ${s} `, turn: 1 }, respond: calls('read_result', { handle: '{{last:handle (c[0-9]+) reads}}', offset: 11000, length: 100 }) },
      { when: { system: 'executor', text: `Your step: ${s} ` }, respond: finished(`read of ${s}: {{last:(s[0-9] says)}}`) }]),
    { when: { system: 'final answer' }, respond: { text: '{{user:read of (s1: s1 says)}}, {{user:read of (s2: s2 says)}}, {{user:read of (s3: s3 says)}}' } }] });
  const { first, dir } = await recordAndReplay({ config: using(model), tools: [fake('fake', 'echo')], ports: [model.port], stop: () => model.stop() });
  assert.equal(first[0].result, 's1: s1 says, s2: s2 says, s3: s3 says');
  assert.equal(exchanges(dir).length, 11);
});

// --- the other APIs ---
const event = (type, o = {}) => `event: ${type}\ndata: ${json({ type, ...o })}\n\n`;
const PLAN = plan('wires', [{ objective: 'think', effect: 'none' }]), FINISH = json({ status: 'success', result: 'thought “well”' });
const start = event('message_start', { message: { id: 'm', type: 'message', role: 'assistant', model: 'claude', content: [], stop_reason: null, usage: { input_tokens: 10, output_tokens: 1 } } });
const block = (content_block, delta) => event('content_block_start', { index: 0, content_block }) + event('content_block_delta', { index: 0, delta }) + event('content_block_stop', { index: 0 });
const stop = (stop_reason) => event('message_delta', { delta: { stop_reason }, usage: { output_tokens: 7 } }) + event('message_stop');
const said = (text) => start + block({ type: 'text', text: '' }, { type: 'text_delta', text }) + stop('end_turn');
const item = (o) => event('response.created', { response: { id: 'r', status: 'in_progress', model: 'gpt' } }) + event('response.output_item.done', { output_index: 0, item: o }) + event('response.completed', { response: { id: 'r', status: 'completed', model: 'gpt', output: [], usage: { input_tokens: 50, output_tokens: 9 } } });
const message = (text) => item({ type: 'message', id: 'm', role: 'assistant', content: [{ type: 'output_text', text, annotations: [] }] });
const books = {
  messages: { planner: [said(PLAN)], executor: [start + block({ type: 'tool_use', id: 'toolu_f', name: 'finish_step', input: {} }, { type: 'input_json_delta', partial_json: FINISH }) + stop('tool_use')], writer: [said('The end [s1].')] },
  responses: { planner: [message(PLAN)], executor: [item({ type: 'function_call', id: 'fc', call_id: 'call_f', name: 'finish_step', arguments: FINISH })], writer: [message('The end [s1].')] },
};
/** In pieces that cut characters, so that one answer is no text in any of them. */
const cut = (text) => { const b = Buffer.from(text); return [b.subarray(0, b.indexOf(0x80)), b.subarray(b.indexOf(0x80), b.length - 9), b.subarray(b.length - 9)]; };

for (const api of Object.keys(books)) {
  test(`${api}: recorded and replayed, in the pieces in which it came`, async () => {
    const server = await Replay.start();
    onTestEnd(() => server.stop());
    const executor = cut(books[api].executor[0]);
    server.play({ ...books[api], executor: [executor] });
    const config = { openai: { api_key: KEY, base_url: server.url }, llm: { api, model: `model-${api}` } };
    const { dir } = await recordAndReplay({ config, ports: [server.port], stop: () => server.stop() });
    const kept = exchanges(dir);
    assert.deepEqual(kept.map((x) => x.api), [api, api, api]);
    assert.equal(Buffer.byteLength(kept[1].body), kept[1].pieces.reduce((a, b) => a + b, 0));
    assert.ok(kept[1].pieces.length > 1);
  });
}

test('failures are exchanges, too: a 500 is tried again, a provider that fails hands over', async () => {
  const main = await Model.start({ rules: [
    { when: { system: 'planner', attempt: 1 }, respond: { status: 500, body: { error: { message: `broken for ${KEY}` } }, headers: { 'retry-after-ms': '20' } } },
    planned({ objective: 'think', effect: 'none' }), { when: { system: 'executor', attempt: 1 }, respond: { text: 'half', cut_after_bytes: 5 } }, turns('s1', finished('thought')),
    { when: {}, respond: { status: 401, body: { error: { message: 'no such key' } } } }] });
  const spare = await Model.start({ rules: [written('From the spare one.')] });
  const provider = (name, m) => ({ name, api: 'chat', base_url: m.url, model: name, key: KEY });
  const config = { llm: { providers: [provider('main', main), provider('spare', spare)] } };
  const replayConfig = { llm: { providers: [provider('main', main), provider('spare', spare)].map((p) => ({ ...p, key: '${NOT_SET_HERE}' })) } };
  const { dir, first } = await recordAndReplay({ config, replayConfig, ports: [main.port, spare.port], stop: async () => { await main.stop(); await spare.stop(); } });
  const events = first[0].story.map(([e]) => e);
  assert.equal(events.filter((e) => e === 'model.retried').length, 2);
  assert.equal(events.filter((e) => e === 'model.failover').length, 1);
  const kept = exchanges(dir);
  assert.deepEqual(kept.map((x) => [x.provider, x.status, x.end]).filter(([, status, end]) => status !== 200 || end === 'failed'), [['main', 500, 'whole'], ['main', 200, 'failed'], ['main', 401, 'whole']]);
  assert.equal(kept[0].headers['retry-after-ms'], '20');
  assert.ok(!fs.readdirSync(dir).some((f) => fs.readFileSync(path.join(dir, f)).includes(KEY)), 'the key is masked where an answer quotes it');
  assert.match(kept[0].body, /broken for \*+/);
});

test('a person who edits and approves in between does so again', async () => {
  const model = await Model.start({ rules: [planned({ objective: 'say one thing', tools: ['fake__echo'] }), turns('p1', calls('fake__echo', { text: 'mine' }), finished('said mine')), written('Done [p1].')] });
  const act = async (s, id) => {
    const waiting = await s.until(id, 'awaiting_approval');
    const mine = { ...waiting.plan, steps: [{ id: 'p1', objective: 'say my thing', tool_hints: ['fake__echo'], side_effects: 'read' }] };
    const changed = await s.json(`/v1/tasks/${id}/plan`, { method: 'PUT', body: json(mine), headers: { 'content-type': 'application/json', 'if-match': '*' } });
    assert.equal(changed.status, 200, json(changed.body));
    assert.equal((await s.post(`/v1/tasks/${id}/approve`, { plan_digest: changed.body.plan.digest })).status, 200);
  };
  await recordAndReplay({ config: using(model), tools: [fake('fake', 'echo')], act, ports: [model.port], stop: () => model.stop() });
});

test('what is not in the recording fails at once and says where it differs; the breaker does not count it', async () => {
  const model = await Model.start({ rules: [planned({ objective: 'say it', tools: ['fake__echo'], on_failure: 'skip' }), ...TALK.slice(1)] });
  const config = using(model, { llm: { breaker_failures: 1 } }), dir = folder();
  await recordAndReplay({ config, dir, tools: [fake('fake', 'echo')], ports: [model.port], stop: () => model.stop() });
  const r = await Server.start({ config, tools: [fake('fake', 'echo')], args: ['--replay', dir] });
  const [other] = await tasks(r, ['do something else']);
  assert.equal(other.status, 'failed');
  assert.equal(other.error.code, 'not-found');
  assert.match(other.error.message, /no answer to this request of the provider openai is recorded in .*cassette \(digest [0-9a-f]{16}\); the nearest one, 000001-[0-9a-f]{16}\.json, differs first in \/messages\/1\/content, at byte 9/);
  assert.deepEqual(other.story.map(([e]) => e), ['model.failed']);
  // The task that is there goes through all the same, more than once: the last answer stays.
  for (let i = 0; i < 2; i++) assert.equal((await tasks(r, ['do it']))[0].status, 'completed');
  await r.stop();
  // Nor is an answer put together without the writer, or a step skipped.
  for (const role of ['You write the final answer', 'You are the executor']) {
    for (const x of exchanges(dir)) if (x.request.messages[0].content.includes(role)) fs.unlinkSync(x.file);
    const less = await Server.start({ config, tools: [fake('fake', 'echo')], args: ['--replay', dir] });
    const [t] = await tasks(less, ['do it']);
    assert.deepEqual([t.status, t.error?.code], ['failed', 'not-found'], t.error?.message);
    await less.stop();
  }
});

test('workers that die in the middle of a recording and of its replay leave both whole', async () => {
  const model = await Model.start({ rules: [planned({ objective: 'wait', tools: ['fake__sleep'] }), turns('s1', calls('fake__sleep', { ms: 700 }), finished('waited')), written('It was waited [s1].')] });
  const config = using(model, { server: { workers: 1 } }), dir = folder(), tools = [fake('fake', 'echo')];
  const killed = async (option) => {
    const s = await Server.start({ config, tools, args: [option, dir] });
    const { id } = await s.submit('wait', { approval: 'auto' });
    await s.event(id, (e) => e.event === 'tool.started');
    if (option === '--record') await eventually(() => exchanges(dir).length >= 2, 'what was answered is on the disk');
    const [{ pid }] = s.processes().workers;
    process.kill(pid, 'SIGKILL');
    const doc = await s.until(id, 'completed', 'failed');
    const told = story(await s.events(id));
    await s.stop();
    assert.equal(doc.status, 'completed', doc.error?.message);
    return [doc.result, told];
  };
  const first = await killed('--record');
  assert.equal(exchanges(dir).length, 4);
  await model.stop();
  assert.deepEqual(await killed('--replay'), first);
});

test('a disk that takes no more ends the recording, said once; tasks go on', async () => {
  const model = await Model.start({ rules: TALK }), dir = folder();
  const s = await Server.start({ config: using(model, { llm: { cassette_bytes: 65536 } }), tools: [fake('fake', 'echo')], args: ['--record', dir] });
  fs.writeFileSync(path.join(dir, '000900-ab.json'), 'x');
  for (let i = 0; i < 8; i++) assert.equal((await tasks(s, [`${'long '.repeat(2000)}${i}`]))[0].status, 'completed');
  const line = await s.log((l) => /recording has stopped/.test(l.msg));
  assert.match(line.error, /llm\.cassette_bytes \(65536\)/);
  await s.stop();
  assert.equal(s.logs.filter((l) => /recording has stopped/.test(l?.msg)).length, 1);
  const sizes = fs.readdirSync(dir).map((f) => fs.statSync(path.join(dir, f)).size);
  assert.ok(sizes.reduce((a, b) => a + b, 0) <= 65536 + 200);
  await model.stop();
});

test('offline there is nothing to record, and the log says so', async () => {
  const dir = folder();
  const s = await Server.start({ config: { llm: { api: 'offline' } }, args: ['--record', dir] });
  await s.log((l) => /there is nothing to record/.test(l.msg));
  const { id } = await s.submit('say hello', { approval: 'auto' });
  await s.until(id, 'completed', 'failed');
  await s.stop();
  assert.deepEqual(exchanges(dir), []);
});

test('run records and replays, too', async () => {
  const model = await Model.start({ rules: [planned({ objective: 'think', effect: 'none' }), turns('s1', finished('thought')), written('The very end.')] }), dir = folder();
  const home = tempDir();
  onTestEnd(() => fs.rmSync(home, { recursive: true, force: true }));
  const run = (option, env) => command(['run', '--yes', option, dir, '--set', 'llm.model=scripted', 'think hard'], { cwd: home, env: { OPENAI_BASE_URL: model.url, ...env } });
  const first = await run('--record', { OPENAI_API_KEY: KEY });
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /The very end\./);
  await model.stop();
  const t = await trap(model.port);
  const second = await run('--replay', {});
  assert.equal(second.code, 0, second.stderr);
  assert.match(second.stdout, /The very end\./);
  assert.equal(t.count, 0);
});

test('a folder that cannot be used is told at the start', async () => {
  const dir = folder(), home = path.dirname(dir), told = async (args, code, words) => {
    const r = await command(args, { cwd: home });
    assert.equal(r.code, code, r.stderr);
    assert.match(r.stderr, words);
  };
  await told(['serve', '--record', 'a', '--replay', 'b'], 64, /cannot go together/);
  await told(['check', '--record', 'a'], 64, /go with serve and run/);
  await told(['run', '--server', 'http://127.0.0.1:1', '--replay', 'a', 'x'], 64, /for the server that makes the model calls/);
  await told(['serve', '--record', 'no/such/folder'], 73, /no\/such\/folder: the folder for the recording cannot be made/);
  await told(['serve', '--replay', 'missing'], 78, /missing: cannot open the folder of the recording/);
  fs.writeFileSync(path.join(home, 'file'), '');
  await told(['serve', '--replay', 'file'], 78, /Not a directory/);
  await told(['serve', '--record', 'file'], 73, /Not a directory/);
  fs.mkdirSync(dir);
  await told(['serve', '--replay', 'cassette'], 78, /there is no cassette\.json in it: no recording was made/);
  fs.writeFileSync(path.join(dir, 'cassette.json'), json({ version: 1, marks: 'a'.repeat(32) }));
  await told(['serve', '--replay', 'cassette'], 78, /nothing was recorded there/);
  fs.writeFileSync(path.join(dir, '000001-ab.json'), '{"version":1,\n"provider":"x",,}');
  await told(['serve', '--replay', 'cassette'], 78, /cassette\/000001-ab\.json: .*line 2/);
  fs.writeFileSync(path.join(dir, '000001-ab.json'), '{"version":1}');
  await told(['serve', '--replay', 'cassette'], 78, /000001-ab\.json: "status" must be/);
});
