// SPDX-License-Identifier: Apache-2.0
// Idempotency-Key: a request that is repeated because its answer was lost takes effect once, and gets the answer it would have
// got: from any worker, a hundred at a time, after every process was killed, after a restart, when its key has left the table.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Ledger, NONE, Site, listed } from './lib/durable.mjs';
import { assertProblem, eventually, test } from './lib/server.mjs';
import { ask } from '../bench/lib/soak_client.mjs';

/** POST on a connection of its own, so that any worker may get it; rejects when that dies. What makes two answers the same. */
async function post(s, path, body, key) {
  const { status, headers, body: said } = await ask(s.port, 'POST', path, body, key === undefined ? {} : { 'idempotency-key': key });
  return { status, location: headers.location, body: said, type: headers['content-type'] };
}
const times = (n, fn) => Promise.all(Array.from({ length: n }, (_, i) => fn(i)));
const problem = (r, status, slug) => assertProblem({ ...r, headers: new Headers({ 'content-type': r.type }) }, status, slug);
function assertSame(answers) {
  for (const a of answers) assert.deepEqual(a, answers[0]);
  return answers[0];
}

test('a hundred times the same request at once: one task, one answer', async () => {
  const site = await Site.open({ config: { server: { workers: 4 } } });
  for (const key of ['one', randomUUID(), 'x'.repeat(255), '"quoted"', "odd!#$%&'()*+,-./:;<=>?@[]^_`{|}~"]) {
    const same = assertSame(await times(100, () => post(site.s, '/v1/tasks', { prompt: `key ${key}` }, key)));
    assert.equal(same.status, 202, JSON.stringify(same.body));
    assert.equal(same.location, `/v1/tasks/${same.body.id}`);
    assert.equal((await listed(site.s)).filter((t) => t.prompt === `key ${key}`).length, 1);
    await site.next('planner', `key ${key}`);
    assert.deepEqual(await post(site.s, '/v1/tasks', { prompt: `key ${key}` }, key), same, 'also when the task has gone on');
  }
  assert.equal(site.model.seen.length, 5);
  await site.end();
});

test('the same key with another body is refused, whoever asks; no key means no memory', async () => {
  const site = await Site.open({ model: false, config: { server: { workers: 4 } } });
  const first = await post(site.s, '/v1/tasks', { prompt: 'Say hello' }, 'k');
  for (const r of await times(20, (i) => post(site.s, '/v1/tasks', { prompt: `Say hello ${i}` }, 'k')))
    assert.match(problem(r, 409, r.body.type.split('/').at(-1)).detail, /key/i);
  assert.equal((await listed(site.s)).length, 1);
  assert.deepEqual(await post(site.s, '/v1/tasks', { prompt: 'Say hello' }, 'k'), first);
  const without = await times(5, () => post(site.s, '/v1/tasks', { prompt: 'Say hello' }));
  assert.equal(new Set(without.map((r) => r.body.id)).size, 5);
  await site.end();
});

test('a hundred different bodies race for one key: one wins, the others are refused, and it stays so', async () => {
  const site = await Site.open({ model: false, config: { server: { workers: 4 } } });
  const bodies = Array.from({ length: 10 }, (_, i) => ({ prompt: `Say hello ${i}`, approval: 'required' }));
  const got = await times(100, (i) => post(site.s, '/v1/tasks', bodies[i % 10], 'race'));
  const won = got.filter((r) => r.status === 202);
  assert.equal(won.length, 10);
  const { body: { id, prompt } } = assertSame(won);
  for (const r of got.filter((one) => one.status !== 202)) assert.equal(r.status, 409);
  assert.deepEqual((await listed(site.s)).map((t) => t.id), [id]);
  await site.restart();
  for (const body of bodies) assert.equal((await post(site.s, '/v1/tasks', body, 'race')).status, body.prompt === prompt ? 202 : 409);
  await site.end();
});

test('a malformed key is refused, never ignored', async () => {
  const site = await Site.open({ model: false });
  for (const key of ['', 'x'.repeat(256), 'with blank', '"open', 'caf\u00e9'])
    assert.equal(problem(await post(site.s, '/v1/tasks', { prompt: 'Say hello' }, key), 400, 'invalid-field').field, 'Idempotency-Key');
  assert.equal((await listed(site.s)).length, 0);
  await site.end();
});

test('a request that is refused takes no key', async () => {
  const site = await Site.open({ model: false });
  assert.equal((await post(site.s, '/v1/tasks', { prompt: '' }, 'k')).status, 400);
  assert.equal((await post(site.s, '/v1/tasks', { prompt: 'Say hello' }, 'k')).status, 202);
  await site.end();
});

test('everything is killed while a hundred repeat themselves: afterwards one task, and the answer that some had got', async () => {
  const site = await Site.open({ config: { server: { workers: 4 } } });
  for (let round = 0; round < 6; round++) {
    const body = { prompt: `round ${round}`, approval: 'required' };
    const got = [];
    let over = 0;
    // From "before anything was answered" to "all of it".
    const enough = [0, 1, 5, 30, 70, 100][round];
    const pull = enough === 0 ? site.crash() : null;
    await times(100, async () => {
      const r = await post(site.s, '/v1/tasks', body, `key-${round}`).catch(() => null);
      if (r?.status === 202) got.push(r);
      else assert.equal(r, null, JSON.stringify(r));
      if (got.length === enough) site.crash();
      over += 1;
    });
    assert.equal(over, 100);
    await pull;
    await site.crash();
    await site.start();
    const again = await times(20, () => post(site.s, '/v1/tasks', body, `key-${round}`));
    const same = assertSame([...got, ...again]);
    assert.equal(same.status, 202);
    assert.equal((await listed(site.s)).filter((t) => t.prompt === body.prompt).length, 1);
  }
  await site.end();
  await site.assertWhole();
});

