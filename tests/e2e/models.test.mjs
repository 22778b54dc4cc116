// SPDX-License-Identifier: Apache-2.0
// Several model providers: who is asked, who is next, the one breaker and the one limit that all workers share, and that no
// key is ever shown.
import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import { Server, assertDense, eventually, onTestEnd, test } from './lib/server.mjs';
import { HeldModel, Model, finished, planned, turns, written } from './lib/model.mjs';

const QUICK = [planned({ objective: 'think', effect: 'none' }), turns('s1', finished('thought')), written('The end.')];
const provider = (name, url, more = {}) => ({ name, api: 'chat', base_url: url, model: `${name}-model`, key: `sk-${name}-secret`, ...more });
const listed = (providers, llm = {}, more = {}) => ({ ...more, llm: { providers, ...llm } });

/** Answers every call with a status; counts them, and how many were there at once. */
class Failing {
  static async start(status = 500, delay = 0) {
    const f = new Failing();
    Object.assign(f, { status, count: 0, now: 0, most: 0, at: [] });
    f.server = http.createServer(async (req, res) => {
      f.count += 1;
      f.now += 1;
      f.most = Math.max(f.most, f.now);
      f.at.push(performance.now());
      for await (const part of req) void part;
      await new Promise((resolve) => { setTimeout(resolve, delay); });
      f.now -= 1;
      if (f.answer) return f.answer(res);
      res.writeHead(f.status, { 'content-type': 'application/json' });
      return res.end('{"error":{"message":"broken on purpose"}}');
    });
    f.server.listen(0, '127.0.0.1');
    await once(f.server, 'listening');
    onTestEnd(() => f.stop());
    f.url = `http://127.0.0.1:${f.server.address().port}/v1`;
    return f;
  }
  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

const models = async (s) => (await (await fetch(`${s.url}/v1/models`)).json()).models;

test('roles ask their own providers, and the next one when one has failed', async () => {
  const main = await Model.start({ rules: QUICK });
  const broken = await Failing.start(401);
  const s = await Server.start({ config: listed([provider('main', main.url), provider('broken', broken.url)], { roles: { planner: 'main', executor: ['broken', 'main'], writer: ['main', 'broken'] } }) });
  const { id } = await s.submit('do it', { approval: 'auto' });
  const doc = await s.until(id, 'completed', 'failed');
  assert.equal(doc.status, 'completed', doc.error?.message);
  const events = await s.events(id);
  assertDense(events);
  const [over] = events.filter((e) => e.event === 'model.failover');
  assert.equal(over.data.provider, 'main');
  assert.equal(over.data.model, 'main-model');
  assert.match(over.data.error.message, /status 401/);
  assert.equal(events.filter((e) => e.event === 'model.failover').length, 1);
  assert.ok(events.filter((e) => e.event === 'model.completed').every((e) => e.data.provider === 'main'));
  assert.equal(broken.count, 1);
  const [a, b] = await models(s);
  assert.deepEqual([a.provider, a.roles, a.breaker.state], ['main', ['planner', 'executor', 'writer'], 'closed']);
  assert.deepEqual([b.provider, b.roles, b.failed], ['broken', ['executor', 'writer'], 1]);
  assert.match(b.last_error.message, /401/);
  const shown = JSON.stringify(await models(s)) + JSON.stringify(events) + s.stderr;
  assert.ok(!shown.includes('secret'), 'no key is shown');
  await s.stop();
});

test('the breaker opens after exactly its threshold over all workers, and lets one probe through at a time', async () => {
  const broken = await Failing.start(500);
  const s = await Server.start({ config: listed([provider('only', broken.url, { max_concurrency: 1 })], { retries_max: 0, breaker_failures: 7, breaker_seconds: 1, retry_wait_seconds: 0 }, { server: { workers: 4 } }) });
  const ids = await Promise.all(Array.from({ length: 40 }, (_, i) => s.submit(`task ${i}`, { approval: 'auto' })));
  const docs = await Promise.all(ids.map(({ id }) => s.until(id, 'failed')));
  const opened = broken.at.filter((t) => t - broken.at[0] < 900).length;
  assert.ok(opened === 7 || broken.at[6] - broken.at[0] > 900, `${opened} calls before it opened`);
  assert.ok(docs.some((d) => /llm\.breaker_failures/.test(d.error.message)));
  const [m] = await models(s);
  assert.notEqual(m.breaker.state, 'closed');
  assert.ok(m.breaker.failures_in_a_row >= 7);
  assert.equal(m.breaker.opened, 1);

  // Half open: of many tasks at once one finds out, and while it does no other call goes out.
  await eventually(async () => (await models(s))[0].breaker.open_for_seconds === 0, 'the breaker half opens');
  const before = broken.count;
  const probed = Promise.withResolvers?.() ?? (() => { const p = {}; p.promise = new Promise((resolve) => { p.resolve = resolve; }); return p; })();
  broken.answer = (res) => { probed.res = res; probed.resolve(); };
  const more = await Promise.all(Array.from({ length: 20 }, (_, i) => s.submit(`probe ${i}`, { approval: 'auto' })));
  await probed.promise;
  assert.equal((await models(s))[0].breaker.state, 'half_open');
  await eventually(async () => (await Promise.all(more.map(async ({ id }) => (await s.json(`/v1/tasks/${id}`)).body.status))).filter((x) => x === 'failed').length >= 19 || (await models(s))[0].in_flight === 1, 'the others wait or are told');
  assert.equal(broken.count, before + 1, 'one probe at a time');
  broken.answer = null;
  probed.res.writeHead(500).end('{}');
  await Promise.all(more.map(({ id }) => s.until(id, 'failed')));
  await s.stop();
});

test('a worker that dies with the probe frees it, and with its places', async () => {
  const held = await Failing.start(500);
  const s = await Server.start({ config: listed([provider('only', held.url, { max_concurrency: 1 })], { retries_max: 0, breaker_failures: 1, breaker_seconds: 1 }) });
  const { id } = await s.submit('first', { approval: 'auto' });
  await s.until(id, 'failed');
  held.answer = () => {}; // never
  await eventually(async () => (await models(s))[0].breaker.open_for_seconds === 0, 'the breaker half opens');
  await s.submit('second', { approval: 'auto' });
  await eventually(() => held.count === 2, 'the probe is out');
  assert.equal((await models(s))[0].in_flight, 1);
  for (const w of s.processes().workers) process.kill(w.pid, 'SIGKILL');
  // More than one more, when a worker that is yet to be killed takes the task up in between.
  await eventually(() => held.count >= 3, 'another probe goes out');
  const inFlight = async () => (await models(s).catch(() => [{}]))[0].in_flight; // a kept connection may be to a killed one
  await eventually(async () => (await inFlight()) === 1, 'one probe, and one place');
  await s.kill();
});

test('max_concurrency is of all workers together; who waits goes on', async () => {
  const slow = await HeldModel.start();
  let now = 0;
  let most = 0;
  slow.always(() => true, async (call) => {
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => { setTimeout(resolve, 5); });
    now -= 1;
    if (call.role === 'planner') return call.plan({ objective: 'think', effect: 'none' });
    return call.role === 'executor' ? call.finish() : call.text('The end.');
  });
  const s = await Server.start({ config: listed([provider('only', slow.url, { max_concurrency: 3 })], {}, { server: { workers: 4 } }) });
  const ids = await Promise.all(Array.from({ length: 24 }, (_, i) => s.submit(`task ${i}`, { approval: 'auto' })));
  for (const { id } of ids) {
    const doc = await s.until(id, 'completed', 'failed');
    assert.equal(doc.status, 'completed', doc.error?.message);
  }
  assert.ok(most <= 3, `${most} at once`);
  assert.ok(most >= 2, 'they do run side by side');
  assert.equal((await models(s))[0].in_flight, 0);
  await s.stop();
});

