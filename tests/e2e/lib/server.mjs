// SPDX-License-Identifier: Apache-2.0
// Starts the real service for a test, on a free port, with its own folder; stops it and checks that nothing is left over.
// Waits for events (log lines, exits), never for time.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import assert from 'node:assert/strict';
import { afterEach, test as nodeTest } from 'node:test';

const here = path.dirname(new URL(import.meta.url).pathname);
export const root = path.resolve(here, '../../..');
export const binary = process.env.AGENT_RUNTIME ?? path.join(root, 'build/agent-runtime');
/** Built with a sanitizer: no figures of time or memory are held against it. */
export const slow = /-(asan|tsan)\//.test(binary);
export const fakes = process.env.FAKES ?? path.join(root, 'build/tests/fake');
export const fakeMcp = path.join(fakes, 'mcp_fake');
export const mcpPackage = (name) => path.join(root, 'etc/mcp/node_modules', name, 'dist/index.js');

export function tempDir() {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'agent-runtime-test-'));
}

/** A test that cannot hang the whole run: what it waits for either comes or is named as missing. */
export const test = (name, fn) => nodeTest(name, { timeout: 60_000 }, fn);

/** What a test started and did not stop, because it failed on the way: ended after it, so that the next one starts clean. */
const cleanups = new Set();
export const onTestEnd = (fn) => { cleanups.add(fn); return () => cleanups.delete(fn); };
afterEach(async () => {
  for (const fn of cleanups) await fn();
  cleanups.clear();
});

/** Registry entry of a stdio server. */
export const stdio = (id, command, args = [], extra = {}) =>
  ({ id, enabled: true, type: 'local_stdio', config: { command, args, ...extra } });
/** The real filesystem server over one folder. */
export const filesystem = (dir, id = 'filesystem') =>
  stdio(id, process.execPath, [mcpPackage('@modelcontextprotocol/server-filesystem'), dir]);
/** It writes where the test says: below the folder for temporary files. A sanitizer's shadow is no memory in use. */
export const fakeSandbox = { write: [os.tmpdir()], ...(slow ? { memory: 0 } : {}) };
export const fake = (id, mode, ...args) => ({ ...stdio(id, fakeMcp, [mode, ...args]), sandbox: fakeSandbox });