test('a worker and the keeper are killed while requests with keys come in: each takes effect once', async () => {
  const site = await Site.open({ model: false, config: { server: { workers: 3 } } });
  const { s } = site;
  const insist = async (path, body, key) => {
    for (;;) {
      const r = await post(s, path, body, key).catch(() => null);
      if (r && r.status !== 503) return r;
    }
  };
  let done = 0;
  const jobs = times(40, async (i) => {
    const both = await times(2, () => insist('/v1/tasks', { prompt: `Say hello ${i}`, approval: 'auto' }, `k${i}`));
    done += 1;
    return assertSame(both);
  });
  for (const at of [1, 10, 20, 30]) {
    await eventually(() => done >= at, `${at} done`, 30_000);
    const { workers, all } = s.processes();
    for (const p of [workers[at % workers.length], at === 20 && all.find((one) => one.title.includes('agent-runtime: keeper'))])
      if (p) try { process.kill(p.pid, 'SIGKILL'); } catch { /* gone */ }
  }
  const got = await jobs;
  assert.equal(new Set(got.map((r) => r.body.id)).size, 40);
  assert.equal((await listed(s, { limit: 50 })).length, 40);
  for (const r of got) await s.until(r.body.id, 'completed');
  await site.end();
  await site.assertWhole();
});

test('approve, reject, cancel and input with a key: repeated, they give the answer of the first time instead of a conflict', async () => {
  const ledger = new Ledger();
  const site = await Site.open({ config: { server: { workers: 3 } }, tools: [ledger.server()] });
  const approved = await site.awaiting('apple', NONE);
  const again = await site.awaiting('pear', NONE);
  const rejected = await site.awaiting('plum', NONE);
  const cancelled = await site.awaiting('fig', NONE);
  const doubtful = await site.calling('quince', 'bump', ledger, ledger.deadly('quince'));
  const { pending } = await site.s.until(doubtful.id, 'input_required');
  const requests = [
    [`/v1/tasks/${approved.id}/approve`, { plan_digest: approved.plan.digest }],
    [`/v1/tasks/${again.id}/reject`, { feedback: 'once more' }],
    [`/v1/tasks/${rejected.id}/reject`, undefined],
    [`/v1/tasks/${cancelled.id}/cancel`, undefined],
    [`/v1/tasks/${doubtful.id}/input`, { id: pending.id, action: 'skip' }],
  ];
  // One key for all: the path belongs to it.
  const first = [];
  for (const [path, body] of requests) {
    const answers = await times(20, () => post(site.s, path, body, 'the-key'));
    first.push(assertSame(answers));
    assert.equal(first.at(-1).status, 200, `${path}: ${JSON.stringify(answers[0].body)}`);
  }
  assert.equal((await post(site.s, requests[1][0], { feedback: 'something else' }, 'the-key')).status, 409);
  await site.finish(approved.id, 'apple');
  await site.restart();
  for (const [i, [path, body]] of requests.entries()) assert.deepEqual(await post(site.s, path, body, 'the-key'), first[i], `${path}, after all were killed`);
  await site.s.stop();
  await site.start();
  for (const [i, [path, body]] of requests.entries()) assert.deepEqual(await post(site.s, path, body, 'the-key'), first[i], `${path}, after a restart`);
  // Without a key, or with a new one, it is a conflict as before.
  for (const key of [undefined, 'new']) assert.equal((await post(site.s, requests[2][0], requests[2][1], key)).status, 409);
  const whole = await site.s.events(approved.id);
  assert.equal(whole.filter((e) => e.event === 'plan.approved').length, 1);
  assert.equal(ledger.of('quince').length, 1);
  await site.end();
  await site.assertWhole();
});

test('a key that has left the table is found in the database, also when its task has', async () => {
  const site = await Site.open({ model: false, store: { idempotency_keys: 64, tasks_max: 32 }, config: { server: { workers: 2 } } });
  const body = (i) => ({ prompt: `Say hello ${i}`, approval: 'auto' });
  const first = [];
  for (let i = 0; i < 150; i++) {
    first.push(await post(site.s, '/v1/tasks', body(i), `k${i}`));
    assert.equal(first[i].status, 202, JSON.stringify(first[i].body));
    await site.s.until(first[i].body.id, 'completed');
  }
  for (const i of [0, 1, 75, 149]) {
    const same = await times(5, () => post(site.s, '/v1/tasks', body(i), `k${i}`));
    assert.deepEqual(assertSame(same), first[i]);
    assert.equal((await post(site.s, '/v1/tasks', body(i + 1), `k${i}`)).status, 409);
  }
  assert.equal((await listed(site.s, { limit: 100 })).length, 150);
  await site.end();
});
