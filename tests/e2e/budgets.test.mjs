// SPDX-License-Identifier: Apache-2.0
// Budgets: of a task, of a tenant's day, of the service's day; never passed, whoever works at once and whoever dies.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { once } from 'node:events';
import { Server, assertDense, eventually, onTestEnd, test } from './lib/server.mjs';
import { plan } from './lib/model.mjs';

const PRICES = { input: 1, output: 10 }; // per million tokens
const USAGE = { prompt_tokens: 1000, completion_tokens: 100 };
const CALL = (USAGE.prompt_tokens * PRICES.input + USAGE.completion_tokens * PRICES.output) / 1e6;

/** Answers each call with a known usage; counts what it has sold. */
class Shop {
  static async start({ steps = 2, delay = 0, usage = USAGE } = {}) {
    const s = new Shop();
    Object.assign(s, { calls: 0, sold: 0, bodies: [], delay });
    s.server = http.createServer(async (req, res) => {
      const parts = [];
      for await (const part of req) parts.push(part);
      const body = JSON.parse(Buffer.concat(parts).toString());
      s.bodies.push(body);
      s.calls += 1;
      // Sold is what was asked for, whether the answer arrives or not.
      s.sold += (usage.prompt_tokens * PRICES.input + usage.completion_tokens * PRICES.output) / 1e6;
      if (s.delay) await new Promise((resolve) => { setTimeout(resolve, s.delay); });
      const system = body.messages[0].content;
      const chunk = (delta, reason = null) => `data: ${JSON.stringify({ id: 'c', model: 'shop', choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      if (system.includes('planner')) res.write(chunk({ content: plan('test', Array.from({ length: steps }, (_, i) => ({ objective: `part ${i + 1}`, effect: 'none', after: i ? [`s${i}`] : [] }))) }));
      else if (system.includes('executor')) res.write(chunk({ tool_calls: [{ index: 0, id: `k${s.calls}`, function: { name: 'finish_step', arguments: '{"status":"success","result":"a part"}' } }] }));
      else res.write(chunk({ content: 'The answer, of [s1].' }));
      res.write(chunk({}, system.includes('executor') ? 'tool_calls' : 'stop'));
      res.end(`data: ${JSON.stringify({ id: 'c', model: 'shop', choices: [], usage })}\n\ndata: [DONE]\n\n`);
    });
    s.server.listen(0, '127.0.0.1');
    await once(s.server, 'listening');
    onTestEnd(() => { s.server.closeAllConnections(); s.server.close(); });
    s.url = `http://127.0.0.1:${s.server.address().port}/v1`;
    return s;
  }
}
const at = (shop, more = {}) => ({ ...more, llm: { providers: [{ name: 'shop', api: 'chat', base_url: shop.url, model: 'shop', key: 'sk-shop', max_output_tokens: 300, prices: PRICES, ...more.provider }], ...more.llm }, provider: undefined });
const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test('usage and cost are in the document; a task within its budget ends as ever', async () => {
  const shop = await Shop.start();
  const s = await Server.start({ config: at(shop) });
  const { id } = await s.submit('do it', { approval: 'auto', budget: { cost: 1, model_calls: 20, total_tokens: 1000000 } });
  const doc = await s.until(id, 'completed', 'failed');
  assert.equal(doc.status, 'completed', doc.error?.message);
  assert.deepEqual(doc.budget, { total_tokens: 1000000, cost: 1, model_calls: 20 });
  assert.equal(doc.budget_exhausted, undefined);
  assert.equal(doc.usage.model_calls, 4);
  near(doc.usage.cost, 4 * CALL);
  const events = await s.events(id);
  assertDense(events);
  assert.ok(events.filter((e) => e.event === 'model.started').every((e) => e.data.reserved.output_tokens === 300));
  assert.ok(shop.bodies.every((b) => (b.max_completion_tokens ?? b.max_tokens) === 300));
  await s.stop();
});

test('at its limit a task ends with what it has, and says so', async () => {
  const shop = await Shop.start({ steps: 6 });
  const s = await Server.start({ config: at(shop) });
  const { id } = await s.submit('do it', { approval: 'auto', budget: { model_calls: 5 } });
  const doc = await s.until(id, 'completed', 'failed');
  assert.equal(doc.status, 'completed', doc.error?.message);
  assert.equal(shop.calls, 5, 'one call was kept for the answer');
  assert.deepEqual(doc.budget_exhausted, { scope: 'task', limit: 'model_calls', used: 4, cap: 4 });
  assert.match(doc.result, /^The answer, of \[s1\]\./);
  assert.match(doc.result, /partial.*budget of this task is used up \(model_calls: 4 spent or reserved of 4\)/s);
  assert.deepEqual(doc.plan.steps.map((x) => x.status), ['completed', 'completed', 'completed', 'skipped', 'skipped', 'skipped']);
  const events = await s.events(id);
  assert.equal(events.filter((e) => e.event === 'budget.exhausted').length, 1);
  // Not even one call for the plan: there is nothing to show, and that is said.
  const poor = await s.submit('do it', { approval: 'auto', budget: { input_tokens: 10 } });
  const none = await s.until(poor.id, 'failed');
  assert.equal(none.error.code, 'budget-exhausted');
  assert.match(none.error.message, /input_tokens.*larger budget/);
  assert.equal(shop.calls, 5);
  await s.stop();
});

test('money: the last answer fits into what was kept, else the finished parts are the answer', async () => {
  const shop = await Shop.start({ steps: 12 });
  const s = await Server.start({ config: at(shop) });
  const { id } = await s.submit('do it', { approval: 'auto', budget: { cost: 0.014 } });
  const doc = await s.until(id, 'completed', 'failed');
  assert.equal(doc.status, 'completed', doc.error?.message);
  assert.equal(doc.budget_exhausted.limit, 'cost');
  assert.ok(doc.usage.cost <= 0.014, `${doc.usage.cost}`);
  near(shop.sold, doc.usage.cost);
  assert.match(doc.result, /partial|no answer was written/);
  await s.stop();
});

test('what a request may ask for is checked, and bounded by the configuration', async () => {
  const shop = await Shop.start();
  const s = await Server.start({ config: at(shop, { budgets: { task_max_cost: 2.5, task_max_model_calls: 9, task_tool_calls: 3 }, server: { tenant_header: 'X-Tenant' } }) });
  const refused = async (budget, field, words, headers = {}) => {
    const r = await s.json('/v1/tasks', { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify({ prompt: 'x', budget }) });
    assert.equal(r.status, 400, JSON.stringify(r.body));
    assert.equal(r.body.field, field);
    assert.match(r.body.detail, words);
  };
  await refused(7, '/budget', /must be an object/);
  await refused({ money: 1 }, '/budget', /no member "money"/);
  await refused({ cost: 3 }, '/budget/cost', /budgets\.task_max_cost/);
  await refused({ cost: -1 }, '/budget/cost', /above 0/);
  await refused({ model_calls: 1.5 }, '/budget/model_calls', /whole number/);
  await refused({}, 'X-Tenant', /tenant must be/, { 'x-tenant': 'a b' });
  const r = await s.json('/v1/tasks', { method: 'POST', headers: { 'content-type': 'application/json', 'x-tenant': 'team-a' }, body: JSON.stringify({ prompt: 'x', approval: 'auto', budget: { cost: 1 } }) });
  assert.equal(r.status, 202);
  const doc = await s.until(r.body.id, 'completed', 'failed');
  assert.deepEqual(doc.budget, { cost: 1, model_calls: 9, tool_calls: 3 });
  assert.equal(doc.tenant, 'team-a');
  await s.stop();
});

test('a tenant\'s day: another tenant goes on, and a restart of the service forgets nothing', async () => {
  const shop = await Shop.start();
  const config = at(shop, { server: { tenant_header: 'X-Tenant' }, budgets: { tenant_day_model_calls: 6 } });
  const first = await Server.start({ config });
  const ask = async (s, tenant) => {
    const r = await s.json('/v1/tasks', { method: 'POST', headers: { 'content-type': 'application/json', 'x-tenant': tenant }, body: JSON.stringify({ prompt: 'x', approval: 'auto' }) });
    return s.until(r.body.id, 'completed', 'failed');
  };
  assert.equal((await ask(first, 'a')).status, 'completed'); // 4 calls
  const cut = await ask(first, 'a');
  assert.equal(cut.status, 'completed', JSON.stringify(cut.error));
  assert.equal(cut.budget_exhausted.scope, 'tenant');
  assert.match(cut.result, /no answer was written.*\[s1\].*a part/s);
  assert.equal(shop.calls, 6);
  assert.equal((await ask(first, 'b')).budget_exhausted, undefined);
  const day = (await first.json('/v1/budgets')).body;
  assert.deepEqual(day.tenants.map((t) => [t.tenant, t.charged.model_calls]), [['a', 6], ['b', 4]]);
  assert.deepEqual([day.service.charged.model_calls, day.tenant_limits], [10, { model_calls: 6 }]);
  near(day.service.charged.cost, 10 * CALL);
  // The whole service is killed; the next one knows.
  const data = first.storePath;
  for (const p of [...first.processes().all, { pid: first.pid }]) try { process.kill(p.pid, 'SIGKILL'); } catch { /* gone */ }
  await first.exited;
  const next = await Server.start({ config: { ...config, store: { path: data } } });
  const none = await ask(next, 'a');
  assert.equal(none.status, 'failed');
  assert.equal(none.error.code, 'budget-exhausted');
  assert.equal(shop.calls, 10);
  assert.equal((await next.json('/v1/budgets?tenant=a')).body.tenants[0].charged.model_calls, 6);
  await next.stop();
  fs.rmSync(first.dir, { recursive: true, force: true });
});

test('64 tasks at once over all workers, which are killed: the sum never passes the cap', async () => {
  const shop = await Shop.start({ delay: 20 });
  const cap = 0.45; // 225 calls
  const s = await Server.start({ config: at(shop, { server: { workers: 4 }, budgets: { service_day_cost: cap }, store: { backend: 'memory' }, llm: { retries_max: 0 } }) });
  const ids = await Promise.all(Array.from({ length: 64 }, (_, i) => s.submit(`task ${i}`, { approval: 'auto' })));
  let over = false;
  const all = Promise.all(ids.map(({ id }) => s.until(id, 'completed', 'failed'))).then(() => { over = true; });
  for (let i = 0; i < 6 && !over; i += 1) {
    const before = shop.calls;
    await eventually(() => shop.calls > before || over, 'calls are made');
    const w = s.processes().workers;
    process.kill(w[i % w.length].pid, 'SIGKILL');
    await eventually(() => s.processes().workers.length === 4, 'another worker');
  }
  await all;
  assert.ok(shop.sold <= cap + 1e-9, `sold ${shop.sold} of ${cap}`);
  assert.ok(shop.sold > cap * 0.3, `only ${shop.sold} of ${cap} was spent`);
  await s.stop();
});