/** All living descendants of a process, from /proc. */
export function descendants(pid) {
  const parents = new Map();
  for (const name of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = fs.readFileSync(`/proc/${name}/stat`, 'latin1');
      const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      parents.set(Number(name), { ppid: Number(rest[1]), state: rest[0] });
    } catch { /* it ended while we looked */ }
  }
  const found = [];
  for (let grew = true; grew;) {
    grew = false;
    for (const [p, { ppid }] of parents)
      if (!found.includes(p) && (ppid === pid || found.includes(ppid))) { found.push(p); grew = true; }
  }
  return found.map((p) => ({ pid: p, state: parents.get(p).state, title: title(p) }));
}
function title(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
  } catch { return ''; }
}
/** Does it run? A zombie does not. */
export const alive = (pid) => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch { return false; }
};
/** Looks again and again; for what no event tells. */
export async function eventually(fn, what, ms = 5000) {
  for (const end = performance.now() + ms; ;) {
    const got = await fn();
    if (got) return got;
    assert.ok(performance.now() < end, `not within ${ms} ms: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

export class Server {
  /** options: config (object by section; store.path is in the server's own folder when it does not say), tools (registry entries),
   *  env, args (further words), registryText (of the registry file), shared (lives longer than one test: whoever starts it stops it in an after hook) */
  static async start({ config = {}, tools = [], env = {}, args = [], registryText, expectReady = true, shared = false } = {}) {
    const s = new Server();
    s.dir = tempDir();
    const full = { ...config, server: { port: 0, workers: 2, debugging: 'on', ...config.server }, store: { path: path.join(s.dir, 'data'), ...config.store }, log: { level: 'debug', format: 'json', ...config.log } };
    fs.writeFileSync(path.join(s.dir, 'config.yaml'), JSON.stringify(full));
    fs.writeFileSync(path.join(s.dir, 'tool_registry.yaml'), registryText ?? JSON.stringify({ tool_registry: tools }));
    s.storePath = full.store.path;
    s.logs = [];
    s.waiters = [];
    const clean = { PATH: process.env.PATH, HOME: s.dir, ...(process.env.ASAN_OPTIONS ? { ASAN_OPTIONS: process.env.ASAN_OPTIONS } : {}), ...env };
    s.process = spawn(binary, ['serve', '-c', path.join(s.dir, 'config.yaml'), ...args], { env: clean, stdio: ['ignore', 'ignore', 'pipe'] });
    s.pid = s.process.pid;
    s.stderr = '';
    let rest = '';
    s.process.stderr.on('data', (d) => {
      s.stderr += d;
      rest += d;
      const lines = rest.split('\n');
      rest = lines.pop();
      for (const line of lines) s.#line(line);
    });
    s.exited = once(s.process, 'exit').then(([code, signal]) => { s.exit = { code, signal }; s.#line(null); return s.exit; });
    s.forget = shared ? () => {} : onTestEnd(() => s.kill());
    if (expectReady) {
      const ready = await s.log((l) => l.msg === 'ready');
      s.port = ready.port;
      s.url = `http://127.0.0.1:${s.port}`;
    }
    return s;
  }

  #line(line) {
    let entry = line;
    if (line !== null) try { entry = JSON.parse(line); } catch { entry = { msg: line, raw: true }; }
    if (entry) this.logs.push(entry);
    this.waiters = this.waiters.filter((w) => !w(entry));
  }

  /** The first log line, past or to come, for which fn is true. Fails when the server ends before. */
  log(fn, { after = 0 } = {}) {
    const past = this.logs.slice(after).find(fn);
    if (past) return Promise.resolve(past);
    return new Promise((resolve, reject) => {
      if (this.exit) reject(new Error(`the server ended with ${JSON.stringify(this.exit)}:\n${this.stderr}`));
      this.waiters.push((entry) => {
        if (entry === null) { reject(new Error(`the server ended before the log line came:\n${this.stderr}`)); return true; }
        if (!fn(entry)) return false;
        resolve(entry);
        return true;
      });
    });
  }

  /** Our processes by role, from their titles: {workers: [], supervisor, keeper, tools: []}; keeper: undefined with store.backend memory */
  processes() {
    const all = descendants(this.pid);
    return {
      workers: all.filter((p) => p.title.includes('agent-runtime: worker')),
      supervisor: all.find((p) => p.title.includes('agent-runtime: supervisor')),
      keeper: all.find((p) => p.title.includes('agent-runtime: keeper')),
      tools: all.filter((p) => !p.title.includes('agent-runtime:')),
      all,
    };
  }

  /** SIGTERM, then: exit code 0, no descendant and no socket left, no AddressSanitizer report. */
  async stop({ signal = 'SIGTERM' } = {}) {
    const before = descendants(this.pid);
    if (!this.exit) this.process.kill(signal);
    const { code, signal: by } = await this.exited;
    assert.deepEqual({ code, by }, { code: 0, by: null }, `exit of the server:\n${this.stderr.slice(-4000)}`);
    // A SIGKILL takes effect a moment after it was sent.
    let left;
    await eventually(() => { left = before.filter((p) => alive(p.pid)); return left.length === 0; }, 'no process left over', 1000).catch(() => {});
    assert.deepEqual(left, [], 'processes left over');
    assert.ok(!fs.existsSync(path.join(this.storePath, 'keeper.sock')), 'the keeper left its socket');
    assert.ok(!/Sanitizer|runtime error:/.test(this.stderr), this.stderr.slice(-6000));
    this.forget();
    fs.rmSync(this.dir, { recursive: true, force: true });
  }

  /** Everything at once, without a word. For tests that failed. */
  async kill() {
    for (const p of [...descendants(this.pid), { pid: this.pid }]) try { process.kill(p.pid, 'SIGKILL'); } catch { /* gone */ }
    await this.exited;
    fs.rmSync(this.dir, { recursive: true, force: true });
  }

  async fetch(pathname, init) { return fetch(this.url + pathname, init); }
  async json(pathname, init) {
    const r = await this.fetch(pathname, init);
    const text = await r.text();
    return { status: r.status, headers: r.headers, body: text ? JSON.parse(text) : undefined };
  }
  post(pathname, body) {
    const init = { method: 'POST' };
    if (body !== undefined) {
      init.headers = { 'content-type': 'application/json' };
      init.body = typeof body === 'string' ? body : JSON.stringify(body);
    }
    return this.json(pathname, init);
  }
  async submit(prompt, more = {}) {
    const r = await this.post('/v1/tasks', { prompt, ...more });
    assert.equal(r.status, 202, JSON.stringify(r.body));
    return r.body;
  }
  /** Waits by ?wait= until the status is one of those given. The tag says what was seen: no change falls between two waits. */
  async until(id, ...statuses) {
    let tag = '"none"';
    for (;;) {
      // A worker that is killed takes its connections with it.
      const answer = await this.json(`/v1/tasks/${id}?wait=30s`, { headers: { 'if-none-match': tag } }).catch((e) => { if (this.exit) throw e; });
      if (!answer || answer.status === 304) continue;
      const { status, headers, body } = answer;
      assert.equal(status, 200, JSON.stringify(body));
      tag = headers.get('etag');
      if (statuses.includes(body.status)) return body;
      if (['completed', 'failed', 'cancelled', 'rejected'].includes(body.status))
        assert.fail(`task ended ${body.status}, wanted ${statuses}: ${JSON.stringify(body)}`);
    }
  }
  /** Every tool server is ready or has failed once. */
  settled() { return eventually(async () => (await this.fetch('/readyz')).status === 200, 'ready', 20000); }
  /** The first event of the task, past or to come, for which fn is true. */
  async event(id, fn, after = 0) {
    for await (const e of stream(`${this.url}/v1/tasks/${id}/stream?after=${after}`)) if (fn(e)) return e;
    return assert.fail('the task ended before the event came');
  }
  /** Every event of a finished task. */
  async events(id) {
    const list = [];
    for await (const e of stream(`${this.url}/v1/tasks/${id}/stream`)) list.push(e);
    return list;
  }
}

