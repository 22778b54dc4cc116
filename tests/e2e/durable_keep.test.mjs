// SPDX-License-Identifier: Apache-2.0
// What is kept and for how long: large results as artifacts, deletion by request, by age and by size.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Ledger, NONE, Site, everything, listed, writes } from './lib/durable.mjs';
import { setClock } from './lib/preload.mjs';
import { assertDense, assertProblem, eventually, slow, test } from './lib/server.mjs';

const MIB = 1 << 20;
/** What the tool `big` of the counting server says: numbered lines of 64 bytes. */
const numbered = (bytes) => Array.from({ length: Math.ceil(bytes / 64) }, (_, i) => `${String(i).padStart(8, '0')} ${'0'.repeat(54)}\n`).join('').slice(0, bytes);

/** A finished task whose tool answered with so many bytes: {id, completed: data of tool.completed, told: what the model was told}. */
async function withResult(site, prompt, bytes) {
  const { id } = await site.s.submit(prompt, { approval: 'auto' });
  (await site.next('planner', prompt)).plan(writes('big', { effect: 'read' }));
  (await site.next('executor', prompt)).calls(['counting__big', { bytes }]);
  const told = await site.next('executor', prompt);
  told.finish();
  await site.finish(id, prompt);
  const { data } = (await site.s.events(id)).find((e) => e.event === 'tool.completed');
  return { id, completed: data, told: told.told };
}
const range = (s, url, value, more = {}) => fetch(s.url + url, { headers: { range: value, ...more } });

