// SPDX-License-Identifier: Apache-2.0
// Processes that die, are told to stop, or are killed in the middle of work: what goes on, what is taken over, what is not repeated.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { Server, alive, assertDense, assertProblem, descendants, eventually, fake, onTestEnd, slow, socketOwner, stream, tempDir, test } from './lib/server.mjs';
import { HeldModel, Model, calls, finished, planned, using, written } from './lib/model.mjs';

const NONE = { objective: 'think', effect: 'none' };
const pids = (s) => s.processes().workers.map((p) => p.pid);
/** The worker that has this model call open. */
const workerOf = (s, model, call) => socketOwner(call.port, model.server.address().port, pids(s));

async function setUp({ tools = [], config = {} } = {}) {
  const model = await HeldModel.start();
  const s = await Server.start({ tools, config: using(model, { ...config, tools: { restart_ms_min: 10, restart_ms_max: 50, ...config.tools } }) });
  return { s, model, end: async (how) => { await s.stop(how); await model.stop(); } };
}
function counter() {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  const file = path.join(dir, 'count');
  return { file, times: () => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').length - 1 : 0) };
}
const reached = (port) => new Promise((resolve) => {
  const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); }).on('error', () => resolve(false));
});
/** A stream on one worker's socket, as {pid, ids, ended}. */
async function streamOn(s, id, pid) {
  for (;;) {
    const request = http.get(`${s.url}/v1/tasks/${id}/stream`, { agent: false });
    request.on('error', () => {});
    onTestEnd(() => request.destroy());
    const [response] = await once(request, 'response');
    if (socketOwner(s.port, response.socket.localPort, pids(s)) !== pid) {
      request.destroy();
      for (const other of pids(s)) if (other !== pid) process.kill(other, 'SIGSTOP');
      continue;
    }
    for (const other of pids(s)) process.kill(other, 'SIGCONT');
    let text = '';
    response.setEncoding('utf8').on('data', (d) => { text += d; });
    const ended = new Promise((resolve) => { response.on('end', () => resolve('end')).on('error', () => resolve('cut')); });
    return { ended, ids: () => [...text.matchAll(/^id: (\d+)$/gm)].map((m) => Number(m[1])), text: () => text };
  }
}

test('every process names its role; every log line says who wrote it', async () => {
  const { s, end } = await setUp({ tools: [fake('fake', 'echo')], config: { server: { workers: 3 } } });
  await s.settled();
  const p = s.processes();
  assert.match(fs.readFileSync(`/proc/${s.pid}/cmdline`, 'latin1').replaceAll('\0', ' '), /^agent-runtime: master/);
  assert.deepEqual(p.workers.map((w) => w.title).sort(), ['agent-runtime: worker 0', 'agent-runtime: worker 1', 'agent-runtime: worker 2']);
  assert.equal(p.supervisor.title, 'agent-runtime: supervisor');
  assert.equal(p.tools.length, 1);
  assertProblem(await s.json('/v1/tasks/x'), 404, 'not-found');
  for (const line of s.logs) {
    assert.ok(!line.raw, `one JSON object a line: ${line.msg}`);
    assert.ok(line.ts && line.level && line.role && line.pid && line.msg, JSON.stringify(line));
  }
  assert.ok(s.logs.some((l) => l.role === 'master'));
  await end();
});

