// SPDX-License-Identifier: Apache-2.0
// Tool calls by the thousand while their servers, and the supervisor that owns them, are killed by chance. Every call ends once; and
// afterwards the service holds what it held before: processes, descriptors, memory. The short form is census.test.mjs, the long one
// tests/bench/soak_calls.mjs.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { chance } from '../../bench/lib/soak_client.mjs';
import { RESTART } from './calling.mjs';
import { differences, measure } from './holdings.mjs';
import { Model, finished, planned, using, written } from './model.mjs';
import { Server, eventually, fake, slow } from './server.mjs';

const SERVERS = ['a', 'b', 'c', 'd'], CALLS_A_TASK = 16, CLIENTS = 4, WORKERS = 2, PAUSE_MS_MAX = 120;
/** How often the supervisor is hit, of all kills. */
const SUPERVISOR_ODDS = 0.15;

async function worldOpen(seed) {
  const tools = Array.from({ length: CALLS_A_TASK }, (_, i) => `${SERVERS[i % SERVERS.length]}__echo`);
  const model = await Model.start({ rules: [
    planned({ objective: 'call', tools: [...new Set(tools)] }),
    { when: { system: 'executor', turn: 0 }, respond: { tool_calls: tools.map((name, i) => ({ name, arguments: { text: `${i} ${'x'.repeat(i * 100)}` } })) } },
    { when: { system: 'executor' }, respond: finished() }, written()] });
  const s = await Server.start({
    tools: SERVERS.map((id) => fake(id, 'echo')),
    config: using(model, { server: { workers: WORKERS }, log: { level: 'info' }, agent: { calls_max: 100 }, tools: RESTART }),
  });
  await s.settled();
  return { s, model, dice: chance(seed), counts: { calls: 0, completed: 0, failed: 0, 'killed: tool server': 0, 'killed: supervisor': 0 }, tasks: 0 };
}

/** One task; each of its calls has begun once and ended once. */
async function task(world) {
  const { s, counts } = world;
  const { id } = await s.submit('call', { approval: 'auto' });
  const { status, pending } = await s.until(id, 'completed', 'failed', 'input_required');
  assert.notEqual(status, 'input_required', JSON.stringify(pending));
  const events = await s.events(id);
  const of = (type) => events.filter((e) => e.event === type).map((e) => e.data.call);
  const started = of('tool.started'), over = [...of('tool.completed'), ...of('tool.failed')];
  const told = () => JSON.stringify(events.filter((e) => /^tool/.test(e.event)).map(({ event, data: d }) => [event, d.call, d.server, d.error?.message]));
  assert.deepEqual(over.toSorted(), started.toSorted(), `the calls of task ${id}, begun and ended: ${told()}`);
  assert.equal(new Set(started).size, started.length);
  counts.calls += started.length;
  counts.completed += of('tool.completed').length;
  counts.failed += of('tool.failed').length;
}
async function tasks(world, calls) {
  const until = world.counts.calls + calls;
  await Promise.all(Array.from({ length: CLIENTS }, async () => { while (world.counts.calls < until) await task(world); }));
}

/** Chance is the input here: this is no waiting for something to happen. */
async function killing(world, odds, over) {
  const { s, dice, counts } = world;
  for (let hits = 0; !over() || !hits;) {
    await pause(dice.below(PAUSE_MS_MAX));
    const { supervisor, tools } = s.processes(), kind = odds && (!hits || dice.odds(odds)) ? 'supervisor' : 'tool server';
    const victim = kind === 'supervisor' ? supervisor : tools.length && dice.one(tools);
    if (!victim) continue;
    try {
      process.kill(victim.pid, 'SIGKILL');
      counts[`killed: ${kind}`] += 1;
      hits += 1;
    } catch (e) { if (e.code !== 'ESRCH') throw e; }
    // A signal is on its way for a while: who counts processes next would still find this one.
    await eventually(() => !s.processes().all.some((p) => p.pid === victim.pid && p.state !== 'Z'), 'the killed process gone', 20_000);
  }
}
async function underFire(world, calls, odds) {
  let over = false;
  const killer = killing(world, odds, () => over);
  await tasks(world, calls).finally(() => { over = true; });
  await killer;
}

/** What is held once all processes are there: workers, supervisor and keeper, and the servers; a child has another name until it is one. */
async function whole(s) {
  const all = () => { const { workers, supervisor, keeper, tools, all: every } = s.processes(); return workers.length === WORKERS && supervisor && keeper && tools.length === SERVERS.length && every.length === WORKERS + 2 + SERVERS.length && every.every((p) => p.state !== 'Z'); };
  await eventually(all, 'all processes there', 20_000);
  return eventually(() => { try { return all() && measure(s); } catch { return null; } }, 'processes that stay', 20_000);
}

/** As before, as soon as all servers are back. */
async function assertHoldings(world, before, what) {
  const { s } = world;
  let found;
  await eventually(() => {
    try { found = differences(before, measure(s), { slow }); } catch (e) { found = [`a process ended meanwhile: ${e.message}`]; }
    return found.length === 0;
  }, what, 20_000).catch((e) => assert.fail(`${e.message}: ${found.join('; ')}`));
}

/** The whole of it; returns counts for whoever reads the log. */
export async function census({ calls, seed, report = () => {} }) {
  const world = await worldOpen(seed);
  const telling = setInterval(() => report(world.counts), 30_000);
  // What the model remembers of every request would grow for as long as we run.
  const forget = setInterval(() => fetch(`http://127.0.0.1:${world.model.port}/__requests`, { method: 'DELETE' }).catch(() => {}), 2000);
  try {
    const { s, counts } = world;
    await underFire(world, calls / 4, 0); // what is allocated once is allocated by now
    const before = await whole(s);
    await underFire(world, calls / 4, SUPERVISOR_ODDS);
    await assertHoldings(world, before, 'what was held before supervisors were killed');
    // This one lives through the rest: what it loses would add up.
    const middle = await whole(s);
    await underFire(world, calls / 2, 0);
    await assertHoldings(world, middle, 'what was held before tool servers were killed');
    const pids = [middle, measure(s)].map((held) => held.each['agent-runtime: supervisor'].pid);
    assert.equal(pids[1], pids[0], `a supervisor that nobody killed: ${JSON.stringify(s.logs.filter((l) => l.pid === pids[0] || l.supervisor === pids[0] || /supervisor/.test(l.msg)).slice(-8))}`);
    assert.ok(counts['killed: supervisor'] > 0 && counts['killed: tool server'] > 0, 'nobody was killed: this run proves nothing');
    assert.ok(counts.completed > counts.calls / 2, 'most calls came to nothing: this run proves nothing');
    await s.stop();
    return counts;
  } catch (e) {
    throw new Error(`seed ${seed}: ${e.stack}\ncounts: ${JSON.stringify(world.counts)}`, { cause: e });
  } finally {
    clearInterval(telling);
    clearInterval(forget);
    await world.model.stop();
  }
}
