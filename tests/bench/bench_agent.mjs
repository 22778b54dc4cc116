// SPDX-License-Identifier: Apache-2.0
// What the runtime itself costs: a task of three steps, in which a model that answers at once is asked and an echo tool is called
// three times, beside the same work on @openai/agents in a plain Node server. The model server and the tool server are the same C
// programs for both, and their CPU counts for neither; both are asked five times. Run by `make bench`.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Connection, ask } from './lib/http.mjs';
import { binary } from './lib/peers.mjs';
import { cpuMicros, family, freePort, start, stop, stopAll, until } from './lib/proc.mjs';
import { median, print, quantile, row } from './lib/table.mjs';

const AT_ONCE = 16, ROUNDS = 5, WARM = 200, OURS = 1000, THEIRS = 100, ALONE_WARM = 50, ALONE = 300;
const FINAL = /^FINAL: ok/;
const here = path.dirname(new URL(import.meta.url).pathname);
const fakes = process.env.FAKES;
const echo = fs.realpathSync(path.join(fakes, 'mcp_fake'));

/** A helper that prints a port and ends with its standard input. */
async function startPrinting(command, args) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], cwd: here });
  const [first] = await once(child.stdout, 'data');
  child.stdout.resume();
  return { child, port: Number(String(first).trim()) };
}

/** CPU of a server and what it started, but for the tool server. */
const cpuOf = (pid) => cpuMicros(family(pid).filter((one) => fs.readlinkSync(`/proc/${one}/exe`) !== echo));

async function startOurs(dir, modelUrl, backend) {
  const port = await freePort(), home = path.join(dir, backend);
  fs.mkdirSync(home);
  fs.writeFileSync(path.join(home, 'config.yaml'), JSON.stringify({
    log: { level: 'warn' }, server: { port, workers: 2 }, store: { backend, path: path.join(home, 'data'), max_bytes: 4 * 2 ** 30 },
    openai: { api_key: 'sk-bench', base_url: modelUrl }, llm: { api: 'chat', model: 'work' }, agent: { approval: 'auto' },
  }));
  fs.writeFileSync(path.join(home, 'tool_registry.yaml'), JSON.stringify({ tool_registry: [
    { id: 'echo', enabled: true, type: 'local_stdio', config: { command: echo, args: ['echo'] } }] }));
  const p = start(binary, ['serve', '-c', path.join(home, 'config.yaml')], { dir: home });
  await until(p, '200 on /readyz', async () => (await ask(port, 'GET', '/readyz'))?.status === 200);
  const one = async (c) => {
    const made = JSON.parse((await c.ask('POST', '/v1/tasks', JSON.stringify({ prompt: 'do the work' }))).body);
    for (let task = made; ;) {
      if (task.status === 'completed' && FINAL.test(task.result)) return;
      if (!['queued', 'planning', 'running'].includes(task.status)) throw new Error(`a task ended: ${JSON.stringify(task)}`);
      task = JSON.parse((await c.ask('GET', `/v1/tasks/${made.id}?wait=30s&until=end`)).body);
    }
  };
  return { pid: p.pid, port, one, stop: () => stop(p) };
}

async function startPeer(modelUrl) {
  const { child, port } = await startPrinting(process.execPath, [path.join(here, 'agents_peer.mjs'), modelUrl, echo]);
  const one = async (c) => {
    const answer = await c.ask('POST', '/tasks', JSON.stringify({ prompt: 'do the work' }));
    if (answer.status !== 200 || !FINAL.test(JSON.parse(answer.body).result)) throw new Error(`the peer: ${answer.status} ${answer.body}`);
  };
  return { pid: child.pid, port, one, stop: async () => { child.kill('SIGKILL'); await once(child, 'exit'); } };
}

async function many(server, n) {
  let left = n;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    const c = await Connection.open(server.port);
    while (left-- > 0) await server.one(c);
    c.close();
  }));
}

