// SPDX-License-Identifier: Apache-2.0
// Streams across crashes: whoever comes back with Last-Event-ID gets each event once, in order, whatever died meanwhile, also of tasks
// that have left the table; an unfinished stream is reset, never ended.
import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import { NONE, Site, assertPrefix, eventsUpTo, listed, roleOf } from './lib/durable.mjs';
import { assertDense, assertProblem, eventually, onTestEnd, stream, test } from './lib/server.mjs';

const over = (e) => e.event === 'end';

/** A subscriber as a browser is one: comes back with the last id it saw until it is told the end. `cut`: how often it was cut. */
function subscribe(site, id) {
  const me = { events: [], cut: 0, clean: 0, stop: false };
  me.over = (async () => {
    while (!me.stop) {
      let ended = false, connected = false;
      try {
        const from = me.events.at(-1)?.id;
        for await (const e of stream(`http://127.0.0.1:${site.s.port}/v1/tasks/${id}/stream`, { lastEventId: from })) {
          connected = true;
          if (e.id !== undefined) me.events.push(e);
          if (over(e)) { ended = true; me.end = e.data; }
        }
        if (ended) return me;
        me.clean += 1;
      } catch { me.cut += connected ? 1 : 0; }
      await new Promise((resolve) => { setTimeout(resolve, 5); });
    }
    return me;
  })();
  onTestEnd(() => { me.stop = true; });
  return me;
}
const caughtUp = (subscribers, last) => eventually(() => subscribers.every((x) => x.events.length >= last), `all at event ${last}`);

test('subscribers that come back see each event once, whatever is killed, through three lives of the service', async () => {
  const site = await Site.open({ config: { server: { workers: 3, drain_seconds: 1 } } });
  const { model } = site;
  const { id } = await site.s.submit('apple', { approval: 'auto' });
  const all = Array.from({ length: 8 }, () => subscribe(site, id));
  const seen = async () => (await site.s.json(`/v1/tasks/${id}`)).body.last_seq;
  (await site.next('planner', 'apple')).plan(...Array.from({ length: 6 }, (_, i) => ({ ...NONE, id: `s${i + 1}`, after: i ? [`s${i}`] : [] })));
  const blows = [
    () => process.kill(site.s.processes().workers[0].pid, 'SIGKILL'),
    () => process.kill(roleOf(site.s, 'keeper').pid, 'SIGKILL'),
    () => site.restart(),
    () => { for (const w of site.s.processes().workers) process.kill(w.pid, 'SIGKILL'); },
    async () => { await site.s.stop(); await site.start(); },
    () => { for (const p of [...site.s.processes().workers, roleOf(site.s, 'keeper')]) process.kill(p.pid, 'SIGKILL'); },
  ];
  for (const [i, blow] of blows.entries()) {
    const step = (c) => c.role === 'executor' && c.step === `s${i + 1}`;
    const call = await model.next(step);
    await caughtUp(all, await seen());
    await blow();
    // Whether this blow hit the run or not: the call, or the one that is made instead, is answered.
    model.always(step, (c) => c.finish());
    call.finish();
  }
  (await site.next('writer', 'apple')).text('The end.');
  const doc = await site.s.until(id, 'completed');
  for (const x of await Promise.all(all.map((one) => one.over))) {
    assert.equal(x.clean, 0, 'an unfinished stream is never closed cleanly');
    assert.deepEqual(x.events.map((e) => e.id), Array.from({ length: doc.last_seq }, (_, i) => i + 1));
    assert.deepEqual(x.events, all[0].events);
    assert.equal(x.end.status, 'completed');
  }
  assert.ok(all.every((x) => x.cut >= 2), 'they were cut');
  await site.end();
});

test('after a restart the whole stream is there from any point, byte by byte, then goes on live', async () => {
  const site = await Site.open({});
  const { id } = await site.s.submit('apple', { approval: 'auto' });
  (await site.next('planner', 'apple')).plan(NONE, { ...NONE, after: ['s1'] });
  (await site.next('executor', 'apple')).finish();
  await site.next('executor', 'apple');
  const { last_seq: last } = (await site.s.json(`/v1/tasks/${id}`)).body;
  const before = await eventsUpTo(site.s, id, last);
  await site.restart();
  const call = await site.next('executor', 'apple');
  for (const after of [0, 1, Math.floor(last / 2), last - 1]) {
    const tail = await eventsUpTo(site.s, id, last, after);
    assert.deepEqual(tail, before.slice(after), `after ${after}`);
  }
  const waiting = subscribe(site, id);
  await caughtUp([waiting], last);
  call.finish();
  (await site.next('writer', 'apple')).text('The end.');
  const doc = await site.s.until(id, 'completed');
  await waiting.over;
  assertDense(waiting.events);
  assert.equal(waiting.events.length, doc.last_seq);
  assertPrefix(before, waiting.events);
  assert.equal(waiting.cut, 0);
  await site.end();
});

