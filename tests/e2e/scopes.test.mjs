// SPDX-License-Identifier: Apache-2.0
// How many instances of a tool server there are, whose they are, and for how long: scope, warm, max_instances, idle_stop,
// max_lifetime. What an instance remembers shows whose it is; its pid shows which one.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { begin, called, serverIs, state } from './lib/calling.mjs';
import { differences, measure } from './lib/holdings.mjs';
import { Model, finished, planned, using, written } from './lib/model.mjs';
import { OddServer } from '../fake/remote_mcp.mjs';
import { Server, alive, eventually, fake, mcpPackage, slow, socketOwner, stdio, test } from './lib/server.mjs';

/** grow{} answers how often this process was asked to. */
const remembers = (id, more = {}) => ({ ...fake(id, 'list-changed-burst'), scope: 'task', ...more });
const thinking = (id, more = {}) => ({ ...stdio(id, process.execPath, [mcpPackage('@modelcontextprotocol/server-sequential-thinking')], { env: { DISABLE_THOUGHT_LOGGING: 'true' } }), ...more });
const thought = (n) => ({ thought: 'hm', nextThoughtNeeded: true, thoughtNumber: n, totalThoughts: 9 });
const instances = async (s, id) => (await state(s, id)).instances;
const of = async (s, id, task) => (await instances(s, id)).find((i) => i.task_id === task);
const pids = async (s, id) => (await instances(s, id)).map((i) => i.pid).filter(Boolean);
/** The number in a text result as the model is told it. */
const number = (told) => Number(/"?text"?\W+(\d+)|^\D*(\d+)/.exec(told).slice(1).find(Boolean));

/** A task that has made this call and holds its model now; then: another call, or the end. */
async function holding(b, tool, args = {}) {
  const { id } = await b.s.submit('go', { approval: 'auto' });
  (await b.model.next('planner')).plan({ objective: 'call', tools: [tool], effect: 'write' });
  (await b.model.next('executor')).calls([tool, args]);
  const t = { id, turn: await b.model.next('executor') };
  let turns = 0; // a model that repeats itself would be stopped
  t.call = async (name) => { t.turn.calls([name, { n: ++turns }]); t.turn = await b.model.next('executor'); return t.turn.told; };
  t.end = async () => { t.turn.finish(); (await b.model.next('writer')).text('done'); await b.s.until(id, 'completed'); };
  return t;
}

test('two tasks have an instance each, and see nothing of each other; with their end it is gone', async () => {
  const b = await begin([remembers('mine'), { ...remembers('ours'), scope: 'shared' }]);
  const { s } = b;
  await serverIs(s, 'mine', (x) => x.state === 'idle' && x.instances.length === 0);
  const one = await holding(b, 'mine__grow');
  assert.equal(number(one.turn.told), 1);
  assert.equal(number(await one.call('mine__grow')), 2);
  const two = await holding(b, 'mine__grow');
  assert.equal(number(two.turn.told), 1, 'the state of another task');
  assert.equal(number(await one.call('mine__grow')), 3);
  const [a, c] = [await of(s, 'mine', one.id), await of(s, 'mine', two.id)];
  assert.ok(a.pid && c.pid && a.pid !== c.pid);
  assert.equal(a.state, 'ready');
  assert.match(a.started_at, /^20\d\d-/);
  assert.equal(number(await one.call('ours__grow')), 1);
  assert.equal(number(await two.call('ours__grow')), 2, 'the shared one is one for both');
  await one.end();
  await eventually(() => !alive(a.pid), 'the instance ends with its task');
  assert.ok(alive(c.pid));
  const { last_end: end } = await serverIs(s, 'mine', (x) => x.last_end?.task_id === one.id);
  assert.deepEqual({ pid: end.pid, why: end.why, stop_step: end.stop_step }, { pid: a.pid, why: 'its task has ended', stop_step: 'eof' });
  assert.equal((await s.post(`/v1/tasks/${two.id}/cancel`)).status, 200);
  await eventually(() => !alive(c.pid), 'so does that of a cancelled one');
  await b.end();
});

