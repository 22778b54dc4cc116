// SPDX-License-Identifier: Apache-2.0
// Tool servers that misbehave: each harms its own calls only, and GET /v1/servers says what is wrong with it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Server, alive, fake, fakeMcp, mcpPackage, onTestEnd, stdio, stream, tempDir, test } from './lib/server.mjs';
import { HeldModel, Model, calls, finished, planned, turns, using, written } from './lib/model.mjs';

const RESTART = { restart_ms_min: 10, restart_ms_max: 50 };
const state = async (s, id) => (await s.json('/v1/servers')).body.servers.find((x) => x.id === id);

/** The servers, as soon as fn holds for this one. Their supervisor logs each change, which is what is waited for. */
async function serverIs(s, id, fn) {
  for (;;) {
    const from = s.logs.length;
    const one = await state(s, id);
    if (fn(one)) return one;
    await s.log((l) => l.server === id, { after: from });
  }
}

/** A server with one broken and one good tool server, and a model that has one step with these turns. */
async function besides(broken, responses, { config = {}, tools, effect = 'write' } = {}) {
  const model = await Model.start({ rules: [planned({ objective: 'use tools', tools, effect }), turns('s1', ...responses), written()] });
  const s = await Server.start({ tools: [broken, fake('good', 'echo')], config: using(model, { ...config, tools: { ...RESTART, ...config.tools } }) });
  return { s, model, end: async () => { await s.stop(); await model.stop(); } };
}
const text = (e) => e.data.result.content[0].text;
const run = async (s, status = 'completed') => {
  const { id } = await s.submit('go', { approval: 'auto' });
  const doc = await s.until(id, status);
  return { id, doc, tools: (await s.events(id)).filter((e) => /^tool\.(completed|failed)$/.test(e.event)) };
};
const useGood = [calls('good__echo', { text: 'fine' }), finished('fine')];

test('missing program: the error names it; a task that does not need it completes', async () => {
  const b = await besides(stdio('broken', 'no-such-program-anywhere'), useGood);
  const { tools } = await run(b.s);
  assert.equal(text(tools[0]), 'fine');
  const one = await serverIs(b.s, 'broken', (x) => x.last_error);
  assert.match(one.last_error, /no-such-program-anywhere/);
  assert.notEqual(one.state, 'ready');
  assert.equal((await state(b.s, 'good')).state, 'ready');
  assert.equal((await b.s.fetch('/readyz')).status, 200);
  await b.end();
});

test('no permission, a folder that is not there', async () => {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  fs.writeFileSync(path.join(dir, 'plain'), 'text');
  const s = await Server.start({ tools: [stdio('plain', path.join(dir, 'plain')), stdio('nowhere', fakeMcp, ['echo'], { cwd: path.join(dir, 'nowhere') })] });
  assert.match((await serverIs(s, 'plain', (x) => x.last_error)).last_error, /permission/i);
  assert.match((await serverIs(s, 'nowhere', (x) => x.last_error)).last_error, /nowhere/);
  await s.stop();
});

test('exits at once: state, reason, its last words, and it is tried again later and later', async () => {
  const b = await besides(fake('broken', 'exit-at-once'), useGood, { config: { tools: { restart_ms_min: 20, restart_ms_max: 200 } } });
  await run(b.s);
  const one = await serverIs(b.s, 'broken', (x) => x.restarts >= 3);
  assert.match(one.last_error, /3/);
  assert.match(one.last_error, /left-pad/);
  assert.match(one.stderr_tail, /starting\nfatal: cannot find module 'left-pad'/);
  const waits = b.s.logs.filter((l) => l.server === 'broken' && l.failures).map((l) => l.ms);
  assert.ok(waits[2] > waits[0], `${waits}`);
  await b.end();
});

test('never answers initialize: given up after tools.start_seconds', async () => {
  const b = await besides(fake('broken', 'never-init'), useGood, { config: { tools: { start_seconds: 1 } } });
  await run(b.s);
  const one = await serverIs(b.s, 'broken', (x) => x.last_error);
  assert.match(one.last_error, /initialize/);
  await b.end();
});

