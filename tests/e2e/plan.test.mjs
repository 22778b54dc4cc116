// SPDX-License-Identifier: Apache-2.0
// A plan is a versioned object: shown with all its versions, changed by a person, approved as it was shown.
import assert from 'node:assert/strict';
import { Server, assertProblem, eventually, fake, test } from './lib/server.mjs';
import { Model, calls, finished, planned, turns, using, written } from './lib/model.mjs';

const put = (s, id, plan, match) => s.json(`/v1/tasks/${id}/plan`, {
  method: 'PUT', body: JSON.stringify(plan),
  headers: { 'content-type': 'application/json', ...(match ? { 'if-match': match } : {}) } });

test('a person changes the plan; what is carried out is what was approved', async () => {
  const model = await Model.start({ rules: [
    planned({ objective: 'say one thing', tools: ['fake__echo'] }),
    turns('p1', calls('fake__echo', { text: 'mine' }), finished('said mine')),
    written('Done [p1].')] });
  const s = await Server.start({ tools: [fake('fake', 'tools')], config: using(model, { server: { user_header: 'X-User' } }) });
  const task = await s.submit('talk');
  const waiting = await s.until(task.id, 'awaiting_approval');
  const first = await s.json(`/v1/tasks/${task.id}/plan`);
  assert.equal(first.status, 200);
  assert.equal(first.headers.get('etag'), `"${waiting.plan.digest}"`);
  assert.deepEqual(first.body.versions.map((v) => [v.version, v.by, v.decision]), [[1, 'model', null]]);

  const mine = { ...waiting.plan, steps: [{ id: 'p1', objective: 'say my thing', tool_hints: ['fake__echo'], side_effects: 'read' }] };
  assertProblem(await put(s, task.id, mine), 428, 'precondition-required');
  assertProblem(await put(s, task.id, mine, '"0000"'), 412, 'precondition-failed');
  const wrong = assertProblem(await put(s, task.id, { ...mine, steps: [{ id: 'p1', objective: 'x', tool_hints: ['nope'] }] }, '*'), 400, 'invalid-field');
  assert.equal(wrong.field, '/steps/0/tool_hints/0');
  const changed = await put(s, task.id, mine, `"${waiting.plan.digest}"`);
  assert.equal(changed.status, 200, JSON.stringify(changed.body));
  assert.equal(changed.body.status, 'awaiting_approval');
  assert.notEqual(changed.body.plan.digest, waiting.plan.digest);
  assertProblem(await s.post(`/v1/tasks/${task.id}/approve`, { plan_digest: waiting.plan.digest }), 409, 'stale-plan');
  const approved = await s.json(`/v1/tasks/${task.id}/approve`, {
    method: 'POST', body: JSON.stringify({ plan_digest: changed.body.plan.digest }),
    headers: { 'content-type': 'application/json', 'x-user': 'ann' } });
  assert.equal(approved.status, 200);
  const done = await s.until(task.id, 'completed');
  assert.equal(done.result, 'Done [p1].');
  const { body } = await s.json(`/v1/tasks/${task.id}/plan`);
  assert.deepEqual(body.versions.map((v) => [v.version, v.by, v.decision?.decision, v.decision?.user]),
    [[1, 'model', undefined, undefined], [2, 'person', 'approved', 'ann']]);
  assert.deepEqual(body.changes[0].steps, { added: ['p1'], removed: ['s1'], changed: [] });
  assertProblem(await put(s, task.id, mine, '*'), 409, 'conflict');
  await s.stop();
  await model.stop();
});

test('rules decide about calls; a person approves one with other arguments and denies another', async () => {
  const model = await Model.start({ rules: [
    planned({ objective: 'say', effect: 'write' }),
    turns('s1', calls('fake__echo', { text: 'first' }), calls('fake__count', { file: '/tmp/secret/x' }), calls('fake__sleep', { ms: 1 }), finished()),
    written('Done [s1].')] });
  const rules = [
    { tool: 'count', arguments: { file: '/tmp/secret/*' }, decision: 'deny' },
    { server: 'fa*', tool: 'sleep', decision: 'allow' },
    { effect: ['read'], decision: 'ask' }];
  const s = await Server.start({ tools: [fake('fake', 'echo')], config: using(model, { agent: { rules }, server: { user_header: 'X-User' } }) });
  const task = await s.submit('talk', { approval: 'policy' });
  const waiting = await s.until(task.id, 'input_required');
  assert.equal(waiting.pending.kind, 'approval');
  assert.equal(waiting.pending.rule, 3);
  assert.deepEqual(waiting.pending.arguments, { text: 'first' });
  assertProblem(await s.post(`/v1/tasks/${task.id}/input`, { id: waiting.pending.id, action: 'approve', arguments: { text: 7 } }), 400, 'invalid-field');
  const said = await s.json(`/v1/tasks/${task.id}/input`, {
    method: 'POST', body: JSON.stringify({ id: waiting.pending.id, action: 'approve', arguments: { text: 'better' } }),
    headers: { 'content-type': 'application/json', 'x-user': 'ann' } });
  assert.equal(said.status, 200, JSON.stringify(said.body));
  await s.until(task.id, 'completed');
  const events = await s.events(task.id);
  const started = events.filter((e) => e.event === 'tool.started').map((e) => [e.data.tool, e.data.arguments, e.data.decision]);
  assert.deepEqual(started, [
    ['echo', { text: 'better' }, { decision: 'allow', by: 'person', user: 'ann' }],
    ['sleep', { ms: 1 }, { decision: 'allow', by: 'policy', rule: 2 }]]);
  const denied = events.find((e) => e.event === 'tool.failed');
  assert.deepEqual(denied.data.decision, { decision: 'deny', by: 'policy', rule: 1 });
  await s.stop();
  await model.stop();
});

test('a question about a call outlives the death of its worker and of the service', async () => {
  const model = await Model.start({ rules: [
    planned({ objective: 'say', effect: 'write' }),
    turns('s1', calls('fake__echo', { text: 'first' }), finished()),
    written('Done [s1].')] });
  const s = await Server.start({ tools: [fake('fake', 'echo')], config: using(model, { agent: { rules: [{ tool: 'echo', decision: 'ask' }] } }) });
  const task = await s.submit('talk', { approval: 'policy' });
  const { pending } = await s.until(task.id, 'input_required');
  for (const w of s.processes().workers) process.kill(w.pid, 'SIGKILL');
  await eventually(() => s.processes().workers.length === 2, 'new workers');
  const approved = await eventually(async () => s.post(`/v1/tasks/${task.id}/input`, { id: pending.id, action: 'approve' }).catch(() => undefined), 'the answer is taken');
  assert.equal(approved.status, 200, JSON.stringify(approved.body));
  await s.until(task.id, 'completed');
  const events = await s.events(task.id);
  assert.equal(events.filter((e) => e.event === 'tool.started').length, 1);
  await s.stop();
  await model.stop();
});