test('SIGKILL of a worker with a run: the others go on, its task is taken over and completes, its streams are cut', async () => {
  const { s, model, end } = await setUp();
  const { id } = await s.submit('survive', { approval: 'auto' });
  (await model.next('planner')).plan(NONE, { ...NONE, after: ['s1'] });
  (await model.next((c) => c.step === 's1')).finish('first');
  const held = await model.next((c) => c.step === 's2');
  const victim = workerOf(s, model, held);
  assert.ok(victim);
  const other = pids(s).find((p) => p !== victim);
  const cut = await streamOn(s, id, victim);
  const stays = await streamOn(s, id, other);
  await eventually(() => cut.ids().length >= 8 && stays.ids().length === cut.ids().length, 'both streams have caught up');
  process.kill(victim, 'SIGKILL');
  assert.equal(await cut.ended, 'cut');
  assert.equal(await reached(s.port), true);
  const again = await model.next((c) => c.step === 's2');
  assert.deepEqual(again.body.messages.slice(0, 2), held.body.messages.slice(0, 2), 'the step begins as it did');
  again.finish('second');
  (await model.next('writer')).text('Survived.');
  const done = await s.until(id, 'completed');
  assert.deepEqual(done.plan.steps.map((x) => x.result), ['first', 'second']);
  assert.equal(await stays.ended, 'end');
  assert.deepEqual(stays.ids(), Array.from({ length: done.last_seq }, (_, i) => i + 1), 'no gap on the worker that lived');
  const rest = [];
  for await (const e of stream(`${s.url}/v1/tasks/${id}/stream`, { lastEventId: cut.ids().at(-1) })) if (e.id) rest.push(e.id);
  assert.deepEqual([...cut.ids(), ...rest], stays.ids(), 'nor for who comes back');
  assert.equal(model.seen.filter((c) => c.step === 's1').length, 1, 'what was done is not done again');
  await s.log((l) => l.msg === 'a process died' && /signal 9/.test(l.reason));
  await eventually(() => pids(s).length === 2, 'a new worker');
  await end();
});

test('SIGKILL of a worker while its planner thinks, and of the next one, too', async () => {
  const { s, model, end } = await setUp({ config: { server: { workers: 3 } } });
  const { id } = await s.submit('stubborn', { approval: 'auto' });
  for (let i = 0; i < 3; i++) {
    const call = await model.next('planner');
    process.kill(workerOf(s, model, call), 'SIGKILL');
    await call.gone;
  }
  (await model.next('planner')).plan(NONE);
  (await model.next('executor')).finish();
  (await model.next('writer')).text('At last.');
  assert.equal((await s.until(id, 'completed')).result, 'At last.');
  assertDense(await s.events(id));
  await end();
});

test('all workers killed at once: queued and waiting tasks are there afterwards', async () => {
  const { s, model, end } = await setUp();
  const approval = await s.submit('one');
  (await model.next('planner')).plan(NONE);
  const { plan } = await s.until(approval.id, 'awaiting_approval');
  const running = await s.submit('two', { approval: 'auto' });
  const call = await model.next('planner');
  for (const pid of pids(s)) process.kill(pid, 'SIGKILL');
  await call.gone;
  // One that died a moment later may have taken the task over and asked, too.
  model.always('planner', (c) => c.plan(NONE));
  model.always('executor', (c) => c.finish());
  model.always('writer', (c) => c.text('Written.'));
  await s.until(running.id, 'completed');
  assert.equal((await s.post(`/v1/tasks/${approval.id}/approve`, { plan_digest: plan.digest })).status, 200);
  await s.until(approval.id, 'completed');
  await end();
});

