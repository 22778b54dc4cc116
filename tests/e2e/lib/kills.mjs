// SPDX-License-Identifier: Apache-2.0
// Processes of every kind are killed by chance while clients submit, approve, reject, decide, stream and cancel, each request with a
// key of its own and repeated until it is answered. What must hold is checked by the clients all the time and by assertKept at the
// end: every acknowledged task is over and there once, no call with effects was made twice, nothing is left over. The short form is
// kills.test.mjs, the long one tests/bench/soak_kills.mjs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, chance, isTerminal } from '../../bench/lib/soak_client.mjs';
import { Ledger, Site, listed, scratch } from './durable.mjs';
import { Model, calls, finished, plan, written } from './model.mjs';
import { alive, assertDense, descendants, eventually } from './server.mjs';

const CLIENTS = 6, WARM_TASKS = 12, PAUSE_MS_MAX = 160;
/** How often each is hit, out of the sum. */
const ODDS = { worker: 8, keeper: 5, 'tool server': 4, supervisor: 3, master: 1 };

// --- the world: a scripted model, a counting tool server, a service whose table is too small for all of it ---

const label = (step) => `{{user:label=([0-9]+)}}.${step}`;
/** A step of the scripted executor: what it calls first, then the end. */
function step(id, tool, ms) {
  const when = { system: 'executor', text: `Your step: ${id} ` };
  return [
    { when: { ...when, turn: 0 }, respond: { ...calls(`counting__${tool}`, { label: label(id), ms }), delay_ms: 5 } },
    { when, respond: { ...finished(id), delay_ms: 5 } },
  ];
}
const rules = [
  { when: { system: 'planner' }, respond: { chunk_chars: 200, text: plan('kills', [
    { id: 's1', objective: 'read', tools: ['counting__read'] },
    { id: 's2', objective: 'put', tools: ['counting__put'], effect: 'write', on_failure: 'skip' },
    { id: 's3', objective: 'bump', tools: ['counting__bump'], effect: 'write', after: ['s1'], on_failure: 'skip' },
    { id: 's4', objective: 'bump again', tools: ['counting__bump'], effect: 'write', after: ['s2', 's3'], on_failure: 'skip' }]) } },
  ...step('s1', 'read', 25), ...step('s2', 'put', 40), ...step('s3', 'bump', 25), ...step('s4', 'bump', 10),
  { ...written('Done.'), respond: { text: 'It is done, word by word. '.repeat(3), chunk_delay_ms: 1 } },
];

async function worldOpen(seed) {
  const ledger = new Ledger();
  const model = await Model.start({ rules });
  const site = await Site.open({
    model, dir: scratch(), tools: [ledger.server({ trust_annotations: true })], store: { tasks_max: 64, size_mb: 16, idempotency_keys: 64 },
    config: { server: { workers: 3, drain_seconds: 10 }, log: { level: 'info' }, llm: { retries_max: 2 }, tools: { restart_ms_min: 10, restart_ms_max: 100 } },
  });
  const world = { site, ledger, model, seed, port: site.s.port, counts: {}, tasks: new Map(), serial: 0, violation: null };
  world.note = (text) => { world.violation ??= text; };
  world.fail = (text) => { world.note(text); throw new Error(text); };
  return world;
}

// --- the clients ---

