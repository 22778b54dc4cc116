// SPDX-License-Identifier: Apache-2.0
// Accepted means durable: what was acknowledged before every process was killed at once is there after the next start, in the
// state it was in, and goes on to its end. Also what a clean restart, a dead keeper and a dead master leave.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Ledger, NONE, Site, TERMINAL, assertPrefix, databaseFile, everything, eventsUpTo, killAll, listed, roleOf, writes } from './lib/durable.mjs';
import { alive, assertDense, assertProblem, descendants, eventually, stream, test } from './lib/server.mjs';

const seed = Number(process.env.SEED ?? Date.now() % 1e6);
const dice = ((state) => (n) => { state = (state * 48271) % 0x7fffffff; return state % n; })(seed + 1);

/** Follows a stream until it ends or is cut; keeps what it saw. */
function follow(s, id) {
  const seen = { events: [] };
  seen.over = (async () => {
    try {
      for await (const e of stream(`${s.url}/v1/tasks/${id}/stream`)) if (e.id !== undefined) seen.events.push(e);
      seen.how = 'end';
    } catch { seen.how = 'cut'; }
  })();
  return seen;
}

test('the plug is pulled while tasks come in: each one that was answered 202 is there and ends', async () => {
  const site = await Site.open({ model: false, config: { server: { workers: 3 } } });
  const promised = new Map();
  let sent = 0;
  for (let round = 0; round < 5; round++) {
    const { s } = site;
    const enough = 5 + dice(40);
    await new Promise((resolve) => {
      let answered = 0, over = 0;
      const submit = async (prompt) => {
        const r = await s.post('/v1/tasks', { prompt, approval: 'auto' }).catch(() => null);
        if (r?.status === 202) {
          promised.set(r.body.id, prompt);
          if (++answered === enough) killAll(s);
        } else assert.equal(r, null, `round ${round}, seed ${seed}: ${JSON.stringify(r?.body)}`);
        if (++over === 80) resolve();
      };
      for (let i = 0; i < 80; i++) submit(`Say hello to number ${sent++}`);
    });
    await site.crash();
    await site.start();
  }
  for (const [id, prompt] of promised) {
    const doc = await site.s.until(id, 'completed');
    assert.equal(doc.prompt, prompt);
    const events = await site.s.events(id);
    assertDense(events);
    assert.equal(events.filter((e) => e.event === 'task.created').length, 1);
  }
  const all = await listed(site.s, { limit: 50 });
  assert.ok(all.length <= sent, `${all.length} tasks of ${sent} requests`);
  const ids = new Set(all.map((t) => t.id));
  for (const id of promised.keys()) assert.ok(ids.has(id), `seed ${seed}: ${id} is not listed`);
  await site.end();
  await site.assertWhole();
});

test('the plug is pulled while streams run: what anybody has seen is there afterwards, to the letter', async () => {
  const site = await Site.open({ model: false, config: { server: { workers: 3 } } });
  for (let round = 0; round < 4; round++) {
    const { s } = site;
    const ids = await Promise.all(Array.from({ length: 8 }, async (_, i) => (await s.submit(`Say hello ${round}.${i}`, { approval: 'auto' })).id));
    const watched = ids.map((id) => ({ id, seen: follow(s, id) }));
    const enough = 8 + dice(40);
    await eventually(() => watched.reduce((n, w) => n + w.seen.events.length, 0) >= enough, `${enough} events`);
    await site.crash();
    await Promise.all(watched.map((w) => w.seen.over));
    await site.start();
    for (const { id, seen } of watched) {
      const doc = await site.s.until(id, 'completed');
      const now = await eventsUpTo(site.s, id, doc.last_seq);
      assertDense(now);
      assertPrefix(seen.events, now, `task ${id}, seed ${seed}`);
    }
  }
  await site.end();
  await site.assertWhole();
});