test('slow to start: a plan waits for its tools', async () => {
  const b = await besides(fake('slow', 'slow-start', '400'), [calls('slow__echo', { text: 'here' }), finished()]);
  const { tools } = await run(b.s);
  assert.equal(text(tools[0]), 'here');
  await b.end();
});

test('floods stderr: its tools work, the tail is bounded', async () => {
  const b = await besides(fake('broken', 'stderr-flood'), [calls('broken__echo', { text: 'a' }), calls('broken__echo', { text: 'b' }), finished()], { config: { tools: { stderr_bytes: 4096 } } });
  const { tools } = await run(b.s);
  assert.deepEqual(tools.map(text), ['a', 'b']);
  const one = await state(b.s, 'broken');
  assert.equal(one.state, 'ready');
  assert.ok(one.stderr_tail.length > 1000 && one.stderr_tail.length <= 4096, `${one.stderr_tail.length}`);
  await b.end();
});

test('prints junk between its messages: counted and passed over', async () => {
  const b = await besides(fake('broken', 'junk-lines'), [calls('broken__echo', { text: 'a' }), finished()]);
  const { tools } = await run(b.s);
  assert.equal(text(tools[0]), 'a');
  const one = await state(b.s, 'broken');
  assert.equal(one.state, 'ready');
  assert.ok(one.junk_lines >= 3);
  await b.end();
});

test('a line of 20 MB: refused over the limit, kept in part within it; the server stays', async () => {
  for (const line_bytes of [2097152, 33554432]) {
    const b = await besides(fake('broken', 'big-line'), [calls('broken__big'), calls('broken__big', { id_first: true }), calls('broken__echo', { text: 'still here' }), finished()], { config: { tools: { line_bytes } } });
    const { tools } = await run(b.s);
    assert.equal(tools.length, 3);
    assert.equal(tools[2].data.error?.message, undefined);
    assert.equal(text(tools[2]), 'still here');
    for (const e of tools.slice(0, 2)) {
      if (line_bytes < 20_000_000) {
        assert.equal(e.event, 'tool.failed');
        assert.match(e.data.error.message, /tools\.line_bytes/);
      } else {
        assert.equal(e.event, 'tool.completed', e.data.error?.message);
        assert.equal(e.data.truncated, true);
        assert.ok(e.data.result_bytes > 20_000_000);
        assert.ok(JSON.stringify(e).length < 300_000);
      }
    }
    assert.equal((await state(b.s, 'broken')).state, 'ready');
    await b.end();
  }
});

test('never answers a call: idle time-out; progress keeps a call alive', async () => {
  const silent = await besides(fake('broken', 'silent'), [calls('broken__echo', { text: 'x' }), ...useGood], { config: { tools: { call_idle_seconds: 1 } } });
  const { tools } = await run(silent.s);
  assert.equal(tools[0].event, 'tool.failed');
  assert.equal(tools[0].data.error.code, 'timeout');
  assert.equal(tools[0].data.sent, true);
  assert.equal(text(tools[1]), 'fine');
  await silent.end();

  const busy = await besides(fake('busy', 'progress'), [calls('busy__progress', { steps: 8, ms: 200 }), finished()], { config: { tools: { call_idle_seconds: 1 } } });
  const { id } = await busy.s.submit('go', { approval: 'auto' });
  const seen = [];
  for await (const e of stream(`${busy.s.url}/v1/tasks/${id}/stream`)) seen.push(e);
  assert.ok(seen.some((e) => e.event === 'tool.completed'), 'longer than the idle limit, but never silent');
  const progress = seen.filter((e) => e.event === 'tool.progress');
  // Live events are for whoever is there: the first ones may have come before the stream.
  const { progress: at, total, message } = progress[0].data;
  assert.equal(at % 1, 0.5);
  assert.equal(total, 8);
  assert.equal(message, `step ✓ ${at - 0.5}`);
  await busy.end();
});