test('the sequential-thinking server: its thoughts are those of one task', async () => {
  const b = await begin([thinking('own', { scope: 'task' }), thinking('all')], { config: { tools: { stop_grace_ms: 2000 } } });
  const length = (texts) => texts.map((t) => JSON.parse(t).thoughtHistoryLength);
  const list = ['own__sequentialthinking', 'all__sequentialthinking'].flatMap((name) => [[name, thought(1)], [name, thought(2)]]);
  const first = length(await called(b, list)), second = length(await called(b, list));
  assert.deepEqual(first.slice(0, 2).toSorted(), [1, 2]);
  assert.deepEqual(second.slice(0, 2).toSorted(), [1, 2], 'nothing is left of the first task');
  assert.deepEqual(second.slice(2).toSorted(), [3, 4], 'which a shared one does remember');
  await eventually(async () => (await instances(b.s, 'own')).length === 0, 'both are gone');
  await b.end();
});

test('warm: the first call gets a process that was ready before it, and another spare follows', async () => {
  const b = await begin([remembers('mine', { warm: 2, max_instances: 5 })]);
  const { s } = b;
  const before = await serverIs(s, 'mine', (x) => x.instances.filter((i) => i.state === 'ready').length === 2);
  const spares = before.instances.map((i) => i.pid);
  assert.deepEqual(before.instances.map((i) => i.task_id), [null, null]);
  const t = await holding(b, 'mine__grow');
  assert.equal(number(t.turn.told), 1);
  assert.ok(spares.includes((await of(s, 'mine', t.id)).pid), 'it was there before the task was');
  await serverIs(s, 'mine', (x) => x.instances.filter((i) => !i.task_id && i.state === 'ready').length === 2);
  assert.equal((await state(s, 'mine')).starts, 3);
  await t.end();
  await serverIs(s, 'mine', (x) => x.instances.length === 2);
  await b.end();
});

test('max_instances: a call waits for the instance of another task, then says which limit it was', async () => {
  const b = await begin([remembers('mine', { max_instances: 1 })], { config: { tools: { call_seconds: 2 } } });
  const { s } = b;
  await serverIs(s, 'mine', (x) => x.state === 'idle');
  const one = await holding(b, 'mine__grow');
  const two = await holding(b, 'mine__grow');
  assert.match(two.turn.told, /other tasks have all 1 instances of it \(max_instances in its registry entry\)/);
  const { id } = await s.submit('go', { approval: 'auto' });
  (await b.model.next('planner')).plan({ objective: 'call', tools: ['mine__grow'], effect: 'write' });
  (await b.model.next('executor')).calls(['mine__grow', {}]);
  await eventually(async () => (await of(s, 'mine', id))?.state === 'waiting', 'the third task waits');
  assert.equal((await pids(s, 'mine')).length, 1);
  await one.end();
  const three = await b.model.next('executor');
  assert.equal(number(three.told), 1, 'it got its own when the first task had ended');
  three.finish();
  (await b.model.next('writer')).text('done');
  await s.until(id, 'completed');
  await two.end();
  await b.end();
});

test('50 tasks at once: never more processes than max_instances, all of them end, and nothing is left', async () => {
  const model = await Model.start({ rules: [planned({ objective: 'call', tools: ['mine__grow'], effect: 'write' }),
    { when: { system: 'executor', turn: 0 }, respond: { tool_calls: [{ name: 'mine__grow', arguments: {} }] } },
    { when: { system: 'executor' }, respond: finished() }, written()] });
  const s = await Server.start({ tools: [remembers('mine', { max_instances: 4, warm: 1 })], config: using(model, { log: { level: 'info' } }) });
  await s.settled();
  await serverIs(s, 'mine', (x) => x.instances.length === 1 && x.state === 'ready');
  let most = 0, over = false, found, before;
  // Looking takes a while: those that are still alive after it were there together when it ended.
  const watch = (async () => { while (!over) { most = Math.max(most, s.processes().tools.filter((p) => alive(p.pid)).length); await pause(5); } })();
  const one = async () => {
    const { id } = await s.submit('call', { approval: 'auto' });
    await s.until(id, 'completed');
    return (await s.events(id)).filter((e) => e.event === 'tool.completed').map((e) => e.data.result.content[0].text);
  };
  const round = async (starts) => {
    const done = await Promise.all(Array.from({ length: 50 }, one));
    assert.deepEqual(done, Array.from({ length: 50 }, () => ['1']), 'each had a process of its own');
    await eventually(async () => { const x = await state(s, 'mine'); return x.starts > starts && x.instances.length === 1 && x.instances[0].state === 'ready'; }, 'one spare is left');
  };
  await round(50).then(async () => { before = measure(s); await round(100); }).finally(() => { over = true; });
  await watch;
  assert.ok(most > 1 && most <= 4, `${most} processes at once`);
  // In two rounds, so that what is allocated once is allocated before.
  await eventually(() => { found = differences(before, measure(s), { slow }); return !found.length; }, 'all is where it was', 20000).catch((e) => assert.fail(`${e.message}: ${found}`));
  await s.stop();
  await model.stop();
});