test('a worker killed during a tool call: reading is done again, writing is not, and a person is asked', async () => {
  const { s, model, end } = await setUp({ tools: [fake('fake', 'echo')] });
  const c = counter();
  const reading = await s.submit('read', { approval: 'auto' });
  (await model.next('planner')).plan({ objective: 'wait', tools: ['fake__sleep'] });
  let call = await model.next('executor');
  let victim = workerOf(s, model, call);
  call.calls(['fake__sleep', { ms: 400 }]);
  await s.event(reading.id, (e) => e.event === 'tool.started');
  process.kill(victim, 'SIGKILL');
  const told = await model.next('executor');
  assert.equal(told.told, 'slept', 'the model never knows');
  told.finish();
  (await model.next('writer')).text('Read.');
  await s.until(reading.id, 'completed');
  const [started, ...repeated] = (await s.events(reading.id)).filter((e) => /^tool\.(started|repeated)$/.test(e.event));
  assert.equal(repeated.length, 1);
  assert.equal(repeated[0].event, 'tool.repeated');
  assert.equal(repeated[0].data.call, started.data.call, 'the same call');

  const writing = await s.submit('write', { approval: 'auto' });
  (await model.next('planner')).plan({ objective: 'count', tools: ['fake__count'], effect: 'write' });
  call = await model.next('executor');
  victim = workerOf(s, model, call);
  // The tool server is stopped, so that the call is under way for as long as we want.
  const tool = s.processes().tools[0].pid;
  process.kill(tool, 'SIGSTOP');
  call.calls(['fake__count', { file: c.file }]);
  await s.event(writing.id, (e) => e.event === 'tool.started');
  process.kill(victim, 'SIGKILL');
  const asks = await s.until(writing.id, 'input_required');
  process.kill(tool, 'SIGCONT');
  assert.equal(asks.pending.kind, 'in_doubt');
  assert.equal(asks.pending.tool, 'count');
  assert.deepEqual(asks.pending.arguments, { file: c.file });
  assert.equal((await s.post(`/v1/tasks/${writing.id}/input`, { id: asks.pending.id, action: 'fail' })).status, 200);
  const failed = await s.until(writing.id, 'failed');
  assert.match(failed.error.message, /not known whether/);
  assert.equal(failed.pending ?? null, null);
  const events = await s.events(writing.id);
  assert.ok(events.some((e) => e.event === 'step.in_doubt'));
  assert.equal(events.filter((e) => e.event === 'tool.started').length, 1);
  assert.equal(events.find((e) => e.event === 'step.failed').data.error.code, 'outcome-unknown');
  // A later call on the same server proves that what was in its pipe has been taken.
  const after = await s.submit('after', { approval: 'auto' });
  (await model.next('planner')).plan({ objective: 'echo', tools: ['fake__echo'] });
  (await model.next('executor')).calls(['fake__echo', { text: 'x' }]);
  (await model.next('executor')).finish();
  (await model.next('writer')).text('x');
  await s.until(after.id, 'completed');
  assert.ok(c.times() <= 1, `called ${c.times()} times`);
  await end();
});

test('SIGKILL of the supervisor: its tool servers end, it comes back, a reading call in flight is made again', async () => {
  const { s, model, end } = await setUp({ tools: [fake('fake', 'echo')] });
  await s.settled();
  const { supervisor, tools: [tool] } = s.processes();
  const { id } = await s.submit('call', { approval: 'auto' });
  (await model.next('planner')).plan({ objective: 'wait', tools: ['fake__sleep', 'fake__count'], effect: 'write' });
  (await model.next('executor')).calls(['fake__sleep', { ms: 1500 }]);
  await s.event(id, (e) => e.event === 'tool.started');
  process.kill(supervisor.pid, 'SIGKILL');
  await eventually(() => !alive(tool.pid), 'the tool server ends with it');
  await eventually(() => { const now = s.processes().supervisor; return now && now.pid !== supervisor.pid; }, 'a new supervisor');
  const next = await model.next('executor');
  assert.equal(next.told, 'slept');
  await s.event(id, (e) => e.event === 'tool.repeated');
  next.calls(['fake__echo', { text: 'again' }]);
  const last = await model.next('executor');
  assert.equal(last.told, 'again');
  last.finish();
  (await model.next('writer')).text('Done.');
  await s.until(id, 'completed');
  assert.equal(s.processes().tools.length, 1);
  await end();
});

test('without a supervisor just then: reads of tasks go on, /v1/servers says what is the matter', async () => {
  const { s, end } = await setUp({ tools: [fake('fake', 'echo')] });
  await s.settled();
  process.kill(s.processes().supervisor.pid, 'SIGSTOP');
  assert.equal((await s.fetch('/v1/tasks')).status, 200);
  assert.equal((await s.fetch('/v1/tools')).status, 200, 'workers have the catalogue');
  process.kill(s.processes().supervisor.pid, 'SIGCONT');
  assert.equal((await s.json('/v1/servers')).body.servers[0].state, 'ready');
  await end();
});