test('a result of 3 MiB is kept whole, as an artifact with ranges, and is there after a crash', async () => {
  const ledger = new Ledger();
  const site = await Site.open({ tools: [ledger.server()], store: { tasks_max: 16 } });
  const { id, completed, told } = await withResult(site, 'apple', 3 * MIB);
  const text = numbered(3 * MIB);
  assert.ok(JSON.stringify(completed).length < 300_000, 'the event does not carry it');
  assert.ok(told.length < 20_000 && told.includes(text.slice(0, 640)), 'the model is shown a part');
  assert.match(JSON.stringify(completed), /artifact/, JSON.stringify(completed).slice(0, 500));
  const url = `/v1/tasks/${id}/artifacts/1`;
  const check = async () => {
    const r = await fetch(site.s.url + url);
    assert.equal(r.status, 200);
    assert.equal(r.headers.get('accept-ranges'), 'bytes');
    const whole = Buffer.from(await r.arrayBuffer());
    assert.equal(Number(r.headers.get('content-length')), whole.length);
    assert.ok(whole.includes(text.slice(0, 64).trimEnd()) && whole.length >= text.length);
    const n = whole.length;
    for (const [from, to, value] of [[0, 0, 'bytes=0-0'], [0, 99, 'bytes=0-99'], [262100, 262200, 'bytes=262100-262200'], [262144, 524287, 'bytes=262144-524287'],
      [1_000_000, 2_500_000, 'bytes=1000000-2500000'], [n - 1, n - 1, `bytes=${n - 1}-`], [n - 500, n - 1, 'bytes=-500'], [n - 10, n - 1, `bytes=${n - 10}-${n + 1000}`], [0, n - 1, 'bytes=0-'], [0, n - 1, `bytes=-${2 * n}`]]) {
      const part = await range(site.s, url, value);
      assert.equal(part.status, 206, value);
      assert.equal(part.headers.get('content-range'), `bytes ${from}-${to}/${n}`);
      assert.ok(Buffer.from(await part.arrayBuffer()).equals(whole.subarray(from, to + 1)), value);
    }
    for (const value of [`bytes=${n}-`, `bytes=${n + 5}-${n + 9}`, 'bytes=-0']) {
      const none = await range(site.s, url, value);
      assert.equal(none.status, 416, value);
      assert.equal(none.headers.get('content-range'), `bytes */${n}`);
    }
    // What is no range that we know is no range: RFC 9110 lets it be ignored.
    for (const value of ['lines=1-2', 'bytes=9-1', 'bytes=x']) assert.equal((await range(site.s, url, value)).status, 200, value);
    const head = await fetch(site.s.url + url, { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(Number(head.headers.get('content-length')), n);
    const etag = r.headers.get('etag');
    if (etag) assert.equal((await fetch(site.s.url + url, { headers: { 'if-none-match': etag } })).status, 304);
    return whole;
  };
  const whole = await check();
  await site.restart();
  assert.ok(whole.equals(await check()), 'after a crash');
  site.easy();
  for (let i = 0; i < 30; i++) await site.s.until((await site.s.submit(`fig ${i}`, { approval: 'auto' })).id, 'completed');
  assert.ok(whole.equals(await check()), 'after its task has left the table');
  for (const bad of ['2', '0', 'x', '-1', '1x', '99999999999999999999']) assert.equal((await site.s.fetch(`/v1/tasks/${id}/artifacts/${bad}`)).status, 404, bad);
  assertProblem(await site.s.json('/v1/tasks/0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f/artifacts/1'), 404, 'not-found');
  const { code, stdout, stderr } = await site.export(id);
  assert.equal(code, 0, stderr);
  assert.ok(stdout.length > 0);
  await site.end();
  await site.assertWhole();
});

test('a result just under the limit stays in its event; one over it becomes an artifact', async () => {
  const ledger = new Ledger();
  const site = await Site.open({ tools: [ledger.server()], config: { limits: { tool_result_bytes: 65536 } } });
  const small = await withResult(site, 'apple', 60_000);
  assert.ok(JSON.stringify(small.completed).includes(numbered(640).trimEnd().split('\n')[9]));
  assert.equal((await site.s.fetch(`/v1/tasks/${small.id}/artifacts/1`)).status, 404);
  const large = await withResult(site, 'pear', 66_000);
  const r = await site.s.fetch(`/v1/tasks/${large.id}/artifacts/1`);
  assert.equal(r.status, 200);
  assert.ok((await r.text()).length >= 66_000);
  await site.end();
});

test('DELETE removes a finished task with its events and artifacts, for good; an unfinished one is left alone', async () => {
  const ledger = new Ledger();
  const site = await Site.open({ tools: [ledger.server()], store: { tasks_max: 16 } });
  const del = (id) => site.s.json(`/v1/tasks/${id}`, { method: 'DELETE' });
  const { id } = await withResult(site, 'apple', MIB);
  const waiting = await site.awaiting('pear', NONE);
  assertProblem(await del(waiting.id), 409, 'conflict');
  assert.equal((await site.s.json(`/v1/tasks/${waiting.id}`)).body.status, 'awaiting_approval');
  assert.equal((await del(id)).status, 204);
  const gone = async (one) => {
    for (const path of ['', '/stream', '/artifacts/1']) assert.ok([404, 410].includes((await site.s.fetch(`/v1/tasks/${one}${path}`)).status), path);
    assert.ok([404, 410].includes((await del(one)).status));
    assert.ok(!(await listed(site.s)).some((t) => t.id === one));
  };
  await gone(id);
  // One that has left the table.
  const early = [];
  site.easy();
  for (let i = 0; i < 30; i++) early.push((await site.s.until((await site.s.submit(`fig ${i}`, { approval: 'auto' })).id, 'completed')).id);
  assert.equal((await del(early[0])).status, 204);
  assert.equal((await del(early[29])).status, 204);
  await site.restart();
  for (const one of [id, early[0], early[29]]) await gone(one);
  assert.equal((await listed(site.s)).length, 29);
  assertProblem(await del('0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f'), 404, 'not-found');
  assert.notEqual((await site.export(id)).code, 0);
  assert.equal((await site.s.json(`/v1/tasks/${waiting.id}`)).body.status, 'awaiting_approval');
  await site.end();
  await site.assertWhole();
});

const megabytes = (dir) => fs.readdirSync(dir).reduce((n, name) => n + fs.statSync(path.join(dir, name)).size, 0) / MIB;

test('a full database makes room by itself: the oldest finished tasks go, new ones come in, the disk is never used beyond the limit', async () => {
  const site = await Site.open({ store: { max_bytes: 16 * MIB }, config: { limits: { prompt_bytes: 200_000 } } });
  const pad = 'x'.repeat(100_000);
  site.easy();
  const waiting = await site.s.submit(`patient ${pad}`, { approval: 'required' });
  await site.s.until(waiting.id, 'awaiting_approval');
  const ids = [];
  let most = 0;
  for (let i = 0; i < 150; i++) {
    const { id } = await site.s.submit(`Say hello ${i} ${pad}`, { approval: 'auto' });
    ids.push(id);
    await site.s.until(id, 'completed', 'failed');
    most = Math.max(most, megabytes(site.path));
  }
  assert.ok(most < 40, `${most} MiB were used, with its log, at a limit of 16`);
  const left = (await listed(site.s)).map((t) => t.id);
  assert.ok(left.includes(ids.at(-1)), 'the newest is there');
  assert.ok(!left.includes(ids[0]), 'the oldest is not');
  assert.ok(left.includes(waiting.id), 'an unfinished one is never deleted');
  const finished = left.filter((id) => id !== waiting.id);
  assert.deepEqual(finished, ids.slice(-finished.length).toReversed(), 'what is left is the newest');
  assert.ok([404, 410].includes((await site.s.fetch(`/v1/tasks/${ids[0]}`)).status));
  await site.restart();
  for (const id of finished) assertDense((await everything(site.s, id)).events);
  await site.end();
  await site.assertWhole();
});

// A preloaded library and a sanitizer do not go together.
if (!slow) test('finished tasks are deleted after their days, unfinished ones never', async () => {
  const clock = setClock();
  const site = await Site.open({ store: { retention_days: 2 }, env: clock.env });
  site.easy();
  const done = await site.s.submit('Say hello', { approval: 'auto' });
  await site.s.until(done.id, 'completed');
  const waiting = await site.s.submit('patient', { approval: 'required' });
  await site.s.until(waiting.id, 'awaiting_approval');
  clock.set(86400);
  await site.restart();
  assert.equal((await site.s.json(`/v1/tasks/${done.id}`)).status, 200, 'a day is not enough');
  clock.set(3 * 86400);
  await site.restart();
  await eventually(async () => [404, 410].includes((await site.s.fetch(`/v1/tasks/${done.id}`)).status), 'its time is over', 30_000);
  assert.equal((await site.s.json(`/v1/tasks/${waiting.id}`)).body.status, 'awaiting_approval');
  await site.end();
  await site.assertWhole();
});

if (!slow) test('a clock that is set back an hour: nothing is lost, nothing comes twice, all goes on', async () => {
  const clock = setClock();
  const site = await Site.open({ model: false, env: clock.env });
  const post = (i) => site.s.json('/v1/tasks', { method: 'POST', headers: { 'content-type': 'application/json', 'idempotency-key': `k${i}` }, body: JSON.stringify({ prompt: `Say hello ${i}`, approval: 'auto' }) });
  const ids = [];
  const round = async (from) => {
    for (let i = from; i < from + 6; i++) {
      const { status, body } = await post(i);
      assert.equal(status, 202, JSON.stringify(body));
      ids.push(body.id);
    }
    for (const id of ids) assertDense((await everything(site.s, (await site.s.until(id, 'completed')).id)).events);
  };
  await round(0);
  clock.set(-3600);
  await round(6);
  await site.restart();
  await round(12);
  clock.set(-7200);
  await site.restart();
  assert.deepEqual(new Set((await listed(site.s)).map((t) => t.id)), new Set(ids));
  for (const i of [0, 6, 12]) assert.equal((await post(i)).body.id, ids[i], 'keys are remembered');
  await round(18);
  assert.equal((await listed(site.s, { limit: 5 })).length, 24);
  await site.end();
  await site.assertWhole();
});
