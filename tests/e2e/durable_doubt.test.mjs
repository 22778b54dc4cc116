// SPDX-License-Identifier: Apache-2.0
// Nothing with side effects happens twice silently: a call that was under way when a process died is made again with the same key
// when it reads or may be repeated, and waits for a person otherwise. Against a tool server that writes down what it does.
import assert from 'node:assert/strict';
import { Ledger, NONE, Site, TERMINAL, eventsUpTo, killAll, writes } from './lib/durable.mjs';
import { assertDense, assertProblem, eventually, test } from './lib/server.mjs';

const TRUST = { trust_annotations: true };

/** Kills one of them (or all) in the middle of a call, and brings back what does not come by itself. */
async function strike(site, victim, { worker }) {
  if (victim === 'everything') return site.restart();
  const { supervisor, tools } = site.s.processes();
  return process.kill({ worker, supervisor: supervisor.pid, 'tool server': tools[0].pid }[victim], 'SIGKILL');
}
const started = async (s, id) => {
  const { body } = await s.json(`/v1/tasks/${id}`);
  return (await eventsUpTo(s, id, body.last_seq)).filter((e) => e.event === 'tool.started');
};
const input = (s, id, body) => s.post(`/v1/tasks/${id}/input`, body);

for (const victim of ['worker', 'tool server', 'supervisor', 'everything']) {
  test(`${victim} killed during a call that must not be repeated: the task asks, and says what`, async () => {
    const ledger = new Ledger();
    const site = await Site.open({ tools: [ledger.server()] });
    const before = Date.now();
    const args = { ...ledger.gate('quince'), ms: 1 };
    const w = await site.calling('quince', 'bump', ledger, args);
    await strike(site, victim, w);
    const doc = await site.s.until(w.id, 'input_required');
    const { pending } = doc;
    assert.ok(typeof pending.id === 'string' && pending.id, JSON.stringify(pending));
    assert.match(JSON.stringify(pending), /bump/);
    assert.match(JSON.stringify(pending), /counting/);
    assert.deepEqual(pending.arguments, args);
    const at = JSON.stringify(pending).match(/\d{4}-\d\d-\d\dT[\d:.]+Z/)?.[0];
    assert.ok(Date.parse(at) >= before - 1000 && Date.parse(at) <= Date.now(), `when it was: ${JSON.stringify(pending)}`);
    assert.equal(doc.plan.steps[0].status, 'in_doubt');
    assert.equal(ledger.of('quince').length, 1);
    assert.equal(w.entry.key, `${w.id}:${(await started(site.s, w.id))[0].data.call}`);
    // It stays so, whatever dies now.
    await site.restart();
    assert.deepEqual((await site.s.json(`/v1/tasks/${w.id}`)).body, doc);
    assert.equal((await input(site.s, w.id, { id: pending.id, action: 'skip' })).status, 200);
    await site.finish(w.id, 'quince', ...TERMINAL);
    assert.equal(ledger.of('quince').length, 1, 'it happened once');
    assertDense(await site.s.events(w.id));
    await site.end();
    await site.assertWhole();
  });

  for (const [tool, config] of [['read', {}], ['put', TRUST]]) {
    test(`${victim} killed during ${tool}: it is called again with the same key`, async () => {
      const ledger = new Ledger();
      const site = await Site.open({ tools: [ledger.server(config)] });
      const w = await site.calling('medlar', tool, ledger);
      await strike(site, victim, w);
      const [first, second] = await ledger.happened('medlar', 2);
      assert.ok(first.key);
      assert.equal(second.key, first.key);
      assert.deepEqual(second.arguments, first.arguments);
      ledger.open('medlar');
      await site.finish(w.id, 'medlar');
      const events = await site.s.events(w.id);
      assertDense(events);
      assert.equal(events.filter((e) => e.event === 'tool.completed').length, 1);
      assert.ok(!events.some((e) => e.event === 'step.in_doubt'));
      for (const e of events.filter((one) => one.event === 'tool.started')) assert.equal(`${w.id}:${e.data.call}`, first.key);
      await site.end();
      await site.assertWhole();
    });
  }
}

test('the four answers to a call in doubt', async () => {
  const ledger = new Ledger();
  const site = await Site.open({ tools: [ledger.server()] });
  const doubtful = async (prompt) => {
    const { id } = await site.calling(prompt, 'bump', ledger, ledger.deadly(prompt));
    return site.s.until(id, 'input_required');
  };
  const decide = async (doc, action, more = {}) => {
    const r = await input(site.s, doc.id, { id: doc.pending.id, action, ...more });
    assert.equal(r.status, 200, JSON.stringify(r.body));
    return r.body;
  };
  const retried = await doubtful('apple');
  await decide(retried, 'retry');
  let told = await site.next('executor', 'apple');
  assert.equal(told.told, 'noted');
  const twice = ledger.of('apple');
  assert.equal(twice.length, 2);
  assert.equal(twice[0].key, twice[1].key, 'a server that keeps keys can tell');
  told.finish();
  await site.finish(retried.id, 'apple');

  const completed = await doubtful('pear');
  await decide(completed, 'completed', { content: 'it was bumped to 7' });
  told = await site.next('executor', 'pear');
  assert.match(told.told, /it was bumped to 7/);
  told.finish();
  await site.finish(completed.id, 'pear');

  const skipped = await doubtful('plum');
  await decide(skipped, 'skip');
  const afterwards = await site.finish(skipped.id, 'plum', ...TERMINAL);
  assert.ok(!['in_doubt', 'running'].includes(afterwards.plan.steps[0].status));

  const failed = await doubtful('fig');
  await decide(failed, 'fail');
  const end = await site.finish(failed.id, 'fig', 'failed');
  assert.equal(end.status, 'failed');
  assert.equal(end.plan.steps[0].status, 'failed');
  for (const label of ['pear', 'plum', 'fig']) assert.equal(ledger.of(label).length, 1);
  for (const { id } of [retried, completed, skipped, failed]) {
    const events = await site.s.events(id);
    assertDense(events);
    assert.ok(events.some((e) => e.event === 'step.in_doubt'));
    assert.equal((await site.s.json(`/v1/tasks/${id}`)).body.pending, null);
  }
  await site.end();
  await site.assertWhole();
});