/** Adds to what the server has done so far; servers take turns, so that a slow moment of the machine is one of all of them. */
async function stretch(server, count) {
  const sum = server.sum ??= { tasks: 0, seconds: 0, cpu: 0 };
  const begin = performance.now(), before = cpuOf(server.pid);
  await many(server, count);
  sum.tasks += count;
  sum.seconds += (performance.now() - begin) / 1000;
  sum.cpu += cpuOf(server.pid) - before;
}

/** {perSecond, cpu (us a task), p50, p99 (ms of one task alone)} */
async function measured(server) {
  const times = [], c = await Connection.open(server.port);
  for (let i = 0; i < ALONE_WARM + ALONE; i++) {
    const from = performance.now();
    await server.one(c);
    if (i >= ALONE_WARM) times.push(performance.now() - from);
  }
  c.close();
  const { tasks, seconds, cpu } = server.sum;
  return { perSecond: tasks / seconds, cpu: cpu / tasks, p50: median(times), p99: quantile(times, 0.99) };
}

/** From the POST to the first event of the stream, ms. */
async function firstEvent(server) {
  const times = [];
  for (let i = 0; i < ALONE_WARM + ALONE; i++) {
    const c = await Connection.open(server.port);
    const from = performance.now();
    const { body } = await c.ask('POST', '/v1/tasks', JSON.stringify({ prompt: 'do the work' }));
    await c.firstEvent(`/v1/tasks/${JSON.parse(body).id}/stream`);
    if (i >= ALONE_WARM) times.push(performance.now() - from);
    c.close();
  }
  return median(times);
}

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'agent-runtime-bench-'));
try {
  const found = JSON.parse(execFileSync(process.env.TOOLS_FIND));
  const queryMs = median(found.query_us) / 1000;
  row('tools that fit a sentence, of 2,000', queryMs, undefined, 'ms', { digits: 3, target: '< 1 ms', met: queryMs < 1 });
  row('  their index, once a catalogue', found.build_ms, undefined, 'ms');
  const model = await startPrinting(path.join(fakes, 'work_model'), []);
  const modelUrl = `http://127.0.0.1:${model.port}/v1`;
  const peer = await startPeer(modelUrl);
  const memory = await startOurs(dir, modelUrl, 'memory'), sqlite = await startOurs(dir, modelUrl, 'sqlite');
  for (const server of [peer, memory, sqlite]) await many(server, WARM);
  for (let i = 0; i < ROUNDS; i++) {
    await stretch(peer, THEIRS);
    await stretch(memory, OURS);
    await stretch(sqlite, OURS);
  }
  const theirs = await measured(peer);
  await peer.stop();
  for (const [backend, server, times] of [['memory', memory, 30], ['sqlite', sqlite, 20]]) {
    const ours = await measured(server);
    const first = await firstEvent(server);
    await server.stop();
    const name = { name: '@openai/agents' };
    const perCpu = 1e6 / ours.cpu, theirPerCpu = 1e6 / theirs.cpu;
    row(`tasks a CPU second, ${backend}`, perCpu, theirPerCpu, '', { ...name, digits: 0, target: `ratio >= ${times}`, met: perCpu / theirPerCpu >= times });
    row('  tasks a second, 16 at once', ours.perSecond, theirs.perSecond, '/s', { ...name, digits: 0 });
    row('  CPU a task, all our processes', ours.cpu, theirs.cpu, 'us', { ...name, digits: 0 });
    row('  one task alone, p50', ours.p50, theirs.p50, 'ms', { ...name, digits: 2, target: 'ratio <= 0.2', met: ours.p50 / theirs.p50 <= 0.2 });
    row('  one task alone, p99', ours.p99, theirs.p99, 'ms', { ...name, digits: 2 });
    row('  submit to first event, p50', first, undefined, 'ms', { digits: 2, target: '< 1 ms', met: first < 1 });
  }
  model.child.stdin.end();
  print();
} catch (e) {
  console.error(`bench: ${e.stack}`);
  process.exitCode = 1;
} finally {
  await stopAll();
  fs.rmSync(dir, { recursive: true, force: true });
}
