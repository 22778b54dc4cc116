// SPDX-License-Identifier: Apache-2.0
// A cancellation is answered at once, whatever hangs: a tool server that ignores SIGTERM is still being stopped when the answer
// is there. (A hanging model and a hanging call: processes.test.mjs.)
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Server, alive, eventually, fake, onTestEnd, slow, tempDir, test } from './lib/server.mjs';
import { HeldModel, using } from './lib/model.mjs';

test('cancel with a tool server of the task that ignores SIGTERM: the answer does not wait for its end', async () => {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  const model = await HeldModel.start();
  // Each rung of its stop ladder takes two seconds: an answer that waited for any of them would be seen.
  const s = await Server.start({ tools: [{ ...fake('fake', 'stubborn'), scope: 'task' }], config: using(model, { tools: { stop_grace_ms: 2000 } }) });
  const { id } = await s.submit('cancel', { approval: 'auto' });
  (await model.next('planner')).plan({ objective: 'wait', tools: ['fake__count'], effect: 'write' });
  (await model.next('executor')).calls(['fake__sleep', { ms: 600000 }], ['fake__count', { file: path.join(dir, 'count') }]);
  await s.event(id, (e) => e.event === 'tool.started');
  const child = await eventually(() => s.processes().tools[0], 'the tool server of the task');
  const asked = model.seen.length, began = performance.now();
  const answer = await s.post(`/v1/tasks/${id}/cancel`);
  const took = performance.now() - began;
  assert.equal(answer.body.status, 'cancelled');
  assert.ok(alive(child.pid), 'the answer came before the end of the child');
  assert.ok(took < (slow ? 1500 : 500), `${took} ms`);
  // The stream ends cleanly at once, too, and nothing follows.
  const events = await s.events(id);
  assert.deepEqual(events.at(-1).data, { status: 'cancelled' });
  await eventually(() => !alive(child.pid), 'the end of the child', 15000);
  assert.ok(!fs.existsSync(path.join(dir, 'count')), 'the second call was never made');
  assert.equal(model.seen.length, asked, 'the model was not asked again');
  assert.equal((await s.events(id)).length, events.length);
  await s.stop();
  await model.stop();
});

test('within 100 ms, whatever hangs: a model, a tool, a child that ignores SIGTERM; and nothing is called later', async () => {
  const model = await HeldModel.start();
  const tools = [fake('quiet', 'echo'), { ...fake('deaf', 'stubborn'), scope: 'task' }];
  const s = await Server.start({ tools, config: using(model, { tools: { stop_grace_ms: 500 } }) });
  const hang = {
    async model() {
      const { id } = await s.submit('cancel', { approval: 'auto' });
      await model.next('planner');
      return id;
    },
    async tool(name = 'quiet') {
      const { id } = await s.submit('cancel', { approval: 'auto' });
      (await model.next('planner')).plan({ objective: 'wait', tools: [`${name}__sleep`], effect: 'write' });
      (await model.next('executor')).calls([`${name}__sleep`, { ms: 600000 }]);
      await s.event(id, (e) => e.event === 'tool.started');
      return id;
    },
    child: () => hang.tool('deaf'),
  };
  for (const [what, begin] of Object.entries(hang)) {
    const took = [];
    for (let round = 0; round < 3; round++) {
      const id = await begin(), asked = model.seen.length, began = performance.now();
      const answer = await s.post(`/v1/tasks/${id}/cancel`);
      took.push(performance.now() - began);
      assert.equal(answer.body.status, 'cancelled');
      assert.equal((await s.events(id)).filter((e) => e.event === 'tool.started').length, what === 'model' ? 0 : 1);
      assert.equal(model.seen.length, asked, 'the model was not asked again');
    }
    // The best of three: the machine may be busy with other things at any one of them.
    assert.ok(Math.min(...took) < (slow ? 1000 : 100), `${what}: ${took} ms`);
  }
  await s.stop();
});
