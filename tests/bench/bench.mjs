// SPDX-License-Identifier: Apache-2.0
// The numbers the project promises, each beside an anchor taken in the same minute on the same machine: absolute figures say
// little on a shared host, ratios do. Run by `make bench`, or by hand with the names of parts; never a test, since a busy machine
// would fail it. Under two minutes.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { nodeWords as nodeStreamWords, startModel, Subscribers } from './lib/fanout.mjs';
import { ask, Connection } from './lib/http.mjs';
import { APIS, longAnswer } from './lib/model_streams.mjs';
import { binary, needPrograms, nginxWords, nodeWords, serviceWords, startNginx, startService, wrk } from './lib/peers.mjs';
import { cpuMicros, family, freePort, memory, start, stop, stopAll, until } from './lib/proc.mjs';
import { median, print, quantile, row } from './lib/table.mjs';

const SERVER_CPU = 0, CLIENT_CPU = 1, CONNECTIONS = 64;
const DOCUMENT_BYTES = 600;
const READ_ROUNDS = 6, READ_SECONDS = 3;
const SUBMIT_WARM = 30, SUBMIT_ROUNDS = 300;
const READY_ROUNDS = 20;
const CALL_ROUNDS = 5;
const ANSWER_BYTES = 10e6, DECODE_ROUNDS = 7;
const IDLE_SERVERS = 200, IDLE_SECONDS = 10;
const SUBSCRIBERS = 1000, FANOUT_EVENTS = 50, FANOUT_EVERY_MS = 60;

const run = promisify(execFile);
const here = path.dirname(new URL(import.meta.url).pathname);
/** A task whose document has the wanted size and does not change any more. */
async function quietTask(service) {
  const submit = async (pad) => {
    const made = await ask(service.port, 'POST', '/v1/tasks', JSON.stringify({ prompt: 'Say hello', approval: 'required', metadata: { pad } }));
    if (made.status !== 202) throw new Error(`submit: ${made.status} ${made.body}`);
    const url = `/v1/tasks/${JSON.parse(made.body).id}`;
    const quiet = await until(service.process, 'a quiet task', async () => {
      const answer = await ask(service.port, 'GET', url);
      return ['queued', 'planning', 'running'].includes(JSON.parse(answer.body).status) ? null : answer;
    });
    return { url, body: quiet.body };
  };
  const bare = await submit('');
  const missing = DOCUMENT_BYTES - Buffer.byteLength(bare.body);
  if (missing < 0) throw new Error(`the smallest document has more than ${DOCUMENT_BYTES} bytes: ${bare.body}`);
  return submit('x'.repeat(missing));
}

/** GET of one task document: one worker on one CPU, wrk on the other, rounds interleaved with nginx. */
async function reads(dir) {
  // A model server that is not there: the task fails at once, which makes a small document that stays as it is.
  const nobody = `http://127.0.0.1:${await freePort()}/v1`;
  const options = { 'server.workers': 1, 'llm.api': 'chat', 'openai.base_url': nobody, 'llm.retries_max': 0 };
  const service = await startService(dir, { cpu: SERVER_CPU, options });
  const { url, body } = await quietTask(service);
  const nginx = await startNginx(dir, { cpu: SERVER_CPU, body });
  const measure = async (server, seconds) => {
    const pids = server.pids();
    const before = cpuMicros(pids);
    const r = await wrk(`http://127.0.0.1:${server.port}${url}`, { cpu: CLIENT_CPU, seconds, connections: CONNECTIONS });
    return { ...r, cpu: (cpuMicros(pids) - before) / r.requests };
  };
  const ours = [], theirs = [];
  await measure(service, 1);
  await measure(nginx, 1);
  for (let i = 0; i < READ_ROUNDS; i++) {
    ours.push(await measure(service, READ_SECONDS));
    theirs.push(await measure(nginx, READ_SECONDS));
  }
  await stop(nginx.process);
  await stop(service.process);
  const both = (key) => [median(ours.map((r) => r[key])), median(theirs.map((r) => r[key]))];
  const what = `GET task, ${Buffer.byteLength(body)} bytes`;
  const [a, b] = both('perSecond');
  row(`${what}, ${CONNECTIONS} connections`, a, b, '/s', { name: 'nginx', digits: 0, target: 'ratio >= 0.9', met: a / b >= 0.9 });
  row(`${what}, CPU each`, ...both('cpu'), 'us', { name: 'nginx', digits: 2 });
  row(`${what}, p50`, ...both('p50ms'), 'ms', { name: 'nginx', digits: 3 });
}

