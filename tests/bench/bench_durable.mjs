// SPDX-License-Identifier: Apache-2.0
// What durability costs, beside what it cannot cost less than: the same service that keeps nothing, and a loop that does nothing but
// append the same bytes and sync them, in the same minute on the same disk. Run by `make bench`, or by hand with the names of parts (accepts, restores). About two minutes and 1 GB of disk.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { ask, Connection } from './lib/http.mjs';
import { binary, needPrograms, serviceWords, startService, wrk } from './lib/peers.mjs';
import { freePort, start, stop, stopAll, until } from './lib/proc.mjs';
import { median, print, row } from './lib/table.mjs';

const CONNECTIONS = 64, ACCEPT_ROUNDS = 4, ACCEPT_SECONDS = 2, LIMIT_SECONDS = 1;
const RESTORE_TASKS = 100_000, RESTORE_ROUNDS = 5;
const MIB = 1 << 20;

const run = promisify(execFile);
const here = path.dirname(new URL(import.meta.url).pathname);
const root = path.resolve(here, '../..');

async function compile(dir, name, ...more) {
  const out = path.join(dir, name);
  await run('cc', ['-std=c17', '-O2', '-fno-lto', '-D_GNU_SOURCE', `-I${root}/server`, `-I${root}`, '-o', out, path.join(here, `${name}.c`), ...more]);
  return out;
}
const libraries = () => ['store', 'ipc', 'base'].map((room) => path.join(path.dirname(binary), 'lib', `${room}.a`));
const linked = async () => (await run('pkg-config', ['--libs', 'libevent', 'sqlite3', 'libcjson', 'libcrypto'])).stdout.trim().split(/\s+/).concat('-lm');

// --- accepting ---

/** Tasks are accepted and wait: whoever would run them is kept busy by a model that never answers. So accepting is all that is measured. */
const accepting = (url) => ({ 'llm.api': 'chat', 'openai.base_url': url, 'agent.runs_max': 1, 'server.workers': 2, 'store.tasks_max': 400_000, 'store.size_mb': 1800, 'llm.first_byte_seconds': 600, 'server.drain_seconds': 0 });
const BODY = JSON.stringify({ prompt: 'Say hello to everybody who is in the house, and tell each of them what the weather will be tomorrow', approval: 'required', metadata: { from: 'bench' } });

async function silentModel() {
  const server = net.createServer((socket) => socket.on('error', () => {}).resume().unref()).listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}/v1`, stop: () => server.close() };
}

async function oneRound(dir, model, backend, connections) {
  const service = await startService(dir, { options: { ...accepting(model.url), 'store.backend': backend } });
  const script = path.join(dir, 'post.lua');
  fs.writeFileSync(script, `wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = [[${BODY}]]\n`);
  const url = `http://127.0.0.1:${service.port}/v1/tasks`;
  // A large table gets its memory while the service serves already: some of these first ones may find no room yet.
  await wrk(url, { seconds: 1, connections, script }).catch(() => {});
  const measured = await wrk(url, { seconds: ACCEPT_SECONDS, connections, script });
  await stop(service.process).catch((e) => { if (!/ended with/.test(e.message)) throw e; });
  for (const name of fs.readdirSync(dir)) if (name.startsWith('data-')) fs.rmSync(path.join(dir, name), { recursive: true });
  return measured;
}

/** Bytes of what is promised by one 202: the document and its first event. */
async function recordBytes(dir, model) {
  const service = await startService(dir, { options: { ...accepting(model.url), 'store.backend': 'memory' } });
  const c = await Connection.open(service.port);
  const made = await until(service.process, 'a task', async () => { const r = await c.ask('POST', '/v1/tasks', BODY); return r.status === 202 ? r : null; });
  const first = await c.firstEvent(`/v1/tasks/${JSON.parse(made.body).id}/stream`);
  c.close();
  await stop(service.process);
  return Buffer.byteLength(made.body) + Buffer.byteLength(first);
}

