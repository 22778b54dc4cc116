// SPDX-License-Identifier: Apache-2.0
// Tool servers come, go and change while the service runs: POST /v1/servers/{id}/restart, and SIGHUP, which reads the registry
// again. Only what is meant is touched; running calls end first.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Server, alive, assertProblem, descendants, eventually, fake, fakeMcp, stdio, test } from './lib/server.mjs';
import { HeldModel, using } from './lib/model.mjs';

const FAST = { restart_ms_min: 10, restart_ms_max: 50 };
const start = async ({ tools, config = {}, ...more }) => {
  const model = await HeldModel.start();
  const s = await Server.start({ tools, config: using(model, { ...config, tools: { ...FAST, ...config.tools } }), ...more });
  await s.settled();
  return { s, model, end: async () => { await s.stop(); await model.stop(); } };
};
const servers = async (s) => (await s.json('/v1/servers')).body.servers;
const server = async (s, id) => (await servers(s)).find((x) => x.id === id);
const is = (s, id, fn) => eventually(async () => { const one = await server(s, id); return one && fn(one) && one; }, `${id} ${fn}`, 10000);
const ready = (s, id, not) => is(s, id, (x) => x.state === 'ready' && x.pid !== not);
const offered = async (s) => [...new Set((await s.json('/v1/tools')).body.tools.map((t) => t.server))].sort();
const registry = (s, tools) => fs.writeFileSync(path.join(s.dir, 'tool_registry.yaml'), typeof tools === 'string' ? tools : JSON.stringify({ tool_registry: tools }));
/** SIGHUP, and what the supervisor made of it. */
async function reload(s, tools) {
  registry(s, tools);
  const after = s.logs.length;
  s.process.kill('SIGHUP');
  return s.log((l) => l.msg === 'tool registry applied', { after });
}
const counts = ({ added, replaced, removed, unchanged }) => ({ added, replaced, removed, unchanged });
/** A task that has one call of this tool under way. */
async function calling(b, tool, args) {
  const { id } = await b.s.submit('go', { approval: 'auto' });
  (await b.model.next('planner')).plan({ objective: 'call', tools: [tool], effect: 'write' });
  (await b.model.next('executor')).calls([tool, args]);
  await b.s.event(id, (e) => e.event === 'tool.started');
  return id;
}
async function finish(b, id) {
  const turn = await b.model.next('executor');
  turn.finish();
  (await b.model.next('writer')).text('done');
  await b.s.until(id, 'completed');
  return turn.told;
}
const restart = (s, id, body) => s.post(`/v1/servers/${id}/restart`, body);
const sleeping = (s, id) => is(s, id, (x) => x.calls_in_flight === 1);

test('restart: another process, the same tools; the others are not touched; 404 and 409', async () => {
  const b = await start({ tools: [fake('one', 'echo'), fake('two', 'echo'), { ...fake('off', 'echo'), enabled: false }] });
  const { s } = b;
  const before = await servers(s), tools = await s.json('/v1/tools');
  const answer = await restart(s, 'one');
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  assert.equal(answer.body.id, 'one');
  assert.equal(answer.body.state, 'stopping');
  const one = await ready(s, 'one', before[0].pid);
  assert.equal(one.restarts, 1);
  assert.equal(one.last_error, null);
  assert.ok(!alive(before[0].pid));
  assert.equal((await server(s, 'two')).pid, before[1].pid);
  assert.deepEqual((await s.json('/v1/tools')).body, tools.body);
  assertProblem(await restart(s, 'nobody'), 404, 'not-found');
  assert.match(assertProblem(await restart(s, 'off'), 409, 'conflict').detail, /disabled/);
  assert.equal((await s.json('/v1/servers/one/restart', { method: 'POST', headers: { 'idempotency-key': 'k' } })).status, 202);
  await b.end();
});