test('a task in every state goes on after all processes were killed: nothing is lost, nothing done again', async () => {
  const ledger = new Ledger();
  const site = await Site.open({ tools: [ledger.server()] });
  const { model } = site;
  const awaiting = await site.awaiting('wait for me', NONE);
  const done = await site.s.submit('finished before', { approval: 'auto' });
  (await site.next('planner', 'finished before')).plan(NONE);
  const whole = await site.finish(done.id, 'finished before');
  const cancelled = await site.awaiting('cancelled before', NONE);
  assert.equal((await site.s.post(`/v1/tasks/${cancelled.id}/cancel`)).status, 200);
  const rejected = await site.awaiting('rejected before', NONE);
  assert.equal((await site.s.post(`/v1/tasks/${rejected.id}/reject`)).status, 200);
  const planning = await site.s.submit('think hard', { approval: 'auto' });
  await site.next('planner', 'think hard');
  const running = await site.s.submit('two steps', { approval: 'auto' });
  (await site.next('planner', 'two steps')).plan(NONE, { ...NONE, after: ['s1'] });
  (await model.next((c) => c.step === 's1' && c.role === 'executor')).finish('first result');
  await model.next((c) => c.step === 's2');
  const doubtful = await site.calling('quince', 'bump', ledger, ledger.deadly('quince'));
  const pending = await site.s.until(doubtful.id, 'input_required');

  const quiet = [awaiting.id, whole.id, cancelled.id, rejected.id, pending.id];
  const busy = [planning.id, running.id];
  const before = new Map();
  for (const id of [...quiet, ...busy]) before.set(id, await everything(site.s, id));
  await site.restart();
  for (const id of quiet) assert.deepEqual(await everything(site.s, id), before.get(id), `${before.get(id).doc.prompt}: as it was`);

  (await site.next('planner', 'think hard')).plan(NONE);
  const second = await model.next((c) => c.step === 's2');
  assert.match(JSON.stringify(second.body.messages), /first result/, 'the result of the step that was over is used');
  second.finish('second result');
  assert.equal((await site.s.post(`/v1/tasks/${awaiting.id}/approve`, { plan_digest: awaiting.plan.digest })).status, 200);
  assert.equal((await site.s.post(`/v1/tasks/${pending.id}/input`, { id: pending.pending.id, action: 'skip' })).status, 200);
  await site.finish(planning.id, 'think hard');
  await site.finish(awaiting.id, 'wait for me');
  await site.finish(running.id, 'two steps');
  await site.finish(pending.id, 'quince', ...TERMINAL);
  for (const [id, { events }] of before) {
    const now = await everything(site.s, id);
    assertDense(now.events);
    assertPrefix(events, now.events, now.doc.prompt);
  }
  assert.equal(model.seen.filter((c) => c.role === 'executor' && c.step === 's1' && JSON.stringify(c.body).includes('two steps')).length, 1, 'a step that is over is not done again');
  assert.equal(ledger.of('quince').length, 1);
  await site.end();
  await site.assertWhole();
});

test('a clean restart: every document and every event is what it was', async () => {
  const site = await Site.open({ config: { server: { workers: 3 } } });
  site.easy();
  const ids = [];
  for (let i = 0; i < 12; i++) ids.push((await site.s.submit(`Say hello ${i}`, { approval: i % 3 ? 'auto' : 'required', metadata: { n: i, 'ключ': '✓ \u0001' } })).id);
  for (const [i, id] of ids.entries()) await site.s.until(id, i % 3 ? 'completed' : 'awaiting_approval');
  const before = [];
  for (const id of ids) before.push(await everything(site.s, id));
  await site.s.stop();
  await site.assertWhole();
  await site.start();
  for (const [i, id] of ids.entries()) assert.deepEqual(await everything(site.s, id), before[i]);
  assert.deepEqual((await listed(site.s)).map((t) => t.id), ids.toReversed());
  await site.end();
});

test('a clean stop with work under way: the next start takes it up', async () => {
  const ledger = new Ledger();
  const site = await Site.open({ tools: [ledger.server()], config: { server: { drain_seconds: 1 } } });
  const reading = await site.calling('apple', 'read', ledger);
  const planning = await site.s.submit('pear', { approval: 'auto' });
  await site.next('planner', 'pear');
  await site.s.stop();
  ledger.open('apple');
  await site.start();
  (await site.next('planner', 'pear')).plan(NONE);
  await site.finish(planning.id, 'pear');
  await site.finish(reading.id, 'apple');
  const keys = new Set(ledger.of('apple').map((c) => c.key));
  assert.equal(keys.size, 1, 'however often it was read');
  await site.end();
  await site.assertWhole();
});

