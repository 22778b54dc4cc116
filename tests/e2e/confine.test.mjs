// SPDX-License-Identifier: Apache-2.0
// Local tool servers are confined by default: one that means harm gets nothing, whatever it starts goes with it, and honest ones do
// not notice. What this system's kernel lacks is named by GET /v1/servers; what cannot be shown without it is said and left out.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Server, alive, descendants, eventually, fake, fakes, mcpPackage, onTestEnd, root, slow, stdio, tempDir, test } from './lib/server.mjs';
import { begin, called, state } from './lib/calling.mjs';

const hostile = (id, sandbox = {}, more = {}) => ({ ...stdio(id, path.join(fakes, 'hostile_mcp'), [], more), sandbox: sandbox === 'off' ? 'off' : { ...(slow ? { memory: 0 } : {}), ...sandbox } });

function scratch() {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Closed after the test, whatever becomes of it. */
function listening(server, where) {
  onTestEnd(() => { server.closeAllConnections?.(); server.close(); });
  return typeof where === 'string' ? server.listen(where) : server.listen(where, '127.0.0.1');
}

const tries = (b, id, list) => called(b, list.map((args) => [`${id}__try`, args]));

/** What was told of a server's files, sorted: [call, path, use]. All of it, when told after `last`, a path it tries at the end. */
async function filesTold(s, id, last) {
  if (last) await s.log((l) => l.server === id && l.path === last && l.use);
  return s.logs.filter((l) => l.server === id && l.use).map((l) => [l.call, l.path, l.use]).sort();
}

/** Says what this kernel cannot show. */
async function kernel(t, s, id) {
  const { sandbox } = await state(s, id);
  for (const part of sandbox.missing) t.diagnostic(`not shown, this system lacks it: ${part}`);
  return { files: sandbox.landlock !== null, signals: (sandbox.landlock ?? 0) >= 6, calls: sandbox.seccomp, asks: !sandbox.missing.some((m) => m.startsWith('processes')) };
}

test('a hostile server: no file, process, network or part of the kernel beyond its own', async (t) => {
  const dir = scratch(), mine = path.join(dir, 'mine');
  fs.mkdirSync(mine);
  fs.writeFileSync(path.join(mine, 'a'), 'a');
  fs.writeFileSync(path.join(dir, 'outside'), 'secret');
  let met = 0;
  const listener = listening(net.createServer((c) => { met += 1; c.destroy(); }), 0);
  const local = listening(net.createServer((c) => { met += 1; c.destroy(); }), path.join(mine, 'socket'));
  await Promise.all([once(listener, 'listening'), once(local, 'listening')]);
  const b = await begin([hostile('hostile', { write: [mine] }), hostile('sibling'), fake('good', 'echo')]);
  const { port } = listener.address(), sibling = (await state(b.s, 'sibling')).pid, { supervisor, workers } = b.s.processes();
  const has = await kernel(t, b.s, 'hostile');
  const attempts = [
    ...has.files ? [
      ['EACCES', { what: 'read', path: '/proc/1/environ' }], ['EACCES', { what: 'read', path: `/proc/${supervisor.pid}/environ` }],
      ['EACCES', { what: 'read', path: `/proc/${supervisor.pid}/mem` }], ['EACCES', { what: 'read', path: `/proc/${workers[0].pid}/environ` }],
      ['EACCES', { what: 'read', path: `/proc/${sibling}/cmdline` }], ['EACCES', { what: 'read', path: path.join(dir, 'outside') }],
      ['EACCES', { what: 'write', path: path.join(dir, 'new') }], ['EACCES', { what: 'list', path: dir }], ['EACCES', { what: 'list', path: '/proc' }],
      ['EACCES', { what: 'read', path: '/etc/shadow' }], ['EACCES', { what: 'list', path: os.tmpdir() }], ['EACCES', { what: 'write', path: '/usr/bin/env' }],
      ['EACCES', { what: 'write', path: path.join(fakes, 'new') }], ['EACCES', { what: 'read', path: path.join(b.s.dir, 'tool_registry.yaml') }],
    ] : [],
    ...has.calls ? [
      ['EACCES', { what: 'connect', port }], ['EACCES', { what: 'datagram', port }], ['EACCES', { what: 'socket', path: path.join(mine, 'socket') }],
      ['EPERM', { what: 'ptrace', pid: sibling }], ['EPERM', { what: 'ptrace', pid: supervisor.pid }], ['EPERM', { what: 'memory-of', pid: supervisor.pid }],
      ['EPERM', { what: 'mount' }], ['EPERM', { what: 'namespace' }], ['EPERM', { what: 'bpf' }], ['EPERM', { what: 'uring' }], ['EPERM', { what: 'limits' }],
    ] : [],
    ...has.signals ? [['EPERM', { what: 'signal', pid: sibling }], ['EPERM', { what: 'signal', pid: supervisor.pid }], ['EPERM', { what: 'signal', pid: b.s.pid }]] : [],
    ['done', { what: 'read', path: path.join(mine, 'a') }], ['done', { what: 'write', path: path.join(mine, 'b') }], ['done', { what: 'read', path: '/proc/self/environ' }],
  ];
  const refused = attempts.filter(([error, { what }]) => error === 'EACCES' && ['read', 'write', 'list'].includes(what));
  const said = await tries(b, 'hostile', attempts.map(([, args]) => args));
  assert.deepEqual(attempts.map(([, args], i) => [said[i], args]), attempts);
  assert.equal(met, 0, 'nobody got through');
  // What the kernel asks us about is in the log, once for each call that was tried.
  const told = b.s.logs.filter((l) => l.server === 'hostile' && l.call && !l.use).map((l) => l.call).sort();
  if (has.asks) assert.deepEqual(told, ['bpf', 'connect', 'io_uring_setup', 'mount', 'process_vm_readv', 'ptrace', 'socket', 'unshare'].sort());
  if (has.files && has.asks) {
    const files = await filesTold(b.s, 'hostile', refused.at(-1)[1].path);
    assert.deepEqual(files, refused.map(([, { what, path: tried }]) => ['openat', tried, what === 'write' ? 'write' : 'read']).sort());
  }
  assert.ok(alive(sibling) && alive(supervisor.pid));
  assert.deepEqual(fs.readdirSync(dir).sort(), ['mine', 'outside']);
  await b.end();
});

test('files in the log: what leads out of the grants by a link, once for each use; not what does not exist', async (t) => {
  const dir = scratch(), mine = path.join(dir, 'mine'), out = path.join(dir, 'outside'), end = path.join(dir, 'end');
  fs.mkdirSync(mine);
  for (const file of [out, end, path.join(mine, 'a')]) fs.writeFileSync(file, 'a');
  fs.symlinkSync(out, path.join(mine, 'link'));
  fs.symlinkSync('a', path.join(mine, 'inner'));
  const b = await begin([hostile('hostile', { write: [mine] }), hostile('silent', { log_files: false })]);
  const has = await kernel(t, b.s, 'hostile');
  if (!has.files || !has.asks) return b.end();
  assert.deepEqual(await tries(b, 'silent', [{ what: 'read', path: end }]), ['EACCES']);
  const attempts = [
    ['done', 'read', path.join(mine, 'inner')], ['done', 'list', mine], ['done', 'read', '/proc/self/status'], ['done', 'read', '/dev/null'], ['done', 'read', '/bin/sh'],
    ['ENOENT', 'read', path.join(dir, 'none')], ['ENOENT', 'read', '/proc/self/none'], ['ENOENT', 'read', '/proc/99999999/environ'], ['ENOENT', 'write', path.join(dir, 'none', 'new')],
    ['EACCES', 'read', path.join(mine, 'link')], ['EACCES', 'read', path.join(mine, 'link')], ['EACCES', 'write', path.join(mine, 'link')],
    ['EACCES', 'read', `${mine}/../outside`], ['EACCES', 'read', path.join(dir, 'con\ntrol')], ['EACCES', 'read', end],
  ];
  fs.writeFileSync(path.join(dir, 'con\ntrol'), 'a');
  const said = await tries(b, 'hostile', attempts.map(([, what, tried]) => ({ what, path: tried })));
  assert.deepEqual(said.map((word, i) => [word, ...attempts[i].slice(1)]), attempts);
  assert.deepEqual(await filesTold(b.s, 'hostile', end), [
    ['openat', path.join(mine, 'link'), 'read'], ['openat', path.join(mine, 'link'), 'write'],
    ['openat', out, 'read'], ['openat', path.join(dir, 'con\ntrol'), 'read'], ['openat', end, 'read'],
  ].sort());
  assert.deepEqual(b.s.logs.filter((l) => l.real_path).map((l) => [l.level, l.real_path]), [['warn', out], ['warn', out]]);
  assert.deepEqual(await filesTold(b.s, 'silent'), []);
  await b.end();
});

test('what is granted is granted, and `sandbox: off` is off', async () => {
  const dir = scratch();
  fs.writeFileSync(path.join(dir, 'a'), 'a');
  const listener = listening(net.createServer((c) => c.destroy()), 0);
  await once(listener, 'listening');
  const connect = { what: 'connect', port: listener.address().port }, datagram = { what: 'datagram', port: 9 };
  const b = await begin([hostile('reads', { read: [dir], network: 'loopback' }), hostile('all', { network: 'all' }), hostile('off', 'off')]);
  const { sandbox } = await state(b.s, 'reads');
  const reads = await tries(b, 'reads', [{ what: 'read', path: path.join(dir, 'a') }, connect, datagram]);
  assert.deepEqual(reads, ['done', sandbox.missing.some((m) => m.startsWith('loopback')) ? 'EACCES' : 'done', 'EACCES']);
  if (sandbox.landlock) assert.deepEqual(await tries(b, 'reads', [{ what: 'write', path: path.join(dir, 'a') }]), ['EACCES']);
  assert.deepEqual(await tries(b, 'all', [connect, datagram]), ['done', 'done']);
  assert.deepEqual(await tries(b, 'off', [{ what: 'write', path: path.join(dir, 'b') }, connect]), ['done', 'done']);
  assert.equal((await state(b.s, 'off')).sandbox, null);
  assert.equal(sandbox.network, 'loopback');
  await b.end();
});

test('its share and no more: processes, descriptors, memory, processor time; the others go on', async (t) => {
  const b = await begin([hostile('hostile', { processes: 20, files: 64, memory: slow ? 0 : 256 }), hostile('spins', { cpu: 1 }), fake('good', 'echo')]);
  const has = await kernel(t, b.s, 'hostile');
  const [files, memory] = await tries(b, 'hostile', [{ what: 'files' }, { what: 'allocate', count: 300 }]);
  assert.match(files, /^[56]\d, then EMFILE$/);
  if (!slow) assert.match(memory, /^2\d\d, then ENOMEM$/);
  if (has.asks) {
    const [bomb] = await tries(b, 'hostile', [{ what: 'fork', count: 200 }]);
    assert.match(bomb, /^1?\d, then EAGAIN$/);
    const told = await b.s.log((l) => /limit of processes/.test(l.msg));
    assert.deepEqual([told.server, told.limit, told.level], ['hostile', 20, 'warn']);
    assert.deepEqual(await called(b, [['good__echo', { text: 'still here' }]]), ['still here']);
    const tools = b.s.processes().tools.length;
    assert.ok(tools <= 22, `${tools} processes of three servers`);
  }
  const { id } = await b.s.submit('spin', { approval: 'auto' });
  (await b.model.next('planner')).plan({ objective: 'spin', tools: ['spins__try'], effect: 'write' });
  (await b.model.next('executor')).calls(['spins__try', { what: 'spin' }]);
  const ended = await b.s.log((l) => l.server === 'spins' && /failed/.test(l.msg));
  assert.match(ended.error, /CPU time limit exceeded/);
  await b.s.until(id, 'input_required');
  await b.s.post(`/v1/tasks/${id}/cancel`);
  await b.end();
});

test('one that opens files for ever, in several processes, takes nothing from the others and is stopped like any', async () => {
  const b = await begin([hostile('hostile'), fake('good', 'echo')]);
  const list = Array.from({ length: 20 }, (_, i) => ['good__echo', { text: `${i}` }]);
  assert.deepEqual(await tries(b, 'hostile', [{ what: 'flood', path: '/etc/shadow', count: 4 }, { what: 'flood', path: '/usr/bin/env', count: 4 }]), ['done', 'done']);
  assert.deepEqual(await called(b, list), list.map(([, { text }]) => text));
  const { pid } = await state(b.s, 'hostile');
  process.kill(pid, 'SIGKILL');
  await b.s.log((l) => /left processes behind/.test(l.msg) && l.server === 'hostile');
  assert.ok(b.s.logs.filter((l) => l.use).length <= 1, 'each path once');
  await b.end();
});

test('nothing outlives its server: a daemon, the bomb, the wrapped one; temporary files go with it', async () => {
  const b = await begin([hostile('hostile'), fake('wrapped', 'wrapper')]);
  const [daemon, folder] = await tries(b, 'hostile', [{ what: 'stay' }, { what: 'where' }]);
  assert.equal((await tries(b, 'hostile', [{ what: 'write', path: path.join(folder, 'mess') }]))[0], 'done');
  assert.equal(fs.statSync(folder).mode & 0o777, 0o700);
  const { pid } = await state(b.s, 'hostile');
  assert.ok(alive(Number(daemon)));
  process.kill(pid, 'SIGKILL');
  await eventually(() => !alive(Number(daemon)), 'the daemon goes with its server');
  const left = await b.s.log((l) => /left processes behind/.test(l.msg));
  assert.deepEqual([left.server, left.pid, left.level], ['hostile', pid, 'warn']);
  await eventually(() => !fs.existsSync(folder), 'its folder is gone');
  const wrapped = descendants((await state(b.s, 'wrapped')).pid);
  assert.ok(wrapped.length >= 2, JSON.stringify(wrapped));
  await b.end();
  assert.ok(wrapped.every((p) => !alive(p.pid)));
});

test('a supervisor that is killed leaves no process and no folder behind', async () => {
  const b = await begin([hostile('hostile'), fake('wrapped', 'wrapper'), fake('grand', 'grandchild')], { env: { TMPDIR: scratch() } });
  const [daemon, folder] = await tries(b, 'hostile', [{ what: 'stay' }, { what: 'where' }]);
  // It dies with questions about files open: whoever waits for an answer waits for nobody.
  await tries(b, 'hostile', [{ what: 'write', path: path.join(folder, 'mess') }, { what: 'flood', path: '/usr/bin/env', count: 2 }]);
  for (let round = 0; round < 3; round++) {
    const { supervisor } = b.s.processes(), before = descendants(supervisor.pid), from = b.s.logs.length;
    assert.ok(before.length >= 6 || round > 0, JSON.stringify(before));
    process.kill(supervisor.pid, 'SIGKILL');
    await eventually(() => before.every((p) => !alive(p.pid)), 'all that its servers had started', 5000);
    await Promise.all(['hostile', 'wrapped', 'grand'].map((id) => b.s.log((l) => l.msg === 'tool server is ready' && l.server === id, { after: from })));
  }
  assert.ok(!alive(Number(daemon)));
  await eventually(() => !fs.existsSync(folder), 'the folder of the killed one');
  await b.end();
});

test('a server that requires its sandbox is not started without a part of it; others are, and the log says what is missing', async () => {
  const s = await Server.start({ tools: [hostile('strict', { require: true }), hostile('easy')], config: { llm: { api: 'offline' } }, env: { TMPDIR: '/nonexistent' } });
  await s.settled();
  const strict = await state(s, 'strict'), easy = await state(s, 'easy');
  assert.equal(strict.state, 'failed');
  assert.match(strict.last_error, /requires its sandbox.*lacks a part/);
  assert.equal(easy.state, 'ready');
  assert.ok(easy.sandbox.missing.some((m) => m.startsWith('temporary folder')));
  assert.equal(s.logs.filter((l) => /not confined in every way/.test(l.msg) && /^temporary folder/.test(l.missing)).length, 1, 'said once');
  await s.stop();
});

test('our own processes are closed to others of the same user', async (t) => {
  if (process.getuid() === 0) return t.skip('root may look into every process');
  const s = await Server.start({ config: { server: { debugging: 'off' }, llm: { api: 'offline' } } });
  for (const { pid } of [{ pid: s.pid }, ...s.processes().all]) assert.throws(() => fs.readFileSync(`/proc/${pid}/environ`), /EACCES/);
  return s.stop();
});

test('the five real servers, and npx, do their work under the default sandbox', async (t) => {
  const dir = scratch(), kept = path.join(dir, 'kept', 'memory.jsonl');
  fs.mkdirSync(path.join(dir, 'files'));
  const page = listening(http.createServer((req, res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<html><head><title>Loop</title></head><body><p>From the page of this machine.</p></body></html>')), 0);
  await once(page, 'listening');
  const url = `http://127.0.0.1:${page.address().port}/`;
  const node = (id, name, args = [], env = {}) => stdio(id, process.execPath, [mcpPackage(name), ...args], { env });
  const official = (id, ...more) => node(id, `@modelcontextprotocol/server-${id}`, ...more);
  const b = await begin([
    official('filesystem', [path.join(dir, 'files')]), official('everything'), official('memory', [], { MEMORY_FILE_PATH: kept }), official('sequential-thinking'),
    node('fetch', '@kazuph/mcp-fetch', [], { MCP_FETCH_DISABLE_SSRF_GUARD: '1' }),
    { ...node('fetches', '@kazuph/mcp-fetch', [], { MCP_FETCH_DISABLE_SSRF_GUARD: '1' }), sandbox: { network: 'loopback' } },
    stdio('npx', 'npx', ['--no-install', 'mcp-server-filesystem', path.join(dir, 'files')], { cwd: path.join(root, 'etc/mcp') }),
  ]);
  const { servers } = (await b.s.json('/v1/servers')).body;
  assert.deepEqual(servers.map((x) => [x.id, x.state]), servers.map((x) => [x.id, 'ready']), JSON.stringify(servers));
  const has = await kernel(t, b.s, 'everything');
  const texts = await called(b, [
    ['filesystem__write_file', { path: path.join(dir, 'files', 'a.txt'), content: 'written' }],
    ['npx__read_text_file', { path: path.join(dir, 'files', 'a.txt') }],
    ['everything__get-env', {}],
    ['everything__get-sum', { a: 2, b: 40 }],
    ['memory__create_entities', { entities: [{ name: 'Ada', entityType: 'person', observations: ['counts'] }] }],
    ['sequential-thinking__sequentialthinking', { thought: 'hm', nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 }],
    ['fetch__imageFetch', { url }],
    ['fetches__imageFetch', { url }],
  ]);
  assert.match(texts[1], /^written$/);
  assert.match(JSON.parse(texts[2]).TMPDIR, /agent-runtime-\d+\/s-/);
  assert.match(texts[3], /42/);
  assert.match(fs.readFileSync(kept, 'utf8'), /Ada/);
  assert.match(texts[5], /thoughtHistoryLength/);
  if (has.calls) assert.doesNotMatch(texts[6], /From the page/);
  if (has.asks) assert.match(texts[7], /From the page of this machine/);
  // Nothing of it was refused. (npx looks for its own folder in the user's, and for its own in /proc from below a shell.)
  const told = b.s.logs.filter((l) => l.use && l.server !== 'npx');
  assert.deepEqual(told.map((l) => [l.server, l.call, l.path]), []);
  await b.end();
});