test('a worker that dies: whoever takes the task over goes on with the same instance', async () => {
  const b = await begin([remembers('mine')]);
  const { s, model } = b;
  const t = await holding(b, 'mine__grow');
  const { pid } = await of(s, 'mine', t.id);
  const worker = socketOwner(t.turn.port, model.server.address().port, s.processes().workers.map((p) => p.pid));
  process.kill(worker, 'SIGKILL');
  await t.turn.gone;
  t.turn = await model.next('executor');
  assert.equal(number(await t.call('mine__grow')), 2, 'what the instance remembers is still there');
  assert.equal((await of(s, 'mine', t.id)).pid, pid);
  await t.end();
  await eventually(() => !alive(pid), 'and it ends with the task');
  await b.end();
});

test('a supervisor that dies leaves none of them; the next one starts anew', async () => {
  const b = await begin([remembers('mine', { warm: 2 })]);
  const { s } = b;
  const t = await holding(b, 'mine__grow');
  const all = await serverIs(s, 'mine', (x) => x.instances.filter((i) => i.state === 'ready').length === 3);
  const { supervisor } = s.processes();
  process.kill(supervisor.pid, 'SIGKILL');
  await eventually(() => all.instances.every((i) => !alive(i.pid)), 'all are gone', 10000);
  await eventually(async () => { const x = (await s.json('/v1/servers')).body.servers?.[0]; return x?.instances.filter((i) => i.state === 'ready').length === 2; }, 'two spares of the next one', 10000);
  assert.equal(number(await t.call('mine__grow')), 1);
  await t.end();
  await b.end();
});

test('idle_stop: a shared server rests, its tools stay, the next call starts it', async () => {
  const b = await begin([{ ...remembers('one'), scope: 'shared', idle_stop: 1 }, { ...remembers('other'), scope: 'shared' }]);
  const { s } = b;
  const { pid } = (await state(s, 'other')).instances[0];
  const rests = await serverIs(s, 'one', (x) => x.state === 'idle');
  assert.deepEqual([rests.pid, rests.instances, rests.last_error, rests.last_end.why], [null, [], null, 'it was idle (idle_stop)']);
  assert.ok((await s.json('/v1/tools')).body.tools.some((t) => t.name === 'one__grow'));
  assert.equal((await s.fetch('/readyz')).status, 200);
  assert.deepEqual(await called(b, [['one__grow', {}]]), ['1']);
  assert.ok((await state(s, 'one')).starts >= 2);
  await serverIs(s, 'one', (x) => x.state === 'idle');
  assert.equal((await state(s, 'other')).instances[0].pid, pid, 'the other one never rests');
  await b.end();
});

test('max_lifetime: replaced between calls, however long a call is', async () => {
  const b = await begin([{ ...remembers('one'), scope: 'shared', max_lifetime: 1 }], { config: { tools: { drain_seconds: 0 } } });
  const { s } = b;
  const before = s.logs.length;
  assert.deepEqual(await called(b, [['one__sleep', { ms: 2500 }]]), ['slept']);
  await s.log((l) => l.msg === 'tool server ended' && /max_lifetime/.test(l.why), { after: before });
  assert.deepEqual(await called(b, [['one__grow', {}]]), ['1']);
  assert.match((await state(s, 'one')).last_end.why, /max_lifetime/);
  await b.end();
});