/** From the first byte of the POST to the first event of the task's stream, on one connection that is open already. */
async function submits(dir) {
  const body = JSON.stringify({ prompt: 'Say hello', approval: 'required' });
  const rounds = async (port, one) => {
    const times = [];
    for (let i = 0; i < SUBMIT_WARM + SUBMIT_ROUNDS; i++) {
      const c = await Connection.open(port);
      const begin = performance.now();
      await one(c);
      if (i >= SUBMIT_WARM) times.push(performance.now() - begin);
      c.close();
    }
    return times;
  };
  const service = await startService(dir);
  const ours = await rounds(service.port, async (c) => {
    const made = await c.ask('POST', '/v1/tasks', body);
    if (made.status !== 202) throw new Error(`submit: ${made.status} ${made.body}`);
    const first = await c.firstEvent(`/v1/tasks/${JSON.parse(made.body).id}/stream`);
    if (!/^id: 1$/m.test(first)) throw new Error(`the first event is not number 1: ${first}`);
  });
  await stop(service.process);
  const nginx = await startNginx(dir, { workers: os.availableParallelism() });
  const theirs = await rounds(nginx.port, async (c) => { await c.ask('POST', '/', body); await c.ask('GET', '/'); });
  await stop(nginx.process);
  row('submit to first event, p50', median(ours), median(theirs), 'ms', { name: 'nginx, 2 requests', digits: 2, target: '< 2 ms', met: median(ours) < 2 });
  row('submit to first event, p99', quantile(ours, 0.99), quantile(theirs, 0.99), 'ms', { name: 'nginx, 2 requests', digits: 2 });
}

/** CPU of one worker for each event that one subscriber gets, while a model talks and many listen. */
async function fanout(dir) {
  const measure = async (port, where, pids, say) => {
    const subscribers = await Subscribers.open(port, where, SUBSCRIBERS);
    const before = cpuMicros(pids);
    const events = await subscribers.follow(say, FANOUT_EVENTS, FANOUT_EVERY_MS);
    const cpu = (cpuMicros(pids) - before) / events;
    subscribers.close();
    return { cpu, lost: SUBSCRIBERS * FANOUT_EVENTS - events };
  };
  const model = await startModel();
  const options = { 'server.workers': 1, 'llm.api': 'chat', 'openai.base_url': model.url };
  const service = await startService(dir, { cpu: SERVER_CPU, options });
  const made = await ask(service.port, 'POST', '/v1/tasks', JSON.stringify({ prompt: 'Say hello' }));
  const url = `/v1/tasks/${JSON.parse(made.body).id}`;
  await until(service.process, 'its model call', () => model.said);
  const ours = await measure(service.port, `${url}/stream`, service.pids(), model.say);
  await ask(service.port, 'POST', `${url}/cancel`);
  await stop(service.process);
  model.stop();

  const port = await freePort();
  const node = start(process.execPath, nodeStreamWords(port), { cpu: SERVER_CPU, dir });
  await until(node, 'its first answer', () => ask(port, 'GET', '/'));
  const theirs = await measure(port, '/stream', family(node.pid), () => ask(port, 'POST', '/'));
  node.child.kill('SIGKILL');
  await node.exit;
  row(`SSE to ${SUBSCRIBERS} subscribers, CPU an event`, ours.cpu, theirs.cpu, 'us', { name: 'Node http', digits: 2 });
  if (ours.lost || theirs.lost) row('  events not delivered', ours.lost, theirs.lost, '', { name: 'Node http', digits: 0 });
}

/** From before fork to the first 200. */
async function ready(dir) {
  const probe = path.join(dir, 'ready_probe');
  await run('cc', ['-O2', '-D_GNU_SOURCE', '-o', probe, path.join(here, 'ready_probe.c')]);
  const time = async (where, command, words) => {
    const port = await freePort();
    const { stdout } = await run(probe, [String(port), where, String(READY_ROUNDS), command, ...words(port)],
      { cwd: dir, env: { PATH: process.env.PATH, HOME: dir } });
    return median(stdout.trim().split('\n').map(Number));
  };
  const ours = await time('/readyz', binary, (port) => serviceWords(dir, port));
  const small = await time('/readyz', binary, (port) => serviceWords(dir, port, { 'store.size_mb': 8, 'store.tasks_max': 512 }));
  const nginx = await time('/', 'nginx', (port) => nginxWords(dir, port, { workers: 'auto' }));
  const node = await time('/', process.execPath, nodeWords);
  row('start to ready, no tool servers', ours, nginx, 'ms', { name: 'nginx', target: '< 30 ms', met: ours < 30 });
  row('  with store.size_mb=8 (the rest is filling the mapping)', small, node, 'ms', { name: 'Node http' });
}

/** Memory of an idle service, without the task table, whose size is an option. */
async function idle(dir) {
  const measure = async (server) => {
    let before = -1;
    await until(server.process, 'an idle server', async () => {
      const now = cpuMicros(server.pids());
      const quiet = now === before;
      before = now;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return quiet;
    });
    const each = server.pids().map(memory);
    return { processes: each.length, pss: each.reduce((sum, m) => sum + m.pss, 0) / 1024, mapping: each[0].mapping / 1024 };
  };
  const service = await startService(dir, { options: { 'server.workers': 4 } });
  const ours = await measure(service);
  await stop(service.process);
  const nginx = await startNginx(dir, { workers: 4 });
  const theirs = await measure(nginx);
  await stop(nginx.process);
  if (ours.processes !== 7) throw new Error(`expected 7 processes, found ${ours.processes}`);
  row('idle PSS, 4 workers + 3', ours.pss, theirs.pss, 'MiB', { name: 'nginx, 4 workers', target: '< 12 MiB', met: ours.pss < 12 });
  row('  the mapping beside it (store.size_mb)', ours.mapping, undefined, 'MiB');
}