test('a call that is answered again and again with progress ends at the absolute limit', async () => {
  const b = await besides(fake('busy', 'progress'), [calls('busy__progress', { steps: 1000, ms: 100 }), finished()], { config: { tools: { call_idle_seconds: 1, call_seconds: 2 } } });
  const { tools } = await run(b.s);
  assert.equal(tools[0].data.error.code, 'timeout');
  assert.match(tools[0].data.error.message, /absolute/);
  await b.end();
});

test('dies in a call that reads: it is made again, the model does not notice', async () => {
  const b = await besides(fake('broken', 'exit-after', '1'), [calls('broken__echo', { text: 'a' }), calls('broken__echo', { text: 'b' }), finished()]);
  const { tools, id } = await run(b.s);
  assert.deepEqual(tools.map(text), ['a', 'b']);
  const repeated = (await b.s.events(id)).find((e) => e.event === 'tool.repeated');
  assert.equal(repeated.data.call, tools[1].data.call);
  await serverIs(b.s, 'broken', (x) => x.state === 'ready' && x.restarts >= 1);
  await b.end();
});

test('dies each time it is called: given up after some tries, and the model is told', async () => {
  const b = await besides(fake('broken', 'exit-after', '0'), [calls('broken__echo', { text: 'a' }), ...useGood]);
  const { tools, id } = await run(b.s);
  assert.equal(tools[0].event, 'tool.failed');
  assert.equal(tools[0].data.sent, true);
  assert.match(tools[0].data.error.message, /broken/);
  const events = await b.s.events(id);
  assert.equal(events.filter((e) => e.event === 'tool.repeated').length, 3);
  assert.equal(events.filter((e) => e.event === 'tool.started' && e.data.server === 'broken').length, 1);
  assert.equal(text(tools[1]), 'fine');
  await b.end();
});

test('dies in a call that writes: a person is asked, and what the person says happens', async () => {
  for (const action of ['completed', 'skip', 'fail']) {
    const b = await besides(fake('broken', 'exit-after', '0'), [calls('broken__count', { file: '/nonexistent/x' }), finished('went on')]);
    const { id } = await b.s.submit('go', { approval: 'auto' });
    const { pending } = await b.s.until(id, 'input_required');
    assert.deepEqual({ ...pending, id: 0, started_at: 0, question: 0 }, { id: 0, kind: 'in_doubt', step: 's1', server: 'broken', tool: 'count', arguments: { file: '/nonexistent/x' }, started_at: 0, actions: ['retry', 'completed', 'skip', 'fail'], question: 0 });
    assert.match(pending.question, /count of broken was called/);
    assert.equal((await b.s.post(`/v1/tasks/${id}/input`, { id: pending.id, action, content: 'it is counted' })).status, 200);
    const doc = await b.s.until(id, action === 'fail' ? 'failed' : 'completed');
    assert.equal(doc.pending ?? null, null);
    const end = (await b.s.events(id)).find((e) => /^(tool\.(completed|failed)|step\.failed)$/.test(e.event));
    if (action === 'completed') assert.equal(text(end), 'it is counted');
    if (action === 'skip') assert.equal(end.data.error.code, 'skipped');
    if (action === 'fail') assert.equal(end.data.error.code, 'outcome-unknown');
    await b.end();
  }
});

test('killed from outside: it is started again, other servers do not notice', async () => {
  const b = await besides(fake('victim', 'echo'), [calls('victim__echo', { text: 'back' }), finished()]);
  const before = await state(b.s, 'victim');
  const good = await state(b.s, 'good');
  process.kill(before.pid, 'SIGKILL');
  const back = await serverIs(b.s, 'victim', (x) => x.state === 'ready' && x.pid !== before.pid);
  assert.equal(back.restarts, 1);
  assert.match(back.last_error, /signal 9|SIGKILL|killed/i);
  const { tools } = await run(b.s);
  assert.equal(text(tools[0]), 'back');
  assert.deepEqual((await state(b.s, 'good')).pid, good.pid);
  await b.end();
});