test('the keeper killed again and again while tasks come in: every request is answered, no task is lost or made twice', async () => {
  const site = await Site.open({ model: false });
  const { s } = site;
  let last = 0;
  const killing = (async () => {
    for (let i = 0; i < 6; i++) {
      const keeper = await eventually(() => { const k = roleOf(s, 'keeper'); return k && k.pid !== last ? k : null; }, 'a keeper', 20_000);
      // The next one is killed when the one before has let something through.
      const { status } = await s.post('/v1/tasks', { prompt: `Say hello between ${i}`, approval: 'auto' });
      assert.equal(status, 202);
      last = keeper.pid;
      process.kill(keeper.pid, 'SIGKILL');
    }
  })();
  const made = await Promise.all(Array.from({ length: 60 }, (_, i) => s.submit(`Say hello ${i}`, { approval: 'auto' })));
  await killing;
  for (const { id } of made) {
    await s.until(id, 'completed');
    assertDense(await s.events(id));
  }
  assert.equal((await listed(s, { limit: 50 })).length, 66);
  await site.end();
  await site.assertWhole();
});

test('what the disk does not have yet is neither acknowledged nor shown, and a cut makes it undone', async () => {
  const site = await Site.open({ store: { ack_seconds: 600 } });
  const { s } = site;
  const waiting = await site.awaiting('apple', NONE);
  const before = await everything(s, waiting.id);
  const keeper = roleOf(s, 'keeper').pid;
  process.kill(keeper, 'SIGSTOP');
  let answered = 0;
  const counted = (p) => { p.then(() => { answered += 1; }, () => {}); return p; };
  const approving = counted(s.post(`/v1/tasks/${waiting.id}/approve`));
  const making = counted(s.post('/v1/tasks', { prompt: 'pear', approval: 'auto' }));
  // Who runs a task works with what is newest: so both have taken effect in the table.
  const [step, planner] = await Promise.all([site.next('executor', 'apple'), site.next('planner', 'pear')]);
  assert.deepEqual(await everything(s, waiting.id), before);
  assert.equal(answered, 0);
  process.kill(keeper, 'SIGCONT');
  assert.equal((await approving).body.status, 'running');
  assert.equal((await making).status, 202);
  step.finish();
  planner.plan(NONE);
  await site.finish(waiting.id, 'apple');
  await site.finish((await making).body.id, 'pear');
  process.kill(keeper, 'SIGSTOP');
  const lost = s.post('/v1/tasks', { prompt: 'plum', approval: 'auto' }).catch(() => 'no answer');
  await site.next('planner', 'plum');
  await site.restart();
  assert.equal(await lost, 'no answer');
  assert.deepEqual((await listed(site.s)).map((t) => t.prompt), ['pear', 'apple']);
  await site.end();
  await site.assertWhole();
});

test('a disk that takes too long: the request is told so in time, and its key finds what came of it', async () => {
  const site = await Site.open({ model: false, store: { ack_seconds: 1 } });
  const { s } = site;
  const keeper = roleOf(s, 'keeper').pid;
  const post = () => s.json('/v1/tasks', { method: 'POST', headers: { 'content-type': 'application/json', 'idempotency-key': 'k' }, body: JSON.stringify({ prompt: 'Say hello' }) });
  process.kill(keeper, 'SIGSTOP');
  const told = assertProblem(await post(), 503, 'unavailable');
  assert.match(told.detail, /store.ack_seconds|durable|stored/);
  process.kill(keeper, 'SIGCONT');
  const { id } = (await eventually(async () => { const r = await post(); return r.status === 202 ? r : null; }, 'an answer')).body;
  await s.until(id, 'completed');
  assert.equal((await listed(s)).length, 1);
  await site.end();
});

test('the master killed: all others end, the database is free, the next start takes everything up', async () => {
  const site = await Site.open({});
  const { id } = await site.s.submit('orphan', { approval: 'auto' });
  await site.next('planner', 'orphan');
  const all = descendants(site.s.pid);
  process.kill(site.s.pid, 'SIGKILL');
  await eventually(() => all.every((p) => !alive(p.pid)), 'nothing left', 10_000);
  await site.crash();
  await site.start();
  (await site.next('planner', 'orphan')).plan(NONE);
  await site.finish(id, 'orphan');
  await site.end();
  await site.assertWhole();
});

