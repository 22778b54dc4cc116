// SPDX-License-Identifier: Apache-2.0
// Local servers that nobody here wrote, at the edges of what stdio allows: the conformance suite of MCP tests none of this. Their
// scripted relatives, which do worse, are in tool_faults.test.mjs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { alive, descendants, eventually, fake, fakeMcp, mcpPackage, onTestEnd, root, stdio, stream, tempDir, test } from './lib/server.mjs';
import { begin, called, ended, serverIs, state } from './lib/calling.mjs';

const FILE_BYTES = 10_500_000;
const official = (id, args = [], more = {}) => stdio(id, process.execPath, [mcpPackage(`@modelcontextprotocol/server-${id}`), ...args], more);

function scratch() {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}
/** Quotes, backslashes and line breaks are written as two letters each: the line is much longer than the file. */
function largeFile(dir) {
  const file = path.join(dir, 'large.txt'), line = 'a line "of" text \\ with marks\n';
  fs.writeFileSync(file, line.repeat(Math.ceil(FILE_BYTES / line.length)).slice(0, FILE_BYTES));
  return file;
}

test('end of input while a timer runs: server-everything stays, gets SIGTERM, and is gone', async () => {
  const b = await begin([official('everything')]);
  const [text] = await called(b, [['everything__toggle-simulated-logging', {}]]);
  assert.match(text, /Started/);
  const { pid } = await state(b.s, 'everything');
  await b.end();
  assert.ok(b.s.logs.some((l) => l.msg === 'tool server got SIGTERM' && l.server === 'everything'), 'the end of its input was not enough');
  assert.ok(!b.s.logs.some((l) => l.msg === 'tool server got SIGKILL'), 'SIGTERM was');
  assert.ok(!alive(pid));
});

test('npx: whatever kills the wrapper, the server behind it goes too, and both come back', async () => {
  const dir = scratch();
  fs.writeFileSync(path.join(dir, 'a.txt'), 'here');
  const b = await begin([stdio('npx', 'npx', ['--no-install', 'mcp-server-filesystem', dir], { cwd: path.join(root, 'etc/mcp') })]);
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    const { pid } = await serverIs(b.s, 'npx', (x) => x.state === 'ready');
    const family = [pid, ...descendants(pid).map((p) => p.pid)];
    assert.ok(family.length >= 2, 'npx has the server as a child of its own');
    process.kill(pid, signal);
    await eventually(() => family.every((p) => !alive(p)), `all of ${family} gone after ${signal}`);
    await serverIs(b.s, 'npx', (x) => x.state === 'ready' && x.pid !== pid);
    assert.deepEqual(await called(b, [['npx__read_text_file', { path: path.join(dir, 'a.txt') }]]), ['here']);
  }
  const family = descendants((await state(b.s, 'npx')).pid);
  await b.end();
  assert.ok(family.every((p) => !alive(p.pid)));
});

test('three times 100 KiB on stderr within calls: each is answered, the end of it is kept', async () => {
  const b = await begin([official('sequential-thinking')], { config: { tools: { stderr_bytes: 4096 } } });
  const thought = (n) => ['sequential-thinking__sequentialthinking', { thought: `${n} ${'hm '.repeat(34_000)}`, nextThoughtNeeded: n < 3, thoughtNumber: n, totalThoughts: 3 }];
  const texts = await called(b, [thought(1), thought(2), thought(3)]);
  assert.deepEqual(texts.map((x) => JSON.parse(x).thoughtNumber), [1, 2, 3]);
  const { stderr_tail: tail, state: now } = await state(b.s, 'sequential-thinking');
  assert.equal(now, 'ready');
  assert.ok(tail.length > 0 && tail.length <= 4096, `${tail.length}`);
  await b.end();
});

test('a file of 10.5 MB is one line of over 20: whole as an artifact by default, a clear refusal below', async () => {
  const dir = scratch(), file = largeFile(dir);
  const b = await begin([official('filesystem', [dir])]);
  const [whole] = await ended(b, [['filesystem__read_text_file', { path: file }]]);
  assert.equal(whole.event, 'tool.completed', JSON.stringify(whole).slice(0, 1000));
  assert.equal(whole.data.truncated, true);
  assert.ok(whole.data.result_bytes > 2 * FILE_BYTES, `${whole.data.result_bytes}`);
  const kept = JSON.parse(await (await b.s.fetch(whole.data.artifact.url)).text());
  assert.equal(kept.content[0].text, fs.readFileSync(file, 'utf8'));
  await b.end();

  const small = await begin([official('filesystem', [dir])], { config: { tools: { line_bytes: 10 << 20 } } });
  const [refused, after] = await ended(small, [['filesystem__read_text_file', { path: file }], ['filesystem__list_directory', { path: dir }]]);
  assert.equal(refused.event, 'tool.failed');
  // What the limit is, how far over it, how to raise it.
  assert.match(refused.data.error.message, /answer of 2\d{7} bytes is over the limit of 10485760 for one message: raise tools\.line_bytes/);
  assert.match(after.data.result.content[0].text, /large\.txt/);
  assert.equal((await state(small.s, 'filesystem')).restarts, 0);
  await small.end();
});