test('broken handshakes: an unknown version, a broken list', async () => {
  const s = await Server.start({ tools: [fake('version', 'wrong-version'), fake('list', 'list-error'), fake('good', 'echo')], config: { tools: RESTART } });
  assert.match((await serverIs(s, 'version', (x) => x.last_error)).last_error, /1999-01-01/);
  assert.match((await serverIs(s, 'list', (x) => x.last_error)).last_error, /the list is broken/);
  await serverIs(s, 'good', (x) => x.state === 'ready');
  await s.stop();
});

test('bad schemas are left out alone, and said to be', async () => {
  const s = await Server.start({ tools: [fake('broken', 'bad-schema')] });
  await s.settled();
  const names = (await s.json('/v1/tools')).body.tools.map((t) => t.name);
  assert.ok(names.includes('broken__echo'));
  assert.ok(!names.includes('broken__no_object') && !names.includes('broken__no_schema'), `${names}`);
  const one = await state(s, 'broken');
  assert.ok(one.quarantined.some((q) => q.name === 'no_object' && q.reason.length > 0), JSON.stringify(one.quarantined));
  await s.stop();
});

test('answers twice, asks us with ids of its own, pings: all of it is taken well', async () => {
  for (const mode of ['twice', 'colliding-ids', 'pinger']) {
    const name = mode === 'colliding-ids' ? 'ask' : mode === 'pinger' ? 'pings' : 'echo';
    const b = await besides(fake('odd', mode), [calls(`odd__${name}`, name === 'echo' ? { text: 'x' } : {}), calls('odd__echo', { text: 'after' }), finished()]);
    const { tools } = await run(b.s);
    assert.equal(text(tools[1]), 'after', mode);
    if (mode === 'colliding-ids') assert.match(text(tools[0]), /^0:(result|error) 1:result 2:error $/);
    if (mode === 'pinger') assert.equal(text(tools[0]), '1');
    await b.end();
  }
});

test('a server that ignores SIGTERM and one with a grandchild: nothing is left when the service stops', async () => {
  const b = await besides(fake('grand', 'grandchild'), [calls('grand__grandchild'), finished()], { config: { tools: { stop_grace_ms: 50 } } });
  const { tools } = await run(b.s);
  const grandchild = Number(text(tools[0]));
  assert.ok(alive(grandchild));
  await b.end();
  assert.ok(!alive(grandchild));
  const s = await Server.start({ tools: [fake('stubborn', 'stubborn')], config: { tools: { stop_grace_ms: 50 } } });
  const { pid } = await serverIs(s, 'stubborn', (x) => x.state === 'ready');
  await s.stop();
  assert.ok(!alive(pid));
});

test('children start from an empty environment: no key of ours, only what is configured', async () => {
  const env = { OPENAI_API_KEY: 'sk-secret-of-ours', SECRET_ELSEWHERE: 'x', NOTES_TOKEN: 'tok' };
  const model = await Model.start({ rules: [planned({ objective: 'look', tools: ['everything__get-env', 'fake__env'] }), turns('s1', { tool_calls: [{ name: 'fake__env' }, { name: 'everything__get-env' }] }, finished()), written()] });
  const s = await Server.start({
    env,
    tools: [stdio('fake', fakeMcp, ['echo'], { env: { FOR_YOU: '${NOTES_TOKEN}', PLAIN: '1' } }), stdio('everything', process.execPath, [mcpPackage('@modelcontextprotocol/server-everything')])],
    config: using(model, { openai: { api_key: '' } }),
  });
  const { tools, id } = await run(s);
  const [first, second] = tools.map(text);
  for (const seen of [first, second]) {
    assert.match(seen, /PATH/);
    for (const name of ['OPENAI_API_KEY', 'sk-secret-of-ours', 'SECRET_ELSEWHERE']) assert.ok(!seen.includes(name), name);
  }
  const mine = [first, second].find((x) => x.includes('FOR_YOU'));
  assert.match(mine, /^FOR_YOU=tok$/m);
  assert.match(mine, /^PLAIN=1$/m);
  const [request] = await model.requests();
  assert.equal(request.headers.authorization, 'Bearer sk-secret-of-ours', 'the model gets it');
  assert.ok(!JSON.stringify(await s.events(id)).includes('sk-secret') && !s.stderr.includes('sk-secret'));
  // Neither command line nor environment of any process shows it.
  for (const { pid } of [{ pid: s.pid }, ...s.processes().all])
    for (const file of ['environ', 'cmdline']) assert.ok(!fs.readFileSync(`/proc/${pid}/${file}`, 'latin1').includes('sk-secret-of-ours'), `${file} of ${pid}`);
  await s.stop();
  await model.stop();
});

