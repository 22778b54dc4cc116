// SPDX-License-Identifier: Apache-2.0
// Retry and fork: a new task goes on where a finished one stands, keeps what is done, repeats no effect.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Server, assertProblem, fake, onTestEnd, tempDir, test } from './lib/server.mjs';
import { HeldModel, using } from './lib/model.mjs';

const scratch = () => { const dir = tempDir(); onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true })); return path.join(dir, 'count'); };
const lines = (file) => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trimEnd().split('\n').length : 0);

async function open() {
  const model = await HeldModel.start();
  const s = await Server.start({ tools: [fake('fake', 'echo')], config: using(model) });
  await s.settled();
  return { model, s, stop: async () => { await s.stop(); await model.stop(); } };
}
/** A task of two steps: the first wrote a line and is done, the second wrote one and failed. */
async function failed({ model, s }, file) {
  const task = await s.submit('two lines', { approval: 'auto', metadata: { n: 1 } });
  (await model.next('planner')).plan({ objective: 'one', effect: 'write' }, { objective: 'two', effect: 'write', after: ['s1'] });
  (await model.next((c) => c.step === 's1')).calls(['fake__count', { file }]);
  (await model.next((c) => c.step === 's1')).finish('one is written');
  (await model.next((c) => c.step === 's2')).calls(['fake__count', { file, ms: 1 }]);
  (await model.next((c) => c.step === 's2')).finish('something else is wrong', 'failed');
  await s.event(task.id, (e) => e.event === 'task.state' && e.data.to === 'failed');
  assert.equal(lines(file), 2);
  return task;
}

test('a retry keeps finished steps and takes the results of calls that took effect', async () => {
  const world = await open(), file = scratch();
  const { model, s } = world;
  const parent = await failed(world, file);
  const made = await s.post(`/v1/tasks/${parent.id}/retry`);
  assert.equal(made.status, 202, JSON.stringify(made.body));
  assert.equal(made.headers.get('location'), `/v1/tasks/${made.body.id}`);
  assert.deepEqual(made.body.parent, { task_id: parent.id, kind: 'retry' });
  assert.deepEqual([made.body.prompt, made.body.metadata], ['two lines', { n: 1 }]);
  // The planner is not asked; s1 is done; s2 wants the same call.
  const turn = await model.next();
  assert.equal(turn.step, 's2');
  turn.calls(['fake__count', { ms: 1, file }], ['fake__count', { file, ms: 2 }]);
  const told = (await model.next()).body.messages.filter((m) => m.role === 'tool').map((m) => m.content);
  assert.deepEqual(told.length, 2);
  assert.equal(lines(file), 3, 'the same call was not made again, another one was');
  model.seen.at(-1).finish('two is written');
  (await model.next('writer')).text('Both [s1][s2].');
  const done = await s.until(made.body.id, 'completed');
  assert.deepEqual(done.plan.steps.map((x) => x.result), ['one is written', 'two is written']);
  const events = await s.events(made.body.id);
  const reused = events.filter((e) => e.event === 'tool.completed' && e.data.reused);
  assert.equal(reused.length, 1);
  assert.equal(reused[0].data.reused.task_id, parent.id);
  assert.equal(events.filter((e) => e.event === 'tool.started').length, 1);
  const { body: plans } = await s.json(`/v1/tasks/${made.body.id}/plan`);
  assert.equal(plans.versions[0].by, 'parent');
  await world.stop();
});

test('a fork begins at a step, with a plan of its own if there is one, and repeats nothing of what it leaves out', async () => {
  const world = await open(), file = scratch();
  const { model, s } = world;
  const parent = await failed(world, file);
  const { plan } = (await s.json(`/v1/tasks/${parent.id}`)).body;
  assertProblem(await s.post(`/v1/tasks/${parent.id}/fork`, { from_step: 'nope' }), 400, 'invalid-field');
  const wrong = assertProblem(await s.post(`/v1/tasks/${parent.id}/fork`, { from_step: 's2', plan: { steps: [{ id: 's1', objective: 'other' }] } }), 400, 'invalid-field');
  assert.match(wrong.detail, /"s1" is completed/);
  const made = await s.post(`/v1/tasks/${parent.id}/fork`, { from_step: 's1', plan: { goal: 'g', steps: [plan.steps[0], { id: 's3', objective: 'three', depends_on: ['s1'] }] } });
  assert.equal(made.status, 202, JSON.stringify(made.body));
  assert.deepEqual(made.body.parent, { task_id: parent.id, kind: 'fork', from_step: 's1' });
  const first = await model.next();
  assert.equal(first.step, 's1', 'the step is done again');
  first.calls(['fake__count', { file }]);
  (await model.next((c) => c.step === 's1')).finish('one again');
  assert.equal(lines(file), 2, 'but its effect is not repeated');
  (await model.next((c) => c.step === 's3')).finish('three');
  (await model.next('writer')).text('Done [s1][s3].');
  await s.until(made.body.id, 'completed');
  await world.stop();
});

test('only what is over can be gone on with; a retry with a key is one task; it survives the death of the workers', async () => {
  const world = await open(), file = scratch();
  const { model, s } = world;
  const running = await s.submit('wait', { approval: 'auto' });
  const held = await model.next('planner');
  assertProblem(await s.post(`/v1/tasks/${running.id}/retry`), 409, 'conflict');
  assertProblem(await s.post('/v1/tasks/0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f/retry'), 404, 'not-found');
  assert.equal((await s.post(`/v1/tasks/${running.id}/cancel`)).status, 200);
  await held.gone;
  const parent = await failed(world, file);
  const again = () => s.json(`/v1/tasks/${parent.id}/retry`, { method: 'POST', headers: { 'idempotency-key': 'k1' } });
  const [a, b] = [await again(), await again()];
  assert.equal(a.body.id, b.body.id);
  assert.equal(b.headers.get('idempotency-replayed'), 'true');
  await model.next((c) => c.step === 's2');
  for (const w of s.processes().workers) process.kill(w.pid, 'SIGKILL');
  const turn = await model.next((c) => c.step === 's2');
  turn.calls(['fake__count', { file, ms: 1 }]);
  (await model.next((c) => c.step === 's2')).finish('two');
  (await model.next('writer')).text('Done [s1][s2].');
  await s.until(a.body.id, 'completed');
  assert.equal(lines(file), 2);
  await world.stop();
});