class Person extends Client {
  /** A request that is repeated with its key until it is answered: once it is, it must not be refused as done already. */
  async #post(target, body, allowed, key = `${this.world.seed}-${++this.world.serial}`) {
    const answer = await this.insist('POST', target, body, { 'idempotency-key': key });
    if (!allowed.includes(answer.status)) this.world.fail(`POST ${target} ${JSON.stringify(body)}: ${answer.status} ${JSON.stringify(answer.body)}`);
    if (this.dice.odds(0.1)) {
      const again = await this.insist('POST', target, body, { 'idempotency-key': key });
      const what = (a) => JSON.stringify([a.status, a.headers.location, a.status < 300 ? a.body : a.body.type]);
      if (answer.status < 300 && what(again) !== what(answer)) this.world.fail(`POST ${target} with key ${key}: first ${what(answer)}, then ${what(again)}`);
      this.count('repeated');
    }
    return answer;
  }

  async task() {
    const { dice, world } = this;
    const prompt = `job label=${++world.serial}`;
    const { body: { id } } = await this.#post('/v1/tasks', { prompt, approval: dice.odds(0.6) ? 'auto' : 'required' }, [202]);
    if (world.tasks.has(id)) world.fail(`task ${id} was given to two requests`);
    world.tasks.set(id, prompt);
    const listeners = Array.from({ length: 1 + dice.below(2) }, () => this.follow(id));
    const acting = this.#act(id);
    const [, ...seen] = await Promise.all([acting, ...listeners]);
    const last = await acting;
    if (!last) world.fail(`task ${id} (${prompt}) is gone`);
    this.count(last.status);
    if (last.error) this.count(`error: ${last.error.code}`);
    for (const events of seen) {
      if (!events) world.fail(`the stream of task ${id} is gone`);
      if (events.length !== last.last_seq) world.fail(`task ${id} ended with ${last.last_seq} events, a stream with ${events.length}`);
      if (events.join('\n\n') !== seen[0].join('\n\n')) world.fail(`task ${id}: two streams differ`);
    }
    if (dice.odds(0.05)) await this.#remove(id, seen[0]);
  }

  async #act(id) {
    const { dice } = this;
    if (dice.odds(0.1)) {
      await pause(dice.below(400));
      await this.#post(`/v1/tasks/${id}/cancel`, undefined, [200, 409]);
      this.count('cancel');
    }
    for (let doc; ;) {
      doc = await this.until(id, 'awaiting_approval', 'input_required');
      if (!doc || isTerminal(doc.status)) return doc;
      if (doc.status === 'input_required') {
        this.count('in doubt');
        await this.#post(`/v1/tasks/${id}/input`, { id: doc.pending.id, action: 'skip' }, [200, 409]);
      } else if (dice.odds(0.08)) await this.#post(`/v1/tasks/${id}/reject`, undefined, [200, 409]);
      else if (dice.odds(0.08)) await this.#post(`/v1/tasks/${id}/reject`, { feedback: 'once more, please' }, [200, 409]);
      else await this.#post(`/v1/tasks/${id}/approve`, { plan_digest: doc.plan.digest }, [200, 409]);
    }
  }

  /** The rest of the world forgets it; the ledger does not. */
  async #remove(id, events) {
    // An answer that was lost is asked for again: then it is gone already.
    const { status, body } = await this.insist('DELETE', `/v1/tasks/${id}`);
    if (![204, 404, 410].includes(status)) this.world.fail(`DELETE of task ${id}: ${status} ${JSON.stringify(body)}`);
    this.world.removed ??= new Map();
    this.world.removed.set(id, events.length);
    this.count('deleted');
  }
}

async function live(world, number, over) {
  const person = new Person(world, world.seed + 1000 * number);
  while (!over() && !world.violation) await person.task();
}

// --- the killer ---

function victimOf(world, dice) {
  const { s } = world.site;
  const { workers, supervisor, tools, all } = s.processes();
  const keeper = all.find((p) => p.title.includes('agent-runtime: keeper'));
  const who = { worker: workers, keeper: [keeper], 'tool server': tools, supervisor: [supervisor], master: [{ pid: s.pid }] };
  let at = dice.below(Object.values(ODDS).reduce((a, b) => a + b));
  const kind = Object.keys(ODDS).find((k) => (at -= ODDS[k]) < 0);
  const there = who[kind].filter(Boolean);
  return there.length ? { kind, pid: dice.one(there).pid } : null;
}

/** All others end with their master, by themselves. */
async function masterDied(world) {
  const { site } = world;
  const others = descendants(site.s.pid);
  process.kill(site.s.pid, 'SIGKILL');
  await eventually(() => others.every((p) => !alive(p.pid)), 'all end with their master', 20_000).catch((e) => {
    world.fail(`${e.message}: ${JSON.stringify(others.filter((p) => alive(p.pid)))}`);
  });
  await site.crash();
  await site.start();
}

async function kill(world, number) {
  const dice = chance(world.seed);
  for (let n = 0; n < number && !world.violation;) {
    // Chance is the input here: this is no waiting for something to happen.
    await pause(dice.below(PAUSE_MS_MAX));
    const victim = victimOf(world, dice);
    if (!victim) continue;
    try {
      if (victim.kind === 'master') await masterDied(world);
      else process.kill(victim.pid, 'SIGKILL');
    } catch (e) {
      if (e.code === 'ESRCH') continue;
      world.note(`while ${victim.kind} was killed: ${e.message}`);
    }
    n += 1;
    world.counts[`killed: ${victim.kind}`] = (world.counts[`killed: ${victim.kind}`] ?? 0) + 1;
  }
}

// --- what must hold at the end ---

/** Of each of our processes: its descriptors; and how many there are. */
function holdings(s) {
  const { all } = s.processes();
  const ours = [{ pid: s.pid, title: 'master' }, ...all.filter((p) => p.title.startsWith('agent-runtime:'))];
  const each = Object.fromEntries(ours.map(({ pid, title }) => [title, fs.readdirSync(`/proc/${pid}/fd`).length]));
  return { processes: all.length, zombies: all.filter((p) => p.state === 'Z').length, each };
}
async function assertHoldings(s, before) {
  let now;
  const more = () => Object.entries(before.each).filter(([title, n]) => !(now.each[title] <= n + 4));
  const fine = () => { now = holdings(s); return !now.zombies && now.processes === before.processes && more().length === 0; };
  await eventually(fine, 'what was held at the start', 20_000).catch(() => assert.fail(`${JSON.stringify(before)} became ${JSON.stringify(now)}`));
}

