// SPDX-License-Identifier: Apache-2.0
// A service whose data outlives its processes, for tests that pull the plug: one store.path, one port, one model and one counting
// tool server through every start. Also what the tests of durability ask of any such service.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { HeldModel, using } from './model.mjs';
import { Server, alive, command, descendants, eventually, fakeSandbox, fakes, onTestEnd, socketOwner, stdio, stream, tempDir } from './server.mjs';

export const TERMINAL = ['completed', 'failed', 'cancelled', 'rejected'];
export const NONE = { objective: 'think', effect: 'none' };
/** A step that may call that tool of the counting server. */
export const writes = (tool, more = {}) => ({ objective: `call ${tool}`, tools: [`counting__${tool}`], effect: 'write', ...more });

/** A folder that is gone after the test. */
export function scratch() {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** What the counting tool server has done, call by call; see tests/fake/counting_mcp.c. */
export class Ledger {
  constructor(dir = scratch()) {
    this.dir = dir;
    this.file = path.join(dir, 'ledger');
  }
  get calls() {
    if (!fs.existsSync(this.file)) return [];
    return fs.readFileSync(this.file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }
  of(label) { return this.calls.filter((c) => c.label === label); }
  /** The effect of that call has happened (so many times). */
  async happened(label, times = 1) {
    await eventually(() => this.of(label).length >= times, `${times} call(s) ${label} in the ledger`, 20_000);
    return this.of(label);
  }
  /** Arguments of a call that is not answered before open() is called. */
  gate(label) { return { label, gate: path.join(this.dir, `gate-${label}`) }; }
  open(label) { fs.writeFileSync(path.join(this.dir, `gate-${label}`), ''); }
  /** Arguments of a call whose server kills itself between effect and answer, the first time. */
  deadly(label) { return { label, die: path.join(this.dir, `dead-${label}`) }; }
  /** Registry entry. more: trust_annotations, tools. */
  server(more = {}) { return { ...stdio('counting', path.join(fakes, 'counting_mcp'), [this.file]), sandbox: fakeSandbox, ...more }; }
}

/** Every process of a service, at once and without a word. */
export async function killAll(s) {
  const all = [{ pid: s.pid }, ...descendants(s.pid)];
  for (const { pid } of all) try { process.kill(pid, 'SIGKILL'); } catch { /* it has ended */ }
  await s.exited;
  await eventually(() => all.every(({ pid }) => !alive(pid)), 'everything dead', 10_000);
}

export const roleOf = (s, role) => descendants(s.pid).find((p) => p.title.includes(`agent-runtime: ${role}`));

/** Model calls of that role for the task with that prompt: a word that is in no other prompt, nor in ours to the model. */
export const of = (role, prompt) => (c) => c.role === role && c.body.messages.some((m) => m.role === 'user' && String(m.content).includes(prompt));

/** A free port that the system gives to nobody's outgoing connection: it is still free when a service comes back to it. */
async function quietPort() {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    const probe = net.createServer().listen(port, '127.0.0.1');
    const free = await once(probe, 'listening').then(() => true, () => false);
    probe.close();
    if (free) return port;
  }
}

export class Site {
  /** config as Server.start takes it; store: of section store; model: false for none (offline). */
  static async open({ config = {}, store = {}, tools = [], model = true, env = {}, dir = scratch() } = {}) {
    const site = new Site();
    site.dir = dir;
    site.port = await quietPort();
    site.path = store.path ?? path.join(dir, 'data');
    site.model = model === true ? await HeldModel.start() : model || null;
    const section = { backend: 'sqlite', path: site.path, ...store };
    const whole = { ...config, store: section, tools: { restart_ms_min: 10, restart_ms_max: 50, ...config.tools } };
    site.config = site.model ? using(site.model, whole) : { ...whole, llm: { api: 'offline', ...config.llm } };
    site.tools = tools;
    site.env = env;
    // The same words for the command line, when no server runs.
    site.configFile = path.join(dir, 'offline.yaml');
    fs.writeFileSync(site.configFile, JSON.stringify({ store: section }));
    await site.start();
    return site;
  }
  async start(more = {}) {
    const server = { drain_seconds: 1, ...this.config.server, port: this.port };
    this.s = await Server.start({ config: { ...this.config, server, ...more.config }, tools: this.tools, env: { ...this.env, ...more.env }, expectReady: more.expectReady });
    if (more.expectReady !== false) await this.s.settled();
    return this.s;
  }
  /** The plug. */
  async crash() {
    await killAll(this.s);
    await this.s.kill();
    assert.ok(!/Sanitizer|runtime error:/.test(this.s.stderr), this.s.stderr.slice(-6000));
  }
  async restart(more) {
    await this.crash();
    return this.start(more);
  }
  async end() {
    if (!this.s.exit) await this.s.stop();
    await this.model?.stop();
  }
  /** agent-runtime verify / export / replay. */
  verify() { return command(['verify', '-c', this.configFile]); }
  export(id) { return command(['export', id, '-c', this.configFile]); }
  replay(id, ...options) { return command(['replay', id, ...options, '-c', this.configFile]); }
  async assertWhole() {
    const { code, stdout, stderr } = await this.verify();
    assert.equal(code, 0, `verify: ${stdout}${stderr}`);
  }

  // --- driving a task ---

  /** A task that awaits approval of these steps. */
  async awaiting(prompt, ...steps) {
    const made = await this.s.submit(prompt, { approval: 'required' });
    (await this.next('planner', prompt)).plan(...steps);
    return this.s.until(made.id, 'awaiting_approval');
  }
  /** A task whose first step is in the middle of this call: the ledger has it, nobody was answered. worker: pid of who runs it. */
  async calling(prompt, tool, ledger, args = ledger.gate(prompt)) {
    const { id } = await this.s.submit(prompt, { approval: 'auto' });
    (await this.next('planner', prompt)).plan(writes(tool));
    const call = await this.next('executor', prompt);
    const worker = socketOwner(call.port, this.model.server.address().port, this.s.processes().workers.map((p) => p.pid));
    call.calls([`counting__${tool}`, args]);
    const [entry] = await ledger.happened(prompt);
    return { id, entry, worker };
  }
  /** The next model call of that role for the task with that prompt. */
  next(role, prompt) {
    return this.model.next(of(role, prompt));
  }
  /** From now on every task is planned with one step, done, and answered, without a word from the test. */
  easy() {
    this.model.always('planner', (c) => c.plan(NONE));
    this.model.always('executor', (c) => c.finish());
    this.model.always('writer', (c) => c.text('The end.'));
  }
  /** The rest of a task, from wherever it is: the step ends, the answer is written. */
  async finish(id, prompt, ...statuses) {
    this.model.always(of('executor', prompt), (c) => c.finish());
    this.model.always(of('writer', prompt), (c) => c.text(`The end of ${prompt}.`));
    return this.s.until(id, 'completed', ...statuses);
  }
}

/** The document and the whole event stream of a task, as text and number by number. */
export async function everything(s, id) {
  const { status, body, headers } = await s.json(`/v1/tasks/${id}`);
  assert.equal(status, 200, `task ${id}: ${JSON.stringify(body)}`);
  return { doc: body, etag: headers.get('etag'), events: await eventsUpTo(s, id, body.last_seq) };
}
/** Events 1..last of a task, finished or not. */
export async function eventsUpTo(s, id, last, after = 0) {
  const list = [];
  if (last <= after) return list;
  for await (const e of stream(`${s.url}/v1/tasks/${id}/stream?after=${after}`)) {
    if (e.id !== undefined) list.push(e);
    if (e.id >= last) break;
  }
  return list;
}
/** What was seen before is the beginning of what there is now, to the letter. */
export function assertPrefix(before, after, what = 'events') {
  assert.ok(after.length >= before.length, `${what}: ${before.length} before, ${after.length} now`);
  assert.deepEqual(after.slice(0, before.length), before, what);
}

/** Every task of the list, page by page; each once. */
export async function listed(s, { limit = 7, status } = {}) {
  const all = [];
  for (let cursor; ;) {
    const q = new URLSearchParams({ limit: String(limit), ...(status ? { status } : {}), ...(cursor ? { cursor } : {}) });
    // A connection that was kept may have belonged to a process that has just died.
    const { status: code, body } = await s.json(`/v1/tasks?${q}`).catch(() => s.json(`/v1/tasks?${q}`));
    assert.equal(code, 200, JSON.stringify(body));
    all.push(...body.tasks);
    if (!body.next_cursor) break;
    cursor = body.next_cursor;
  }
  const ids = all.map((t) => t.id);
  assert.equal(new Set(ids).size, ids.length, 'a task is listed twice');
  assert.deepEqual(ids, [...ids].sort().reverse(), 'newest first');
  return all;
}

/** Digest of every file under a folder, for "nothing overwritten". */
export function fingerprint(dir) {
  const list = fs.readdirSync(dir, { recursive: true, withFileTypes: true }).filter((f) => f.isFile());
  return Object.fromEntries(list.map((f) => {
    const file = path.join(f.parentPath ?? f.path, f.name);
    return [path.relative(dir, file), createHash('sha256').update(fs.readFileSync(file)).digest('hex')];
  }));
}
export const databaseFile = (dir) => {
  const found = fs.readdirSync(dir).map((name) => path.join(dir, name)).filter((f) => fs.statSync(f).isFile() && fs.readFileSync(f).subarray(0, 15).toString() === 'SQLite format 3');
  assert.equal(found.length, 1, `one database in ${dir}: ${fs.readdirSync(dir)}`);
  return found[0];
};