test('requests_per_minute is of all workers together; who is over it waits and does not fail', async () => {
  const busy = await Failing.start();
  busy.answer = (res) => res.end(JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content: '{"steps":[],"final_output":"nothing"}' }, finish_reason: 'stop' }] }));
  const s = await Server.start({ config: listed([provider('only', busy.url, { requests_per_minute: 5 })], {}, { server: { workers: 4 } }) });
  const ids = await Promise.all(Array.from({ length: 12 }, (_, i) => s.submit(`task ${i}`, { approval: 'auto' })));
  await eventually(async () => (await models(s))[0].last_minute.requests === 5, 'the minute is used up');
  await new Promise((resolve) => { setTimeout(resolve, 500); }); // nothing happens in it
  assert.equal(busy.count, 5);
  const states = await Promise.all(ids.map(async ({ id }) => (await s.json(`/v1/tasks/${id}`)).body.status));
  assert.deepEqual([states.filter((x) => x === 'completed').length, states.filter((x) => x === 'planning').length], [5, 7]);
  await s.kill();
});

test('no model for the answer: what the steps found is the result; steps that write are checked first', async () => {
  const main = await HeldModel.start();
  const broken = await Failing.start(401);
  const s = await Server.start({ config: listed([provider('main', main.url), provider('broken', broken.url)], { roles: { planner: 'main', executor: 'main', writer: 'broken' } }, { agent: { check_writes: 'on' } }) });
  const { id } = await s.submit('do it', { approval: 'auto' });
  const steps = [{ id: 's1', objective: 'change it', side_effects: 'write', success_criteria: 'it is changed' }];
  (await main.next('planner')).text(JSON.stringify({ goal: 'g', steps }));
  (await main.next('executor')).finish('changed it');
  const check = await main.next((call) => /You check whether/.test(call.body.messages[0].content));
  assert.match(check.body.messages[1].content, /Success criteria: it is changed[\s\S]*changed it/);
  assert.equal(check.body.tools, undefined);
  check.text('{"met": true, "why": "it says so"}');
  const doc = await s.until(id, 'completed', 'failed');
  assert.equal(doc.status, 'completed', doc.error?.message);
  assert.match(doc.result, /^The model that writes the answer could not be asked \(.*API key.*\), so that no answer was written\./);
  assert.match(doc.result, /\[s1\] change it: changed it\n\n1 of 1 steps were finished\.$/);
  const events = await s.events(id);
  assertDense(events);
  assert.equal(events.find((e) => e.event === 'step.completed').data.checked, true);
  await s.stop();
});