test('a remote server for each task: a session each, ended with it', async () => {
  const odd = await OddServer.start('plain');
  const far = { id: 'far', enabled: true, type: 'remote_http', trust_annotations: true, scope: 'task', config: { url: odd.url, era: 'handshake', auth: { type: 'none' } } };
  const b = await begin([far]);
  const sessions = (fits) => odd.requests.filter(fits).map((r) => r.headers['mcp-session-id']);
  const one = await holding(b, 'far__read'), two = await holding(b, 'far__read');
  await one.call('far__read');
  const used = sessions((r) => r.body?.method === 'tools/call');
  assert.equal(used.length, 3);
  assert.ok(used[0] && used[1] && used[0] !== used[1]);
  assert.equal(used[2], used[0]);
  await one.end();
  await two.end();
  await eventually(() => used.every((id) => sessions((r) => r.method === 'DELETE').includes(id)), 'both sessions are ended');
  await b.end();
  await odd.stop();
});

test('restart and reload: every instance is replaced, none within a call', async () => {
  const row = remembers('mine', { warm: 1 });
  const b = await begin([row]);
  const { s } = b;
  await serverIs(s, 'mine', (x) => x.state === 'ready');
  const t = await holding(b, 'mine__grow');
  const first = await of(s, 'mine', t.id);
  assert.equal((await s.post('/v1/servers/mine/restart')).status, 202);
  await eventually(() => !alive(first.pid), 'the first is gone');
  assert.equal(number(await t.call('mine__grow')), 1);
  const second = await of(s, 'mine', t.id);
  t.turn.calls(['mine__sleep', { ms: 1500 }]);
  await eventually(async () => (await of(s, 'mine', t.id)).calls_in_flight === 1, 'a call runs');
  fs.writeFileSync(`${s.dir}/tool_registry.yaml`, JSON.stringify({ tool_registry: [{ ...row, idle_stop: 600 }] }));
  s.process.kill('SIGHUP');
  await eventually(async () => (await instances(s, 'mine')).some((i) => i.pid === second.pid && i.state === 'draining'), 'it drains');
  t.turn = await b.model.next('executor');
  assert.match(t.turn.told, /slept/);
  await eventually(() => !alive(second.pid), 'the second is gone');
  assert.equal(number(await t.call('mine__grow')), 1);
  await t.end();
  await b.end();
});

test('a slow first start is a state: since when, what it said last; the service is ready, its call waits', async () => {
  const b = await begin([{ ...fake('slow', 'slow-start', '4000'), start_seconds: 60 }, fake('quick', 'echo')], { config: { tools: { start_seconds: 1 } } });
  const { s } = b;
  const at = await state(s, 'slow');
  assert.equal(at.state, 'starting');
  assert.equal(at.last_error, null);
  assert.match(at.instances[0].started_at, /^20\d\d-/);
  assert.ok('stderr_line' in at.instances[0]);
  const ready = await serverIs(s, 'slow', (x) => x.state === 'ready');
  assert.equal(ready.starts, 1);
  assert.deepEqual(await called(b, [['slow__echo', { text: 'here' }]]), ['here']);
  await b.end();
});

test('200 idle servers wake nobody up', async (t) => {
  if (slow) { t.skip('a sanitizer has threads of its own'); return; }
  const tools = Array.from({ length: 200 }, (_, i) => fake(`s${i}`, 'echo'));
  const s = await Server.start({ tools, config: { log: { level: 'info' } } });
  await eventually(async () => (await s.fetch('/readyz')).status === 200, 'ready', 50000);
  const { supervisor, tools: children } = s.processes();
  assert.equal(children.length, 200);
  const wakes = (pid) => Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))[1]);
  const all = [supervisor, ...children].map((p) => p.pid);
  await pause(1000); // the last answers of the starts are over
  const before = all.map(wakes);
  await pause(5000);
  const after = all.map(wakes), woken = after.map((n, i) => n - before[i]);
  assert.equal(woken[0], 0, `the supervisor woke up ${woken[0]} times in five seconds`);
  assert.equal(woken.slice(1).reduce((a, n) => a + n, 0), 0, 'and so did tool servers');
  await s.stop();
});