test('a banner on stdout before the server: passed over', async () => {
  const dir = scratch();
  fs.writeFileSync(path.join(dir, 'a.txt'), 'here');
  const script = 'echo "Loading tools…"; echo "{not json}"; exec "$0" "$@"';
  const b = await begin([stdio('banner', '/bin/sh', ['-c', script, process.execPath, mcpPackage('@modelcontextprotocol/server-filesystem'), dir])]);
  assert.deepEqual(await called(b, [['banner__read_text_file', { path: path.join(dir, 'a.txt') }]]), ['here']);
  const one = await state(b.s, 'banner');
  assert.equal(one.state, 'ready');
  assert.equal(one.junk_lines, 2);
  await b.end();
});

test('notifications before the result of the call they belong to are told, in order', async () => {
  const b = await begin([official('everything')]);
  const { id } = await b.s.submit('try', { approval: 'auto' });
  (await b.model.next('planner')).plan({ objective: 'try', tools: ['everything__trigger-long-running-operation'] });
  const following = (async () => { const all = []; for await (const e of stream(`${b.s.url}/v1/tasks/${id}/stream`)) all.push(e); return all; })();
  (await b.model.next('executor')).calls(['everything__trigger-long-running-operation', { duration: 0.5, steps: 5 }]);
  (await b.model.next('executor')).finish();
  (await b.model.next('writer')).text('Done.');
  await b.s.until(id, 'completed');
  const kinds = (await following).filter((e) => /^tool\.(progress|completed)$/.test(e.event));
  assert.deepEqual(kinds.map((e) => e.data.progress ?? e.event), [1, 2, 3, 4, 5, 'tool.completed']);
  await b.end();
});

test('what the real ones ask and tell by themselves breaks nothing: their ids begin at 0 as ours might, their lists change in bursts', async () => {
  const dir = scratch();
  const b = await begin([official('everything'), official('filesystem', [dir]), official('memory', [], { env: { MEMORY_FILE_PATH: path.join(dir, 'm.jsonl') } })]);
  const texts = await called(b, [['everything__echo', { message: 'a' }], ['filesystem__list_allowed_directories', {}], ['memory__read_graph', {}], ['everything__echo', { message: 'b' }]]);
  assert.match(texts[0], /Echo: a/);
  assert.match(texts[1], new RegExp(path.basename(dir)));
  assert.match(texts[3], /Echo: b/);
  for (const one of (await b.s.json('/v1/servers')).body.servers) assert.deepEqual([one.state, one.restarts, one.junk_lines, one.late_answers], ['ready', 0, 0, 0], JSON.stringify(one));
  await b.end();
});

test('asked first which era they speak, real ones and one that exits because of it serve all the same', async () => {
  const leaves = 'read -r line; case "$line" in *server/discover*) exit 7;; esac; (printf "%s\\n" "$line"; exec cat) | "$0" echo';
  const b = await begin([official('everything', [], { era: 'auto' }), official('sequential-thinking', [], { era: 'auto' }), stdio('leaves', '/bin/sh', ['-c', leaves, fakeMcp], { era: 'auto' })]);
  for (const id of ['everything', 'sequential-thinking', 'leaves']) {
    const one = await serverIs(b.s, id, (x) => x.state === 'ready');
    assert.deepEqual([one.era, one.restarts], ['handshake', 0], JSON.stringify(one));
  }
  const texts = await called(b, [['everything__echo', { message: 'a' }], ['leaves__echo', { text: 'b' }]]);
  assert.match(texts[0], /Echo: a/);
  assert.equal(texts[1], 'b');
  await b.end();
});

test('silence to the handshake, an exit because of it, deafness to SIGTERM: told apart, each for itself', async () => {
  const b = await begin([fake('silent', 'never-init'), fake('leaves', 'exit-at-once'), fake('deaf', 'stubborn'), fake('good', 'echo')], { config: { tools: { start_seconds: 1 } } });
  assert.match((await serverIs(b.s, 'silent', (x) => x.last_error)).last_error, /initialize/);
  assert.match((await serverIs(b.s, 'leaves', (x) => x.last_error)).last_error, /status 3/);
  assert.deepEqual(await called(b, [['deaf__echo', { text: 'still' }], ['good__echo', { text: 'fine' }]]), ['still', 'fine']);
  const { pid } = await state(b.s, 'deaf');
  await b.end();
  assert.ok(b.s.logs.some((l) => l.msg === 'tool server got SIGKILL' && l.server === 'deaf'));
  assert.ok(!alive(pid));
});
