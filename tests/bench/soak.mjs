// SPDX-License-Identifier: Apache-2.0
// Minutes of chance: clients submit, approve, reject, cancel, stream and come back while workers, the supervisor and tool servers
// are killed. Two services side by side: one plans offline and reads real files with the real filesystem server, one talks to
// the scripted model and calls a tool that counts. What must hold all the time is checked by the clients (lib/soak_client.mjs);
// at the end: every task is over, nothing with effects was done twice, and the processes hold what they held at the start.
// Run by `make soak`; SOAK_MINUTES and SOAK_SEED may be given. The first violation ends it and leaves the log behind.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Model, calls, finished, plan, using, written } from '../e2e/lib/model.mjs';
import { Server, eventually, fake, filesystem, root, slow } from '../e2e/lib/server.mjs';
import { Client, chance, isTerminal } from './lib/soak_client.mjs';

const minutes = Number(process.env.SOAK_MINUTES ?? 10);
const seed = Number(process.env.SOAK_SEED ?? Math.floor(Math.random() * 2 ** 31));
const CLIENTS = 5, WARM_MS = 8000, KILL_MS_MIN = 200, KILL_MS_MAX = 1600, REPORT_MS = 30_000;
/** What the database may keep in memory; it fills by and by. */
const KEEPER_CACHE_KIB = 16 * 1024;
/** Tables small enough that finished tasks are evicted all the time. */
const common = { server: { workers: 4, drain_seconds: 10 }, log: { level: 'info' }, store: { tasks_max: 200 }, tools: { restart_ms_min: 10, restart_ms_max: 500 } };

// --- the two services ---

const ledgers = fs.mkdtempSync(path.join(os.tmpdir(), 'agent-runtime-soak-'));
const ledger = (file) => ({ ms: 60, file: `{{user:ledger=([-./a-zA-Z0-9]+)}}.${file}` });
/** A step of the scripted executor: what it calls first, then the end. */
const step = (id, first) => {
  const when = { system: 'executor', text: `Your step: ${id} ` };
  return [{ when: { ...when, turn: 0 }, respond: first }, { when, respond: finished(id) }];
};
const rules = [
  { when: { system: 'planner', user: 'cut short' }, respond: { text: 'x'.repeat(300), cut_after_bytes: 900 } },
  { when: { system: 'planner' }, respond: { chunk_delay_ms: 1, chunk_chars: 60, text: plan('soak', [
    { id: 's1', objective: 'look', tools: ['fake__echo'] },
    { id: 's2', objective: 'write one', tools: ['fake__count'], effect: 'write', on_failure: 'skip' },
    { id: 's3', objective: 'wait', tools: ['fake__sleep'] },
    { id: 's4', objective: 'write two', tools: ['fake__count'], effect: 'write', after: ['s1', 's3'], on_failure: 'retry' }]) } },
  ...step('s1', calls('fake__echo', { text: 'x' })),
  ...step('s2', { ...calls('fake__count', ledger('one')), delay_ms: 20 }),
  ...step('s3', calls('fake__sleep', { ms: 60 })),
  ...step('s4', calls('fake__count', ledger('two'))),
  { ...written('Done.'), respond: { text: 'It is done, slowly told. '.repeat(6), chunk_delay_ms: 2 } },
];

async function offlineService() {
  const server = await Server.start({ config: { ...common, llm: { api: 'offline' } }, tools: [filesystem(path.join(root, 'etc/sample_data'))] });
  const prompts = ['Read a file and summarize its contents', 'Read notes.md and summarize it', 'List the files', 'Say hello', 'Count the words in night.log'];
  return { name: 'offline', server, prompt: (dice) => dice.one(prompts), stop: () => server.stop() };
}

async function chatService() {
  const model = await Model.start({ rules });
  const server = await Server.start({ config: using(model, { ...common, llm: { retries_max: 1 } }), tools: [fake('fake', 'echo')] });
  const prompt = (dice, serial) => `${dice.odds(0.05) ? 'cut short' : 'write'} ledger=${ledgers}/${serial}`;
  // What the model remembers of every request would grow for as long as we run.
  const forget = setInterval(() => fetch(`http://127.0.0.1:${model.port}/__requests`, { method: 'DELETE' }).catch(() => {}), 5000).unref();
  return { name: 'chat', server, prompt, stop: async () => { clearInterval(forget); await server.stop(); await model.stop(); } };
}

// --- chance ---

function worldOf(service) {
  const world = { port: service.server.port, counts: {}, serial: 0, violation: null };
  world.note = (text) => { world.violation ??= text; };
  world.fail = (text) => { world.note(text); throw new Error(text); };
  return world;
}

/** Tasks one after the other until it is time. */
async function live(world, service, number, over) {
  const client = new Client(world, seed + 1000 * number + service.name.length);
  while (!over() && !world.violation) {
    await client.task(service.prompt(client.dice, ++world.serial));
    if (client.dice.odds(0.2)) await pause(client.dice.below(200));
  }
}

