// SPDX-License-Identifier: Apache-2.0
// A service with tool servers whose tools a test calls without writing a model for each.
import assert from 'node:assert/strict';
import { Server } from './server.mjs';
import { HeldModel, using } from './model.mjs';

export const RESTART = { restart_ms_min: 10, restart_ms_max: 50, stop_grace_ms: 200 };
/** The server as GET /v1/servers shows it. */
export const state = async (s, id) => (await s.json('/v1/servers')).body.servers.find((x) => x.id === id);
/** The servers, as soon as fn holds for this one. Their supervisor logs each change, which is what is waited for. */
export async function serverIs(s, id, fn) {
  for (;;) {
    const from = s.logs.length;
    const one = await state(s, id);
    if (fn(one)) return one;
    await s.log((l) => l.server === id, { after: from });
  }
}

/** more: config, env */
export async function begin(tools, { config = {}, env = {} } = {}) {
  const model = await HeldModel.start();
  const s = await Server.start({ tools, env, config: using(model, { ...config, agent: { calls_max: 100, tools_offered_max: 60, ...config.agent }, tools: { ...RESTART, ...config.tools } }) });
  await s.settled();
  return { s, model, end: async () => { await s.stop(); await model.stop(); } };
}
/** One task whose one step calls these tools, [name, arguments] each, in this order; their tool.completed or tool.failed. */
export async function ended({ s, model }, list) {
  const { id } = await s.submit('try', { approval: 'auto' });
  (await model.next('planner')).plan({ objective: 'try', tools: [...new Set(list.map(([name]) => name))], effect: 'write' });
  (await model.next('executor')).calls(...list);
  (await model.next('executor')).finish();
  (await model.next('writer')).text('Tried.');
  await s.until(id, 'completed');
  // Calls that only read end in any order.
  const events = await s.events(id), order = events.filter((e) => e.event === 'tool.started').map((e) => e.data.call);
  const ends = events.filter((e) => /^tool\.(completed|failed)$/.test(e.event)).sort((a, b) => order.indexOf(a.data.call) - order.indexOf(b.data.call));
  assert.equal(ends.length, list.length);
  return ends;
}
/** The texts of their results. */
export const called = async (b, list) => (await ended(b, list)).map((e) => e.data.result?.content?.[0]?.text ?? JSON.stringify(e.data));