/** A tool call: through worker, supervisor and server; straight over a pipe; by the official TypeScript client, which has no hop to the
 *  server's owner. Three times, since where processes run decides what a hop costs: each hop one between processors, all of them on
 *  one, and as the scheduler pleases. */
async function toolCalls() {
  const fake = path.join(process.env.FAKES, 'mcp_fake');
  const measure = async (where, command, ...args) => {
    const words = [...where === 'one CPU' ? ['taskset', '-c', String(SERVER_CPU)] : [], command, String(CALL_ROUNDS), fake, ...args];
    if (command === process.execPath) words.splice(words.indexOf(command) + 1, 0, path.join(here, 'calls_sdk.mjs'));
    const env = { ...process.env, ...where === 'across' ? { ACROSS: '1' } : {} };
    return JSON.parse((await run(words[0], words.slice(1), { env })).stdout);
  };
  for (const where of ['across', 'one CPU', 'any CPU']) {
    const ours = await measure(where, process.env.CALLS, 'echo'), pipe = { name: 'bare pipe' }, client = { name: 'TypeScript client' };
    const ratio = ours.path_p50_us / ours.pipe_p50_us;
    row(`tool call, ${where === 'across' ? 'hops between CPUs' : where}, p50`, ours.path_p50_us, ours.pipe_p50_us, 'us', { ...pipe, ...where === 'across' ? { target: 'ratio <= 2.5', met: ratio <= 2.5 } : {} });
    row('  p99', ours.path_p99_us, ours.pipe_p99_us, 'us', pipe);
    if (where === 'across') continue;
    const theirs = await measure(where, process.execPath, 'echo'), large = await measure(where, process.env.CALLS, 'big-line');
    row('  p50', ours.path_p50_us, theirs.p50_us, 'us', client);
    row('  64 in flight', ours.per_second, theirs.per_second, '/s', { ...client, digits: 0, target: 'ratio >= 1.5', met: ours.per_second >= 1.5 * theirs.per_second });
    row('  results of 1 MiB', large.path_mb_s, large.pipe_mb_s, 'MB/s', { ...pipe, digits: 0, target: '>= 300 MB/s', met: large.path_mb_s >= 300 });
  }
}

/** A recorded answer of each model API, made long, through its decoder; beside the official SDK's own reading of the same bytes. MB for
 *  each second of CPU. */
async function decoding(dir) {
  for (const api of APIS) {
    const file = path.join(dir, `${api}.sse`);
    fs.writeFileSync(file, longAnswer(api, ANSWER_BYTES));
    const { stdout } = await run('sh', ['-c', '"$0" "$1" "$2" <"$3"', process.env.LLM_TURN, api, String(DECODE_ROUNDS), file]);
    const ours = median(JSON.parse(stdout).mb_s);
    const theirs = JSON.parse((await run(process.execPath, [path.join(here, 'decode_sdk.mjs'), api, file])).stdout).mb_s;
    row(`decoding ${ANSWER_BYTES / 1e6} MB of ${api}`, ours, theirs, 'MB/s', { name: 'official SDK', digits: 0, target: '>= 200 MB/s', met: ours >= 200 });
  }
}

/** How often anything of a service with many idle tool servers wakes up, but for the keeper, which looks at the age of tasks once a second. */
async function idleServers(dir) {
  const registry = path.join(dir, 'many.yaml'), command = path.join(process.env.FAKES, 'mcp_fake');
  const entry = (_, i) => ({ id: `s${i}`, enabled: true, type: 'local_stdio', config: { command, args: ['echo'] } });
  fs.writeFileSync(registry, JSON.stringify({ tool_registry: Array.from({ length: IDLE_SERVERS }, entry) }));
  const service = await startService(dir, { options: { 'tools.registry': registry } });
  const isKeeper = (pid) => fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('keeper');
  const wakes = () => service.pids().filter((pid) => !isKeeper(pid)).map((pid) => Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))[1])).reduce((x, y) => x + y);
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  await pause(IDLE_SECONDS * 1000); // what was due after the start has happened
  const before = wakes();
  await pause(IDLE_SECONDS * 1000);
  const after = wakes();
  await stop(service.process);
  row(`wake-ups of ${IDLE_SERVERS} idle tool servers and the service, ${IDLE_SECONDS} s`, after - before, undefined, '', { digits: 0, target: 'none', met: after === before });
}

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'agent-runtime-bench-'));
try {
  const parts = [reads, submits, fanout, ready, idle, toolCalls, idleServers, decoding].filter(({ name }) => process.argv.length < 3 || process.argv.includes(name));
  needPrograms(parts.every((part) => [toolCalls, idleServers, decoding].includes(part)) ? ['taskset'] : undefined);
  for (const part of parts) {
    console.error(`bench: ${part.name} ...`);
    await part(dir);
  }
  print();
} catch (e) {
  console.error(`bench: ${e.message}`);
  process.exitCode = 1;
} finally {
  await stopAll();
  fs.rmSync(dir, { recursive: true, force: true });
}