test('the database and its folder are for the owner alone', async () => {
  const site = await Site.open({ model: false });
  await site.s.submit('Say hello');
  assert.equal(fs.statSync(site.path).mode & 0o077, 0, 'the folder');
  for (const name of fs.readdirSync(site.path)) assert.equal(fs.statSync(`${site.path}/${name}`).mode & 0o077, 0, name);
  assert.ok(databaseFile(site.path));
  await site.end();
});

test('the memory backend says so, in the log and to who asks whether it is ready; it leaves nothing on the disk', async () => {
  const site = await Site.open({ model: false, store: { backend: 'memory' } });
  const ready = await site.s.json('/readyz');
  assert.equal(ready.body.store.backend, 'memory');
  assert.match(ready.body.store.note, /restart/);
  assert.ok(site.s.logs.some((l) => /memory/.test(l.msg) && /restart|lost|stop|nothing on disk/i.test(JSON.stringify(l))), 'the log says that tasks end with the service');
  assert.equal(roleOf(site.s, 'keeper'), undefined);
  const { id } = await site.s.submit('Say hello', { approval: 'auto' });
  await site.s.until(id, 'completed');
  assert.ok(!fs.existsSync(site.path));
  await site.end();
});

test('the default is durable, and readiness names it', async () => {
  const site = await Site.open({ model: false, store: { backend: undefined } });
  assert.equal((await site.s.json('/readyz')).body.store.backend, 'sqlite');
  assert.ok(roleOf(site.s, 'keeper'));
  await site.end();
});

test('replay makes the stream anew from the journal, beside the service and without it, after a crash too', async () => {
  const ledger = new Ledger();
  const site = await Site.open({ tools: [ledger.server()] });
  const awaiting = await site.awaiting('half way', writes('bump'));
  const { id } = await site.s.submit('whole way', { approval: 'auto' });
  (await site.next('planner', 'whole way')).plan(writes('bump'));
  (await site.next('executor', 'whole way')).calls(['counting__bump', { label: 'whole' }]);
  (await site.next('executor', 'whole way')).finish();
  await site.finish(id, 'whole way');
  // What is only live has no id, and a comment is none of the stream's events.
  const kept = (text) => text.split('\n\n').filter((one) => one.startsWith('id: ') || one.startsWith('event: end')).map((one) => `${one}\n\n`).join('');
  const sent = kept(await (await site.s.fetch(`/v1/tasks/${id}/stream`)).text());
  assert.match(sent, /event: tool\.completed[^]*event: end\n/);
  const check = async () => {
    const { code, stdout, stderr } = await site.replay(id);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, sent);
    for (const one of [id, awaiting.id]) {
      const r = await site.replay(one, '--verify');
      assert.equal(r.code, 0, r.stdout + r.stderr);
      assert.match(r.stdout, /^task [-0-9a-f]{36}: \d+ events, \d+ changes of state, (completed|awaiting_approval): /);
    }
    assert.doesNotMatch((await site.replay(awaiting.id)).stdout, /event: end/);
  };
  await check();
  await site.crash();
  await check();
  const missing = await site.replay('0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f', '--verify');
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /0193a5c2/);
  await site.model.stop();
});

test('export and verify say the same with and without a server', async () => {
  const site = await Site.open({});
  const awaiting = await site.awaiting('half way', writes('bump'));
  const { id } = await site.s.submit('whole way', { approval: 'auto' });
  (await site.next('planner', 'whole way')).plan(NONE);
  await site.finish(id, 'whole way');
  const before = new Map();
  for (const one of [awaiting.id, id]) {
    const { code, stdout, stderr } = await site.export(one);
    assert.equal(code, 0, stderr);
    const { doc } = await everything(site.s, one);
    assert.ok(stdout.includes(one) && stdout.includes(doc.prompt), stdout.slice(0, 500));
    before.set(one, stdout);
  }
  assert.equal((await site.verify()).code, 0);
  await site.s.stop();
  for (const [one, text] of before) assert.equal((await site.export(one)).stdout, text);
  await site.assertWhole();
  const missing = await site.export('0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f');
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /0193a5c2/);
  await site.model.stop();
});