test('SIGTERM: calls that run may finish within the drain time; exit 0; nothing is left', async () => {
  const { s, model, end } = await setUp({ tools: [fake('fake', 'echo')], config: { server: { drain_seconds: 20 } } });
  const { id } = await s.submit('drain', { approval: 'auto' });
  (await model.next('planner')).plan({ objective: 'wait', tools: ['fake__sleep'] });
  const call = await model.next('executor');
  const worker = workerOf(s, model, call);
  call.calls(['fake__sleep', { ms: 800 }]);
  await s.event(id, (e) => e.event === 'tool.started');
  const seen = await streamOn(s, id, worker);
  const elsewhere = await streamOn(s, id, pids(s).find((pid) => pid !== worker));
  for (const one of [seen, elsewhere])
    await eventually(() => one.text().includes('event: tool.started'), 'the stream has caught up');
  const ended = end();
  for (const role of ['worker 0', 'worker 1']) await s.log((l) => l.msg === 'draining' && l.role === role);
  assert.equal(await reached(s.port), false, 'nobody listens any more');
  for (const one of [seen, elsewhere]) {
    assert.equal(await one.ended, 'cut');
    assert.match(one.text(), /event: tool.completed/, 'the call ended before the stream was cut, on whichever worker');
    assert.ok(!one.text().includes('event: end'));
  }
  await ended;
  assert.equal(model.seen.length, 2, 'no new call was begun');
});

test('SIGTERM with a model call: it may finish, too', async () => {
  const { s, model, end } = await setUp({ config: { server: { drain_seconds: 20 } } });
  const { id } = await s.submit('drain', { approval: 'auto' });
  const call = await model.next('planner');
  const seen = await streamOn(s, id, workerOf(s, model, call));
  await eventually(() => seen.text().includes('event: model.started'), 'the stream has caught up');
  const ended = end();
  await s.log((l) => l.msg === 'draining' && l.runs === 1);
  call.plan(NONE);
  assert.equal(await seen.ended, 'cut');
  assert.match(seen.text(), /event: plan.created/);
  await ended;
});

test('SIGTERM with a call that outlasts the drain time: it is dropped, and the server ends in time', async () => {
  const { s, model, end } = await setUp({ tools: [fake('fake', 'echo')], config: { server: { drain_seconds: 1 } } });
  const { id } = await s.submit('drain', { approval: 'auto' });
  (await model.next('planner')).plan({ objective: 'wait', tools: ['fake__sleep'] });
  (await model.next('executor')).calls(['fake__sleep', { ms: 600000 }]);
  await s.event(id, (e) => e.event === 'tool.started');
  const began = performance.now();
  await end();
  const took = performance.now() - began;
  assert.ok(took > 900 && took < 15000, `${took} ms`);
});

test('a second signal ends the drain at once', async () => {
  const { s, model, end } = await setUp({ tools: [fake('fake', 'echo')], config: { server: { drain_seconds: 600 } } });
  const { id } = await s.submit('drain', { approval: 'auto' });
  (await model.next('planner')).plan({ objective: 'wait', tools: ['fake__sleep'] });
  (await model.next('executor')).calls(['fake__sleep', { ms: 600000 }]);
  await s.event(id, (e) => e.event === 'tool.started');
  const ended = end({ signal: 'SIGINT' });
  await s.log((l) => l.msg === 'draining');
  process.kill(s.pid, 'SIGTERM');
  await s.log((l) => /second signal/.test(l.msg));
  await ended;
});

test('a second signal does not wait for a keeper that hangs, either', async () => {
  const s = await Server.start({});
  process.kill(s.processes().keeper.pid, 'SIGSTOP');
  const begun = performance.now();
  process.kill(s.pid, 'SIGTERM');
  await s.log((l) => l.msg === 'draining');
  process.kill(s.pid, 'SIGTERM');
  await s.stop();
  assert.ok(performance.now() - begun < 10_000, `${performance.now() - begun} ms`);
});

test('the master killed: all others end with it', async () => {
  const { s, model } = await setUp({ tools: [fake('fake', 'echo')] });
  await s.submit('orphan');
  await model.next('planner');
  const all = descendants(s.pid);
  assert.ok(all.length >= 4);
  process.kill(s.pid, 'SIGKILL');
  await eventually(() => all.every((p) => !alive(p.pid)), 'nothing left', 10000);
  await s.kill();
  await model.stop();
});