async function killer(world, service, over) {
  const dice = chance(seed + service.name.length);
  while (!over() && !world.violation) {
    await pause(KILL_MS_MIN + dice.below(KILL_MS_MAX - KILL_MS_MIN));
    const { workers, supervisor, tools } = service.server.processes();
    const what = dice.one(['worker', 'worker', 'worker', 'worker', 'tool server', 'tool server', 'supervisor']);
    const victims = { worker: workers, 'tool server': tools, supervisor: supervisor ? [supervisor] : [] }[what];
    if (victims.length === 0) continue;
    try { process.kill(dice.one(victims).pid, 'SIGKILL'); } catch { continue; /* it had just died */ }
    world.counts[`killed: ${what}`] = (world.counts[`killed: ${what}`] ?? 0) + 1;
  }
}

async function phase(service, world, ms, withKills) {
  const end = performance.now() + ms;
  const over = () => performance.now() > end;
  const report = setInterval(() => console.error(`soak: ${service.name}: ${JSON.stringify(world.counts)}`), REPORT_MS);
  try {
    await Promise.all([...Array.from({ length: CLIENTS }, (_, i) => live(world, service, i, over)), withKills ? killer(world, service, over) : null]);
  } finally { clearInterval(report); }
}

// --- what must hold at the end ---

/** Of each of our processes: descriptors and resident memory of its own; and how many there are. */
function holdings(server) {
  const { all } = server.processes();
  const ours = [{ pid: server.pid, title: 'agent-runtime: master' }, ...all.filter((p) => p.title.startsWith('agent-runtime:'))];
  const each = ours.map(({ pid, title }) => [title, {
    descriptors: fs.readdirSync(`/proc/${pid}/fd`).length,
    kib: Number(/^RssAnon:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))[1]),
  }]);
  return { processes: all.length, zombies: all.filter((p) => p.state === 'Z').length, each: Object.fromEntries(each) };
}

async function assertHoldings(server, before) {
  let now;
  const why = () => {
    const more = Object.entries(before.each).filter(([title, was]) => !now.each[title] || now.each[title].descriptors > was.descriptors + 4 || (!slow && now.each[title].kib > was.kib * 1.25 + 2048 + (title.endsWith('keeper') ? KEEPER_CACHE_KIB : 0)));
    return now.zombies || now.processes !== before.processes || more.length ? `${JSON.stringify(before)} became ${JSON.stringify(now)}` : null;
  };
  await eventually(() => { now = holdings(server); return why() === null; }, 'what was held', 20_000).catch(() => assert.fail(why()));
}

/** Tasks whose submission was never answered may still wait for a person; all others have to end by themselves. */
async function assertAllOver(world) {
  const client = new Client(world, seed);
  for (let cursor = ''; cursor !== undefined;) {
    const { body } = await client.insist('GET', `/v1/tasks?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    for (const { id } of body.tasks) {
      const last = await client.until(id, 'awaiting_approval');
      if (last && !isTerminal(last.status)) await client.insist('POST', `/v1/tasks/${id}/cancel`);
      const end = last && await client.until(id);
      assert.ok(end === null || isTerminal(end.status));
    }
    cursor = body.next_cursor ?? undefined;
  }
}

function assertNothingTwice() {
  let made = 0;
  for (const name of fs.readdirSync(ledgers)) {
    const times = fs.readFileSync(path.join(ledgers, name), 'utf8').split('\n').length - 1;
    assert.ok(times <= 1, `the call of step ${name} was made ${times} times`);
    made += times;
  }
  assert.ok(made > 0, 'no call with effects was made: this run proves nothing');
  return made;
}

async function soak(service) {
  const world = worldOf(service);
  try {
    await service.server.settled();
    await phase(service, world, WARM_MS, false);
    const before = holdings(service.server);
    await phase(service, world, minutes * 60_000, true);
    await assertAllOver(world);
    await assertHoldings(service.server, before);
    await service.stop();
    assert.ok(world.counts.completed > 0, 'no task completed: this run proves nothing');
    return world.counts;
  } catch (e) {
    const file = path.join(os.tmpdir(), `soak-${seed}-${service.name}.log`);
    fs.writeFileSync(file, service.server.stderr);
    throw new Error(`${service.name}, seed ${seed}: ${world.violation ?? e.stack}\nlog: ${file}`);
  }
}

test(`${minutes} minutes of chance, seed ${seed}`, { timeout: (minutes + 10) * 60_000 }, async () => {
  console.error(`soak: seed ${seed}; repeat with SOAK_SEED=${seed} make soak`);
  try {
    const services = [await offlineService(), await chatService()];
    const counts = await Promise.all(services.map(soak));
    services.forEach((service, i) => console.error(`soak: ${service.name}: ${JSON.stringify(counts[i])}`));
    console.error(`soak: ${assertNothingTwice()} calls with effects, none twice`);
  } finally { fs.rmSync(ledgers, { recursive: true, force: true }); }
});