async function accepts(dir) {
  const model = await silentModel();
  const limit = await compile(dir, 'fsync_limit');
  const bytes = await recordBytes(dir, model);
  const disk = async (records) => {
    const [syncs, p50, p99] = (await run(limit, [path.join(dir, 'limit'), String(bytes), String(records), String(LIMIT_SECONDS)])).stdout.trim().split(' ').map(Number);
    return { syncs, p50ms: p50 / 1000, p99ms: p99 / 1000 };
  };
  const rounds = { durable: [], memory: [], alone: [], memoryAlone: [], one: [], group: [] };
  for (let i = 0; i < ACCEPT_ROUNDS; i++) {
    rounds.one.push(await disk(1));
    rounds.alone.push(await oneRound(dir, model, 'sqlite', 1));
    rounds.durable.push(await oneRound(dir, model, 'sqlite', CONNECTIONS));
    rounds.group.push(await disk(CONNECTIONS));
    rounds.memory.push(await oneRound(dir, model, 'memory', CONNECTIONS));
    rounds.memoryAlone.push(await oneRound(dir, model, 'memory', 1));
  }
  model.stop();
  const of = (name, key) => median(rounds[name].map((r) => r[key]));
  const rate = of('durable', 'perSecond');
  row(`durable tasks accepted, ${CONNECTIONS} connections`, rate, of('memory', 'perSecond'), '/s', { name: 'memory', digits: 0, target: 'ratio >= 0.5', met: rate / of('memory', 'perSecond') >= 0.5 });
  row(`  beside ${bytes} bytes appended, ${CONNECTIONS} a sync`, rate, of('group', 'syncs') * CONNECTIONS, '/s', { name: 'disk', digits: 0 });
  row('  acknowledged, p50', of('durable', 'p50ms'), of('memory', 'p50ms'), 'ms', { name: 'memory', digits: 2 });
  row('  acknowledged, p99', of('durable', 'p99ms'), of('memory', 'p99ms'), 'ms', { name: 'memory', digits: 2 });
  const p50 = of('alone', 'p50ms');
  row('one request in flight, p50', p50, of('one', 'p50ms'), 'ms', { name: 'one fdatasync', digits: 3, target: 'ratio <= 3', met: p50 / of('one', 'p50ms') <= 3 });
  row('  p99', of('alone', 'p99ms'), of('one', 'p99ms'), 'ms', { name: 'one fdatasync', digits: 3 });
  row('  p50 beside the same without a disk', p50, of('memoryAlone', 'p50ms'), 'ms', { name: 'memory', digits: 3 });
}

// --- restoring ---

const steps = ['s1', 's2'].map((id, i) => ({ id, title: 'Look', objective: 'look', depends_on: i ? ['s1'] : [], tool_hints: [], inputs: [], expected_output: '', success_criteria: '', side_effects: 'none', on_failure: 'abort' }));
const rules = [
  { when: { system: 'planner' }, respond: { text: { goal: 'look', assumptions: [], questions: [], steps, final_output: '' } } },
  { when: { system: 'executor' }, respond: { tool_calls: [{ name: 'finish_step', arguments: { status: 'success', result: 'It was looked at, and found to be as it should be.' } }] } },
  { when: {}, respond: { text: 'All is as it should be.' } },
];

/** Document and events of a task with about twenty events, as files. */
async function sample(dir) {
  const port = await freePort(), script = path.join(dir, 'script.json');
  fs.writeFileSync(script, JSON.stringify({ rules }));
  const model = start(process.execPath, [path.join(root, 'tests/fake/chat_server.mjs'), '--port', String(port), '--script', script], { dir });
  await until(model, 'its first answer', () => fetch(`http://127.0.0.1:${port}/__requests`).then(() => true, () => false));
  const service = await startService(dir, { options: { 'llm.api': 'chat', 'openai.base_url': `http://127.0.0.1:${port}/v1`, 'store.backend': 'memory' } });
  const { id } = JSON.parse((await ask(service.port, 'POST', '/v1/tasks', JSON.stringify({ prompt: 'Look at it', approval: 'auto' }))).body);
  const doc = await until(service.process, 'the end of the task', async () => {
    const answer = await ask(service.port, 'GET', `/v1/tasks/${id}`);
    return JSON.parse(answer.body).status === 'completed' ? answer.body : null;
  });
  const text = await (await fetch(`http://127.0.0.1:${service.port}/v1/tasks/${id}/stream`)).text();
  const events = [...text.matchAll(/id: \d+\nevent: .*\ndata: .*\n\n/g)].map((m) => m[0]);
  await stop(service.process);
  await stop(model);
  fs.writeFileSync(path.join(dir, 'doc'), doc);
  fs.writeFileSync(path.join(dir, 'events'), events.join(''));
  return { id, doc, events };
}