test('restart: a running call ends first, a call that comes meanwhile waits, a second restart is 409', async () => {
  const b = await start({ tools: [fake('one', 'echo')] });
  const { s } = b;
  const { pid } = await server(s, 'one');
  const first = await calling(b, 'one__sleep', { ms: 1200 });
  await sleeping(s, 'one');
  assert.equal((await restart(s, 'one')).body.state, 'draining');
  assertProblem(await restart(s, 'one'), 409, 'conflict');
  const { id: second } = await s.submit('go', { approval: 'auto' });
  (await b.model.next('planner')).plan({ objective: 'call', tools: ['one__echo'], effect: 'write' });
  (await b.model.next('executor')).calls(['one__echo', { text: 'waited' }]);
  await is(s, 'one', (x) => x.calls_in_flight === 2 && x.pid === pid);
  await finish(b, first).catch(async (e) => { throw new Error(`${e.message}\n${JSON.stringify(await servers(s))}`); });
  assert.match(await finish(b, second), /waited/);
  assert.notEqual((await server(s, 'one')).pid, pid);
  const done = (await s.events(first)).filter((e) => e.event === 'tool.completed');
  assert.equal(done.length, 1);
  await b.end();
});

test('restart: a call that does not end in time is in doubt; a server that waits after failures starts at once', async () => {
  const b = await start({ tools: [fake('one', 'echo'), stdio('late', './no-such-program')], config: { tools: { drain_seconds: 0, restart_ms_min: 600000, restart_ms_max: 600000 } } });
  const { s } = b;
  const id = await calling(b, 'one__count', { file: path.join(s.dir, 'count'), ms: 600000 });
  await sleeping(s, 'one');
  const { pid } = await server(s, 'one');
  await restart(s, 'one');
  await s.until(id, 'input_required');
  await ready(s, 'one', pid);
  const late = await server(s, 'late');
  assert.equal(late.state, 'backoff');
  const again = await restart(s, 'late');
  assert.equal(again.status, 202);
  assert.equal((await is(s, 'late', (x) => x.state === 'backoff')).restarts, late.restarts + 1);
  await b.end();
});

test('SIGHUP: added, removed and changed ones only; secrets from the environment count; two at once', async () => {
  const env = (value) => stdio('env', fakeMcp, ['echo'], { env: { CANARY: value } });
  const b = await start({ tools: [fake('same', 'echo'), fake('gone', 'echo'), env('${SECRET}')], env: { SECRET: 'first', OPENAI_API_KEY: 'sk-canary' } });
  const { s } = b;
  const before = await servers(s);
  assert.deepEqual(counts(await reload(s, [fake('same', 'echo'), fake('gone', 'echo'), env('${SECRET}')])), { added: 0, replaced: 0, removed: 0, unchanged: 3 });
  assert.deepEqual(await servers(s).then((l) => l.map((x) => x.pid)), before.map((x) => x.pid));
  // A key that the supervisor has forgotten is still the registry's to use.
  assert.deepEqual(counts(await reload(s, [fake('new', 'echo'), fake('same', 'echo'), env('${OPENAI_API_KEY}')])), { added: 1, replaced: 1, removed: 1, unchanged: 1 });
  await ready(s, 'new');
  const changed = await ready(s, 'env', before[2].pid);
  assert.match(fs.readFileSync(`/proc/${changed.pid}/environ`, 'latin1'), /CANARY=sk-canary/);
  await eventually(async () => (await servers(s)).length === 3, 'the removed one is gone');
  assert.deepEqual((await servers(s)).map((x) => x.id), ['new', 'same', 'env']);
  assert.equal((await server(s, 'same')).pid, before[0].pid);
  assert.ok(!alive(before[1].pid) && !alive(before[2].pid));
  await eventually(async () => (await offered(s)).join() === 'env,new,same', 'the catalogue');
  assert.equal((await s.fetch('/readyz')).status, 200);
  assertProblem(await restart(s, 'gone'), 404, 'not-found');
  // Disabled, and two signals at once.
  registry(s, [fake('same', 'echo'), { ...fake('new', 'echo'), enabled: false }]);
  s.process.kill('SIGHUP');
  s.process.kill('SIGHUP');
  await eventually(async () => (await servers(s)).map((x) => `${x.id} ${x.state}`).join() === 'same ready,new stopped', 'both');
  assert.equal((await server(s, 'same')).pid, before[0].pid);
  await eventually(async () => (await offered(s)).join() === 'same', 'the catalogue');
  assert.equal(s.processes().tools.length, 1);
  assert.ok(!s.stderr.includes('sk-canary'));
  await b.end();
});