test('cancel with a model that hangs: the answer comes at once, the model sees it, no further call', async () => {
  const { s, model, end } = await setUp();
  for (const role of ['planner', 'executor']) {
    const { id } = await s.submit('cancel', { approval: 'auto' });
    let call = await model.next('planner');
    if (role === 'executor') {
      call.plan(NONE, NONE);
      call = await model.next('executor');
    }
    const before = model.seen.length;
    const answer = await s.post(`/v1/tasks/${id}/cancel`);
    const answered = performance.now();
    assert.equal(answer.status, 200);
    assert.equal(answer.body.status, 'cancelled');
    const gone = await call.gone;
    assert.ok(call.left);
    assert.ok(gone - answered < (slow ? 500 : 100), `${gone - answered} ms after the answer`);
    const events = await s.events(id);
    assertDense(events);
    assert.deepEqual(events.at(-1).data, { status: 'cancelled' });
    if (role === 'planner') assert.equal(model.seen.length, before);
  }
  await end();
});

test('cancel with a tool that hangs: the tool server is told, no later call is made', async () => {
  const { s, model, end } = await setUp({ tools: [fake('fake', 'echo')] });
  const c = counter();
  const { id } = await s.submit('cancel', { approval: 'auto' });
  (await model.next('planner')).plan({ objective: 'wait', tools: ['fake__count'], effect: 'write' });
  (await model.next('executor')).calls(['fake__sleep', { ms: 600000 }], ['fake__count', { file: c.file }]);
  await s.event(id, (e) => e.event === 'tool.started');
  const began = performance.now();
  const answer = await s.post(`/v1/tasks/${id}/cancel`);
  assert.equal(answer.body.status, 'cancelled');
  assert.ok(performance.now() - began < 1000);
  const before = model.seen.length;
  const probe = await s.submit('probe', { approval: 'auto' });
  (await model.next('planner')).plan({ objective: 'ask', tools: ['fake__cancelled'] });
  (await model.next('executor')).calls(['fake__cancelled', {}]);
  const told = await model.next('executor');
  assert.equal(told.told, '1');
  told.finish();
  (await model.next('writer')).text('1');
  await s.until(probe.id, 'completed');
  assert.equal(c.times(), 0, 'the second call was never made');
  assert.equal(model.seen.length, before + 4, 'only the probe spoke to the model');
  assert.equal((await s.json('/v1/servers')).body.servers[0].calls_in_flight, 0);
  await end();
});

test('cancel of a task that another worker runs, through each worker', async () => {
  const { s, model, end } = await setUp();
  for (const [through, other] of [pids(s), pids(s).toReversed()]) {
    const { id } = await s.submit('cancel', { approval: 'auto' });
    const call = await model.next('planner');
    process.kill(other, 'SIGSTOP');
    const agent = new http.Agent({ keepAlive: true });
    const ask = (method, target) => new Promise((resolve, reject) => {
      http.request(`${s.url}${target}`, { method, agent }, (r) => { r.resume(); r.on('end', () => resolve(r)); }).on('error', reject).end();
    });
    // The first request binds the connection to the worker that runs just now.
    assert.equal((await ask('GET', '/livez')).statusCode, 200);
    process.kill(other, 'SIGCONT');
    assert.equal((await ask('POST', `/v1/tasks/${id}/cancel`)).statusCode, 200, `through ${through}`);
    await call.gone;
    assert.ok(call.left);
    agent.destroy();
  }
  await end();
});

test('a port in use is told at once', async () => {
  const first = await Server.start();
  const second = await Server.start({ config: { server: { port: first.port } }, expectReady: false });
  const { code } = await second.exited;
  assert.equal(code, 69);
  assert.match(second.stderr, new RegExp(`${first.port}`));
  await first.stop();
});