test('an id that is ahead of the task, or none at all, is never met with silence', async () => {
  const site = await Site.open({ model: false });
  const { id } = await site.s.submit('Say hello', { approval: 'auto' });
  const { last_seq: last } = await site.s.until(id, 'completed');
  await site.restart();
  const rest = [];
  for await (const e of stream(`${site.s.url}/v1/tasks/${id}/stream`, { lastEventId: last })) rest.push(e);
  assert.deepEqual(rest.map((e) => e.event), ['end'], 'all was seen: only the end is told');
  const ahead = await site.s.json(`/v1/tasks/${id}/stream`, { headers: { 'last-event-id': String(last + 5) } }).catch(() => null);
  assert.ok(ahead === null || ahead.status >= 400, 'an id nobody has given');
  await site.end();
});

test('tasks that have left the table are read from the database: document, stream, list, wait and conflicts', async () => {
  const site = await Site.open({ store: { tasks_max: 16 } });
  site.easy();
  const made = [];
  for (let i = 0; i < 70; i++) {
    const { id } = await site.s.submit(`Say hello ${i}`, { approval: i % 10 === 9 ? 'required' : 'auto' });
    made.push(id);
    const doc = await site.s.until(id, 'completed', 'awaiting_approval');
    if (doc.status === 'awaiting_approval') await site.s.post(`/v1/tasks/${id}/cancel`);
  }
  const check = async () => {
    assert.deepEqual((await listed(site.s, { limit: 9 })).map((t) => t.id), made.toReversed());
    assert.deepEqual((await listed(site.s, { limit: 3, status: 'cancelled' })).map((t) => t.prompt), [69, 59, 49, 39, 29, 19, 9].map((n) => `Say hello ${n}`));
    for (const [i, id] of made.entries()) {
      const r = await site.s.json(`/v1/tasks/${id}`);
      assert.equal(r.status, 200, JSON.stringify(r.body));
      assert.equal(r.body.prompt, `Say hello ${i}`);
      assert.equal(r.headers.get('etag'), `"${r.body.last_seq}"`);
      const events = await site.s.events(id);
      assertDense(events.filter((e) => e.id !== undefined));
      assert.equal(events.filter((e) => e.id !== undefined).length, r.body.last_seq);
      assert.deepEqual(events.at(-1), { id: undefined, event: 'end', data: { status: r.body.status } });
    }
  };
  await check();
  const old = made[0];
  const { body: doc, headers } = await site.s.json(`/v1/tasks/${old}`);
  assert.equal((await site.s.fetch(`/v1/tasks/${old}`, { headers: { 'if-none-match': headers.get('etag') } })).status, 304);
  assert.deepEqual((await site.s.json(`/v1/tasks/${old}?wait=30s`)).body, doc, 'nothing to wait for');
  const tail = [];
  for await (const e of stream(`${site.s.url}/v1/tasks/${old}/stream?after=2`)) if (e.id) tail.push(e.id);
  assert.deepEqual(tail, Array.from({ length: doc.last_seq - 2 }, (_, i) => i + 3));
  for (const verb of ['approve', 'reject', 'cancel']) assertProblem(await site.s.post(`/v1/tasks/${old}/${verb}`), 409, 'conflict');
  assertProblem(await site.s.json('/v1/tasks/0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f'), 404, 'not-found');
  await site.restart();
  await check();
  await site.end();
});

test('a reader of a stream whose task leaves the table meanwhile, and whose keeper dies, gets all of it', async () => {
  const site = await Site.open({ model: false, store: { tasks_max: 16 }, config: { limits: { prompt_bytes: 4_000_000, body_bytes: 8_000_000 } } });
  const prompt = `Say hello ${'x'.repeat(3_000_000)}`;
  const { id } = await site.s.submit(prompt, { approval: 'auto' });
  const { last_seq: last } = await site.s.until(id, 'completed', 'failed');
  // A socket that is read a little and then not: the rest stays where it is.
  const request = http.get(`${site.s.url}/v1/tasks/${id}/stream`, { agent: false });
  onTestEnd(() => request.destroy());
  const [response] = await once(request, 'response');
  let text = '';
  response.setEncoding('utf8').on('error', () => {});
  text += await new Promise((resolve) => { response.once('data', (d) => { response.pause(); resolve(d); }); });
  for (let i = 0; i < 40; i++) await site.s.until((await site.s.submit(`Say hello ${i}`, { approval: 'auto' })).id, 'completed');
  process.kill(roleOf(site.s, 'keeper').pid, 'SIGKILL');
  response.on('data', (d) => { text += d; });
  response.resume();
  await once(response, 'end');
  assert.deepEqual([...text.matchAll(/^id: (\d+)$/gm)].map((m) => Number(m[1])), Array.from({ length: last }, (_, i) => i + 1));
  assert.match(text, /event: end/);
  assert.ok(text.includes(prompt));
  await site.end();
});