/** Events of a stream by fetch; ends with the stream, throws when it is cut. Strict: LF only, one data line. */
export async function* stream(url, { lastEventId, signal } = {}) {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) };
  const response = await fetch(url, { headers, signal });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type').split(';')[0], 'text/event-stream');
  let rest = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    assert.ok(!chunk.includes('\r'), 'carriage return in a stream');
    rest += chunk;
    for (let at; (at = rest.indexOf('\n\n')) >= 0;) {
      const block = rest.slice(0, at);
      rest = rest.slice(at + 2);
      const e = {};
      for (const line of block.split('\n')) {
        if (line.startsWith(':') || line === '') continue;
        const colon = line.indexOf(': ');
        e[line.slice(0, colon)] = line.slice(colon + 2);
      }
      if (e.event) yield { id: e.id === undefined ? undefined : Number(e.id), event: e.event, data: JSON.parse(e.data) };
    }
  }
}

/** The process among `pids` that holds the connection whose own port is `local` and whose peer's port is `remote`. */
export function socketOwner(local, remote, pids) {
  const hex = (n) => n.toString(16).toUpperCase().padStart(4, '0');
  const line = fs.readFileSync('/proc/net/tcp', 'latin1').split('\n').map((l) => l.trim().split(/\s+/))
    .find((f) => f[1]?.endsWith(`:${hex(local)}`) && f[2]?.endsWith(`:${hex(remote)}`));
  if (!line) return undefined;
  return pids.find((pid) => {
    try {
      return fs.readdirSync(`/proc/${pid}/fd`).some((fd) => {
        try { return fs.readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${line[9]}]`; } catch { return false; }
      });
    } catch { return false; }
  });
}

/** Runs the binary to its end. */
export function command(args, { env = {}, cwd, input } = {}) {
  const child = spawn(binary, args, { cwd, env: { PATH: process.env.PATH, HOME: os.tmpdir(), ...env }, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
  const done = onTestEnd(() => child.kill('SIGKILL'));
  const out = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (d) => { out.stdout += d; });
  child.stderr.setEncoding('utf8').on('data', (d) => { out.stderr += d; });
  if (input !== undefined) child.stdin.end(input);
  const ended = once(child, 'close').then(([code, signal]) => { done(); return { code, signal, ...out }; });
  return Object.assign(ended, { child, out });
}

/** An answer as RFC 9457 wants it, of this status and this stable type; returns it. */
export function assertProblem(response, status, slug) {
  const text = JSON.stringify(response.body);
  assert.equal(response.status, status, text);
  assert.equal(response.headers.get('content-type'), 'application/problem+json', text);
  assert.equal(response.body.type, `/problems/${slug}`, text);
  assert.equal(response.body.status, status);
  assert.ok(response.body.title.length > 0 && response.body.detail.length > 0, text);
  return response.body;
}

/** Ids are 1..n without gap. */
export function assertDense(events, from = 1) {
  const ids = events.map((e) => e.id).filter((id) => id !== undefined);
  assert.deepEqual(ids, ids.map((_, i) => from + i));
}