test('workers, supervisor and tool server killed at random while sixty tasks run: every task completes, every sequence is dense', async () => {
  const model = await Model.start({ rules: [
    { ...planned({ objective: 'a', tools: ['fake__echo'] }, { objective: 'b', tools: ['fake__echo'] }, { objective: 'c', tools: ['fake__echo'], after: ['s1', 's2'] }) },
    { when: { system: 'executor', turn: 0 }, respond: { ...calls('fake__echo', { text: 'x' }), delay_ms: 120 } },
    { when: { system: 'executor' }, respond: { ...finished('done'), delay_ms: 120 } },
    written('All done.')] });
  const s = await Server.start({ tools: [fake('fake', 'echo')], config: using(model, { server: { workers: 3 }, llm: { retries_max: 5 }, tools: { restart_ms_min: 10, restart_ms_max: 50 }, log: { level: 'info' } }) });
  await s.settled();
  const ids = [];
  for (let i = 0; i < 60; i++) ids.push((await s.submit(`task ${i}`, { approval: 'auto' })).id);
  const seed = Number(process.env.SEED ?? Date.now() % 1e6);
  let state = seed;
  const random = (n) => { state = (state * 48271) % 0x7fffffff; return state % n; };
  for (let i = 0; i < 12; i++) {
    const { workers, supervisor, tools } = s.processes();
    const victim = i === 4 ? supervisor : i === 8 ? tools[0] : workers[random(workers.length)];
    if (victim) try { process.kill(victim.pid, 'SIGKILL'); } catch { /* it was faster */ }
    // Between the kills the others go on, for as long as the dice say: this is the one place where time is the input.
    await new Promise((resolve) => { setTimeout(resolve, random(120)); });
  }
  let begun = 0;
  let ended = 0;
  for (const id of ids) {
    const doc = await s.until(id, 'completed', 'failed');
    assert.equal(doc.status, 'completed', `seed ${seed}: ${JSON.stringify(doc.error)}`);
    const events = await s.events(id);
    assertDense(events);
    assert.equal(events.filter((e) => e.event === 'task.state' && e.data.to === 'completed').length, 1);
    begun += events.filter((e) => e.event === 'model.started').length;
    ended += events.filter((e) => e.event === 'model.completed').length;
    for (const step of ['s1', 's2', 's3']) assert.equal(events.filter((e) => e.event === 'step.completed' && e.data.step === step).length, 1, `seed ${seed}: ${step}`);
  }
  assert.ok(begun > ended, 'some of the kills hit a call');
  await s.stop();
  await model.stop();
});

test('a keeper that cannot open the database again: nothing new is taken meanwhile, reads go on, and it goes on by itself', async () => {
  const s = await Server.start({});
  const { id } = await s.submit('Book me a flight to Paris', { approval: 'auto' });
  await s.until(id, 'completed');
  const db = path.join(s.storePath, 'tasks.db');
  fs.renameSync(db, `${db}.aside`);
  fs.mkdirSync(db);
  process.kill(s.processes().keeper.pid, 'SIGKILL');
  await eventually(async () => (await fetch(`${s.url}/readyz`)).status === 503, 'not ready any more');
  const refused = await s.post('/v1/tasks', { prompt: 'more' });
  const { detail } = assertProblem(refused, 503, 'unavailable');
  assert.match(detail, /cannot be opened/);
  assert.ok(!detail.includes(s.storePath), detail);
  assert.equal((await s.json('/readyz')).body.status, 'away');
  assert.equal((await s.json(`/v1/tasks/${id}`)).body.status, 'completed');
  fs.rmdirSync(db);
  fs.renameSync(`${db}.aside`, db);
  await eventually(async () => (await fetch(`${s.url}/readyz`)).status === 200, 'ready again', 20_000);
  const more = await s.submit('Book me a flight to Paris', { approval: 'auto' });
  await s.until(more.id, 'completed');
  await s.stop();
});

// A preloaded library and a sanitizer do not go together.
if (!slow) test('no memory for the rest of the task table: said with the option, and served with what there is', async () => {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  // The first call gives what the service starts with; the system refuses any more.
  fs.writeFileSync(path.join(dir, 'lack.c'), `#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
int posix_fallocate(int fd, off_t at, off_t n) { return at ? ENOSPC : fallocate(fd, 0, at, n); }
`);
  execFileSync('cc', ['-shared', '-fPIC', '-o', path.join(dir, 'lack.so'), path.join(dir, 'lack.c')]);
  const s = await Server.start({ env: { LD_PRELOAD: path.join(dir, 'lack.so') } });
  const said = await s.log((l) => l.level === 'error' && l.role === 'master');
  assert.match(said.msg, /store.size_mb/);
  assert.match(said.error, /no 64 MiB of memory for the task table/);
  const { id } = await s.submit('Book me a flight to Paris', { approval: 'auto' });
  await s.until(id, 'completed');
  await s.stop();
});