async function restores(dir) {
  const { id, doc, events } = await sample(dir);
  const make = await compile(dir, 'tasks_make', ...libraries(), ...await linked());
  const data = path.join(dir, 'full');
  await run(make, [data, String(RESTORE_TASKS), id, 'completed', path.join(dir, 'doc'), path.join(dir, 'events')]);
  const probe = await compile(dir, 'ready_probe');
  const restored = async (options) => {
    const port = await freePort();
    const words = serviceWords(dir, port, { 'store.path': data, 'log.level': 'info', 'log.format': 'json', ...options });
    const { stdout, stderr } = await run(probe, [String(port), '/readyz', String(RESTORE_ROUNDS), binary, ...words], { cwd: dir, env: { PATH: process.env.PATH, HOME: dir }, maxBuffer: 64 * MIB });
    const told = stderr.split('\n').filter((line) => line.includes('"tasks restored"')).map((line) => JSON.parse(line).finished);
    return { ms: median(stdout.trim().split('\n').map(Number)), finished: median(told) };
  };
  // The table takes restored tasks up to three quarters of its room.
  const room = { 'store.tasks_max': 200_000, 'store.size_mb': 1500 };
  const all = await restored(room);
  if (all.finished !== RESTORE_TASKS) throw new Error(`${all.finished} of ${RESTORE_TASKS} tasks were restored`);
  const none = await restored({ ...room, 'store.path': path.join(dir, 'empty') });
  row(`start to ready, ${RESTORE_TASKS.toLocaleString('en')} tasks of ${events.length} events`, all.ms, none.ms, 'ms', { name: 'empty', digits: 0, target: '< 2,000 ms', met: all.ms < 2000 });
  row('  bytes of the database', databaseBytes(data) / RESTORE_TASKS, Buffer.byteLength(doc) + Buffer.byteLength(events.join('')), 'B a task', { name: 'text', digits: 0 });

  // Memory of one more task: blocks by how many more fit into a larger table, the slot by what more slots cost at the least.
  const [small, large] = [await restored({ 'store.tasks_max': 200_000, 'store.size_mb': 200 }), await restored({ 'store.tasks_max': 200_000, 'store.size_mb': 264 })];
  if (large.finished === RESTORE_TASKS || small.finished === large.finished) throw new Error(`the table was not filled: ${small.finished}, ${large.finished}`);
  const blocks = 0.75 * 64 * MIB / (large.finished - small.finished);
  const slot = (await leastMib(dir, 900_000) - await leastMib(dir, 100_000)) * MIB / 800_000;
  const beside = blocks + slot - Buffer.byteLength(doc);
  row('memory of a finished task in the table', blocks + slot, Buffer.byteLength(doc), 'B', { name: 'its document', digits: 0 });
  row('  beside its own text', beside, undefined, 'B', { digits: 0, target: '< 2,048 B', met: beside < 2048 });
}

const databaseBytes = (folder) => fs.readdirSync(folder).reduce((n, name) => n + fs.statSync(path.join(folder, name)).size, 0);

/** The least size of a table with so many slots, as the refusal of a smaller one tells it. */
async function leastMib(dir, tasks) {
  const words = serviceWords(dir, await freePort(), { 'store.backend': 'memory', 'store.tasks_max': tasks, 'store.size_mb': 8 });
  const { stderr } = await run(binary, words, { cwd: dir, env: { PATH: process.env.PATH, HOME: dir } }).catch((e) => e);
  const least = /at least (\d+) MiB/.exec(stderr);
  if (!least) throw new Error(`no refusal: ${stderr}`);
  return Number(least[1]);
}

const dir = fs.mkdtempSync(path.join(process.env.BENCH_DIR ?? os.tmpdir(), 'agent-runtime-bench-'));
try {
  needPrograms();
  for (const part of [accepts, restores].filter(({ name }) => process.argv.length < 3 || process.argv.includes(name))) {
    console.error(`bench: ${part.name} ...`);
    await part(dir);
  }
  print();
} catch (e) {
  console.error(`bench: ${e.stack}`);
  process.exitCode = 1;
} finally {
  await stopAll();
  fs.rmSync(dir, { recursive: true, force: true });
}