function assertLedger(world, started) {
  const made = { read: 0, put: 0, bump: 0, repeated: 0 };
  const keys = new Map(), labels = new Map();
  for (const c of world.ledger.calls) {
    assert.ok(c.key, `a call without a key: ${JSON.stringify(c)}`);
    const [task, call] = c.key.split(':');
    assert.ok(world.tasks.has(task), `a call for a task nobody was promised: ${JSON.stringify(c)}`);
    if (c.tool !== 'read' && !world.removed?.has(task)) assert.ok(started.get(task)?.has(call), `${c.tool} was called, and the task does not know: ${JSON.stringify(c)}`);
    const said = JSON.stringify([c.tool, c.label, c.arguments]);
    assert.equal(keys.get(c.key)?.said ?? said, said, 'a key belongs to one call');
    const times = (keys.get(c.key)?.times ?? 0) + 1;
    keys.set(c.key, { said, times });
    if (!labels.has(c.label)) labels.set(c.label, new Set());
    labels.get(c.label).add(c.key);
    if (c.tool === 'bump') assert.equal(times, 1, `bump was called twice: ${JSON.stringify(c)}`);
    made[c.tool] += 1;
    made.repeated += times > 1 ? 1 : 0;
  }
  for (const [one, all] of labels) if (/s[34]$/.test(one)) assert.equal(all.size, 1, `step ${one} called bump under ${[...all]}`);
  assert.ok(made.bump > 0, 'no call with effects was made: this run proves nothing');
  return made;
}

async function assertKept(world) {
  const { s } = world.site;
  const all = await listed(s, { limit: 100 });
  const there = new Map(all.map((t) => [t.id, t]));
  const started = new Map();
  for (const [id, prompt] of world.tasks) {
    if (world.removed?.has(id)) { assert.ok(!there.has(id), `deleted, and listed: ${id}`); continue; }
    assert.equal(there.get(id)?.prompt, prompt, `task ${id} is not what was promised`);
    assert.ok(isTerminal(there.get(id).status), JSON.stringify(there.get(id)));
    const events = (await s.events(id)).filter((e) => e.id !== undefined);
    assertDense(events);
    assert.equal(events.length, there.get(id).last_seq);
    started.set(id, new Set(events.filter((e) => e.event === 'tool.started').map((e) => e.data.call)));
  }
  for (const { id } of all) assert.ok(world.tasks.has(id), `task ${id} was made by nobody: a repeated request took effect twice`);
  return started;
}

function assertNoSockets(dir) {
  for (const f of fs.readdirSync(dir, { withFileTypes: true })) assert.ok(!f.isSocket(), `${path.join(dir, f.name)} was left`);
}

/** The whole of it; returns counts for whoever reads the log. */
export async function killing({ kills, seed, report = () => {} }) {
  const world = await worldOpen(seed);
  const telling = setInterval(() => report(world.counts), 30_000);
  // What the model remembers of every request would grow for as long as we run.
  const forget = setInterval(() => fetch(`http://127.0.0.1:${world.model.port}/__requests`, { method: 'DELETE' }).catch(() => {}), 5000);
  try {
    const warm = () => world.tasks.size >= WARM_TASKS;
    await Promise.all(Array.from({ length: CLIENTS }, (_, i) => live(world, 100 + i, warm)));
    const before = holdings(world.site.s);
    let over = false;
    const killer = kill(world, kills).finally(() => { over = true; });
    await Promise.all([killer, ...Array.from({ length: CLIENTS }, (_, i) => live(world, i, () => over))]);
    assert.equal(world.violation, null);
    const started = await assertKept(world);
    const made = assertLedger(world, started);
    await assertHoldings(world.site.s, before);
    await world.site.s.stop();
    assertNoSockets(world.site.path);
    await world.site.assertWhole();
    assert.ok(world.counts.completed > 0, 'no task completed: this run proves nothing');
    return { ...world.counts, ...made };
  } catch (e) {
    const file = path.join('/tmp', `kills-${seed}.log`);
    fs.writeFileSync(file, world.site.s.stderr);
    throw new Error(`seed ${seed}: ${world.violation ?? e.stack}\ncounts: ${JSON.stringify(world.counts)}\nlog: ${file}`, { cause: e });
  } finally {
    clearInterval(telling);
    clearInterval(forget);
    await world.model.stop();
  }
}