test('SIGHUP: a registry that is not valid is refused with its place, nothing changes; a supervisor that dies comes back with the last good one', async () => {
  const b = await start({ tools: [fake('one', 'echo')] });
  const { s } = b;
  const { pid } = await server(s, 'one');
  for (const [text, why] of [['tool_registry:\n  - id: [', /tool_registry.yaml:\d+:\d+/], [JSON.stringify({ tool_registry: [stdio('x', 'y', ['${NO_SUCH}'])] }), /NO_SUCH is not set/]]) {
    const after = s.logs.length;
    registry(s, text);
    s.process.kill('SIGHUP');
    const line = await s.log((l) => l.level === 'error' && /refused/.test(l.msg), { after });
    assert.match(line.error, why);
  }
  assert.equal((await server(s, 'one')).pid, pid);
  await reload(s, [fake('one', 'echo'), fake('two', 'echo')]);
  await ready(s, 'two');
  registry(s, 'broken: [');
  process.kill(s.processes().supervisor.pid, 'SIGKILL');
  await eventually(async () => { const r = await s.json('/v1/servers'); return r.status === 200 && r.body.servers.length === 2 && r.body.servers.every((x) => x.state === 'ready'); }, 'both again', 10000);
  await b.end();
});

test('SIGHUP under running calls: the old process ends them, new calls wait for the new one; what is removed ends its calls, too', async () => {
  const b = await start({ tools: [fake('one', 'echo'), fake('gone', 'echo')] });
  const { s } = b;
  const old = await server(s, 'one');
  const first = await calling(b, 'one__sleep', { ms: 1500 }), other = await calling(b, 'gone__sleep', { ms: 1500 });
  await sleeping(s, 'one');
  await sleeping(s, 'gone');
  await reload(s, [stdio('one', fakeMcp, ['echo'], { env: { A: '1' } })]);
  assert.equal((await server(s, 'one')).state, 'draining');
  assert.equal((await server(s, 'gone')).state, 'draining');
  // Changed once more before it was replaced, and the removed one comes back before it is gone.
  await reload(s, [stdio('one', fakeMcp, ['echo'], { env: { A: '2' } }), fake('gone', 'echo')]);
  for (let i = 0; i < 2; i++) (await b.model.next('executor')).finish();
  for (let i = 0; i < 2; i++) (await b.model.next('writer')).text('done');
  for (const id of [first, other]) {
    await s.until(id, 'completed');
    assert.equal((await s.events(id)).filter((e) => e.event === 'tool.completed').length, 1);
  }
  const fresh = await ready(s, 'one', old.pid);
  assert.match(fs.readFileSync(`/proc/${fresh.pid}/environ`, 'latin1'), /A=2/);
  await ready(s, 'gone');
  assert.equal(s.processes().tools.length, 2);
  await b.end();
});

test('nothing leaks: twenty reloads and restarts leave as many processes and descriptors as before', async () => {
  const b = await start({ tools: [fake('one', 'echo')] });
  const { s } = b;
  const { supervisor } = s.processes();
  const fds = (pid) => fs.readdirSync(`/proc/${pid}/fd`).map((n) => fs.readlinkSync(`/proc/${pid}/fd/${n}`).replace(/\d+/, 'N')).sort().join('\n');
  const now = () => ({ processes: descendants(s.pid).length, master: fds(s.pid), supervisor: fds(supervisor.pid) });
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  // What the start still has open for a moment is not counted.
  const before = await eventually(async () => { const one = now(); for (let i = 0; i < 10; i++) await servers(s); return same(one, now()) && one; }, 'quiet');
  for (let i = 0; i < 10; i++) {
    const { pid } = await server(s, 'one');
    await reload(s, [stdio('one', fakeMcp, ['echo'], { env: { N: String(i) } }), fake(`extra${i}`, 'echo')]);
    await ready(s, 'one', pid);
    await restart(s, 'one');
    await eventually(async () => (await server(s, 'one')).restarts === 2 * i + 2, 'restarted');
    await ready(s, 'one');
  }
  await reload(s, [stdio('one', fakeMcp, ['echo'])]);
  await eventually(async () => { const l = await servers(s); return l.length === 1 && l[0].state === 'ready'; }, 'one server');
  await eventually(() => same(now(), before), 'as before').catch(() => assert.deepEqual(now(), before));
  await b.end();
});