test('an answer that does not fit is refused with what is wrong', async () => {
  const ledger = new Ledger();
  const site = await Site.open({ tools: [ledger.server()] });
  const waiting = await site.awaiting('apple', NONE);
  assertProblem(await input(site.s, waiting.id, { id: 'x', action: 'skip' }), 409, 'conflict');
  const { id } = await site.calling('quince', 'bump', ledger, ledger.deadly('quince'));
  const doc = await site.s.until(id, 'input_required');
  const good = { id: doc.pending.id, action: 'skip' };
  for (const [body, field] of [[{ ...good, action: 'perhaps' }, '/action'], [{ id: good.id }, '/action'], [{ action: 'skip' }, '/id'], [{ ...good, more: 1 }, '/more'], [{ ...good, action: 7 }, '/action']])
    assert.equal(assertProblem(await input(site.s, id, body), 400, 'invalid-field').field, field, JSON.stringify(body));
  assert.equal((await input(site.s, id, { ...good, id: 'another' })).status, 409);
  assert.equal((await site.s.post(`/v1/tasks/${id}/approve`)).status, 409);
  assert.deepEqual((await site.s.json(`/v1/tasks/${id}`)).body, doc, 'none of it changed anything');
  // Two people at once: one decides.
  const both = await Promise.all(Array.from({ length: 8 }, () => input(site.s, id, good)));
  assert.equal(both.filter((r) => r.status === 200).length, 1);
  assert.equal(both.filter((r) => r.status === 409).length, 7);
  await site.finish(id, 'quince', ...TERMINAL);
  assert.equal((await input(site.s, id, good)).status, 409, 'it is over');
  assertProblem(await input(site.s, '0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f', good), 404, 'not-found');
  await site.end();
});

test('a task in doubt can be cancelled', async () => {
  const ledger = new Ledger();
  const site = await Site.open({ tools: [ledger.server()] });
  const { id } = await site.calling('quince', 'bump', ledger, ledger.deadly('quince'));
  await site.s.until(id, 'input_required');
  assert.equal((await site.s.post(`/v1/tasks/${id}/cancel`)).body.status, 'cancelled');
  await site.restart();
  assert.equal((await site.s.json(`/v1/tasks/${id}`)).body.status, 'cancelled');
  assert.equal(ledger.of('quince').length, 1);
  await site.end();
});

test('what may be repeated is the word of the operator: trust in annotations, and the effect of each tool by hand', async () => {
  for (const { tool, config, repeated } of [
    { tool: 'put', config: {}, repeated: false },
    { tool: 'put', config: { trust_annotations: true }, repeated: true },
    { tool: 'read', config: { trust_annotations: false }, repeated: false },
    { tool: 'bump', config: { tools: { bump: { effect: 'idempotent' } } }, repeated: true },
    { tool: 'bump', config: { tools: { bump: { effect: 'read' } } }, repeated: true },
    { tool: 'put', config: { trust_annotations: true, tools: { put: { effect: 'write' } } }, repeated: false },
    { tool: 'read', config: { tools: { read: { effect: 'write' } } }, repeated: false },
  ]) {
    const what = JSON.stringify({ tool, config });
    const ledger = new Ledger();
    const site = await Site.open({ tools: [ledger.server(config)] });
    const { id } = await site.calling('quince', tool, ledger, ledger.deadly('quince'));
    if (repeated) {
      const [first, second] = await ledger.happened('quince', 2);
      assert.equal(first.key, second.key, what);
      await site.finish(id, 'quince');
    } else {
      const { pending } = await site.s.until(id, 'input_required');
      assert.equal(ledger.of('quince').length, 1, what);
      assert.equal((await input(site.s, id, { id: pending.id, action: 'completed', content: 'noted' })).status, 200);
      await site.finish(id, 'quince');
      assert.equal(ledger.of('quince').length, 1, what);
    }
    await site.end();
  }
});

test('the start of a call is durable before the call is sent, unless it reads', async () => {
  const ledger = new Ledger();
  const site = await Site.open({ tools: [ledger.server()], config: { server: { workers: 2 } } });
  for (let round = 0; round < 6; round++) {
    const prompt = `cherry-${round}`;
    const { id } = await site.s.submit(prompt, { approval: 'auto' });
    (await site.next('planner', prompt)).plan(writes('bump'));
    (await site.next('executor', prompt)).calls(['counting__bump', ledger.gate(prompt)]);
    // The plug is pulled as soon as the effect is seen: the record of the call must be older.
    await eventually(() => ledger.of(prompt).length > 0, 'the call');
    await killAll(site.s);
    await site.restart();
    const { pending } = await site.s.until(id, 'input_required');
    assert.equal((await started(site.s, id)).length, 1);
    assert.equal(ledger.of(prompt).length, 1);
    assert.equal(ledger.of(prompt)[0].key, `${id}:${(await started(site.s, id))[0].data.call}`);
    assert.ok(pending);
  }
  await site.end();
});