test('many tools: all pages are read, names are legal, unique and sorted', async () => {
  const long = 'a'.repeat(48);
  const s = await Server.start({ tools: [fake('pages', 'paged'), fake(long, 'paged'), fake('a', 'echo'), fake('b', 'echo')] });
  await s.settled();
  const { tools } = (await s.json('/v1/tools')).body;
  assert.equal(tools.filter((t) => t.server === 'pages').length, 15);
  assert.equal(tools.filter((t) => t.server === long).length, 15);
  const names = tools.map((t) => t.name);
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.every((n) => /^[A-Za-z0-9_-]{1,64}$/.test(n)));
  assert.deepEqual(names, names.toSorted());
  assert.ok(names.includes('a__echo') && names.includes('b__echo'));
  await s.stop();
});

test('a catalogue that grows is seen by every worker', async () => {
  const model = await HeldModel.start();
  const s = await Server.start({ tools: [fake('grows', 'list-changed-burst')], config: using(model) });
  const { id } = await s.submit('grow', { approval: 'auto' });
  (await model.next('planner')).plan({ objective: 'grow', tools: ['grows__grow'], effect: 'write' });
  (await model.next('executor')).calls(['grows__grow', {}]);
  const held = await model.next('executor');
  const has = async () => (await s.json('/v1/tools')).body.tools.some((t) => t.name === 'grows__grown0');
  while (!await has()) await new Promise(setImmediate);
  held.finish();
  (await model.next('writer')).text('Done.');
  await s.until(id, 'completed');
  await s.stop();
  await model.stop();
});

test('the four official servers side by side', async () => {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  const official = (id, name, args = [], extra = {}) => stdio(id, process.execPath, [mcpPackage(`@modelcontextprotocol/server-${name}`), ...args], extra);
  const model = await Model.start({ rules: [
    planned({ objective: 'use all', tools: ['memory__create_entities'], effect: 'write' }),
    turns('s1', { tool_calls: [
      { name: 'filesystem__write_file', arguments: { path: path.join(dir, 'a.txt'), content: 'written' } },
      { name: 'memory__create_entities', arguments: { entities: [{ name: 'Ada', entityType: 'person', observations: ['counts'] }] } },
      { name: 'everything__get-sum', arguments: { a: 2, b: 40 } },
      { name: 'sequential-thinking__sequentialthinking', arguments: { thought: 'hm', nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 } },
    ] }, finished('used')), written()] });
  const s = await Server.start({ tools: [official('filesystem', 'filesystem', [dir]), official('memory', 'memory', [], { env: { MEMORY_FILE_PATH: path.join(dir, 'memory.jsonl') } }), official('everything', 'everything'), official('sequential-thinking', 'sequential-thinking')], config: using(model, { agent: { tools_offered_max: 60 } }) });
  const { tools } = await run(s);
  assert.deepEqual(tools.map((e) => [e.event, e.data.is_error]), Array(4).fill(['tool.completed', false]), JSON.stringify(tools));
  assert.equal(fs.readFileSync(path.join(dir, 'a.txt'), 'utf8'), 'written');
  assert.match(fs.readFileSync(path.join(dir, 'memory.jsonl'), 'utf8'), /Ada/);
  assert.match(text(tools[2]), /42/);
  assert.ok((await s.json('/v1/servers')).body.servers.every((x) => x.state === 'ready'));
  await s.stop();
  await model.stop();
});
