// SPDX-License-Identifier: Apache-2.0
// A disk that is full, fails, or holds what cannot be used: nothing is acknowledged that is not there, what is there is read on, what
// is wrong is said, and nothing is overwritten.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Site, databaseFile, everything, fingerprint, listed, roleOf, scratch } from './lib/durable.mjs';
import { setDisk } from './lib/preload.mjs';
import { Server, alive, assertDense, assertProblem, descendants, eventually, onTestEnd, slow, tempDir, test } from './lib/server.mjs';

const tmpfs = (dir, mib) => execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', dir], { stdio: 'ignore' });
/** A small file system of its own. */
function smallDisk(mib) {
  const dir = tempDir();
  tmpfs(dir, mib);
  onTestEnd(() => { execFileSync('umount', ['-l', dir]); fs.rmdirSync(dir); });
  return dir;
}
const probe = (() => {
  const dir = tempDir();
  try {
    tmpfs(dir, 1);
    execFileSync('umount', [dir]);
    return false;
  } catch { return 'mounting a small file system needs rights that we do not have here'; } finally { fs.rmdirSync(dir); }
})();
const mounting = (name, fn) => test(name, probe ? (t) => t.skip(probe) : fn);
const preloading = (name, fn) => test(name, slow ? (t) => t.skip('a preloaded library and a sanitizer do not go together') : fn);

const submit = (s, i, more = {}) => s.post('/v1/tasks', { prompt: `Say hello ${i}`, approval: 'auto', ...more });
/** Every promise was kept. */
async function assertKept(s, ids) {
  for (const id of ids) assertDense((await everything(s, (await s.until(id, 'completed', 'failed')).id)).events);
  const there = new Set((await listed(s, { limit: 100 })).map((t) => t.id));
  for (const id of ids) assert.ok(there.has(id));
}
const checksOf = async (s) => (await s.json('/readyz')).body;

mounting('a disk that is full: new tasks are refused with what to do, reading goes on, and it recovers by itself', async () => {
  const dir = smallDisk(12);
  const site = await Site.open({ model: false, store: { path: path.join(dir, 'data') }, config: { limits: { prompt_bytes: 200_000 } } });
  const { s } = site;
  const ids = [];
  for (let i = 0; i < 5; i++) ids.push((await s.submit(`Say hello ${i}`, { approval: 'auto' })).id);
  for (const id of ids) await s.until(id, 'completed');
  for (let round = 0; round < 2; round++) {
    // Somebody else fills what is left.
    const ballast = fs.openSync(path.join(dir, 'ballast'), 'w');
    try { for (;;) fs.writeSync(ballast, Buffer.alloc(4096)); } catch (e) { assert.equal(e.code, 'ENOSPC'); }
    fs.closeSync(ballast);
    const refused = await eventually(async () => {
      const r = await submit(s, `full ${round}`, { metadata: { pad: 'x'.repeat(16_000) } });
      if (r.status === 202) { ids.push(r.body.id); return null; }
      return r;
    }, 'a full disk', 30_000);
    const said = assertProblem(refused, 507, 'no-space');
    assert.match(said.detail, /disk|space|room/i);
    const ready = await s.json('/readyz');
    assert.match(JSON.stringify(ready.body), /space|room|full/i, 'readiness tells');
    const first = await everything(s, ids[0]);
    assert.equal(first.doc.status, 'completed');
    assertDense(first.events);
    assert.ok((await listed(s)).length >= 5);
    fs.rmSync(path.join(dir, 'ballast'));
    const again = await eventually(async () => { const r = await submit(s, `again ${round}`); return r.status === 202 ? r : null; }, 'room again', 30_000);
    ids.push(again.body.id);
    await assertKept(s, ids);
    assert.equal((await s.fetch('/readyz')).status, 200);
  }
  await site.restart();
  await assertKept(site.s, ids);
  await site.end();
  await site.assertWhole();
});

mounting('a disk that is full when tasks run: what was acknowledged ends when there is room, or after a restart', async () => {
  const dir = smallDisk(12);
  const site = await Site.open({ store: { path: path.join(dir, 'data') } });
  const { s, model } = site;
  const { id } = await s.submit('apple', { approval: 'auto' });
  const call = await model.next('planner');
  const ballast = fs.openSync(path.join(dir, 'ballast'), 'w');
  try { for (;;) fs.writeSync(ballast, Buffer.alloc(4096)); } catch (e) { assert.equal(e.code, 'ENOSPC'); }
  fs.closeSync(ballast);
  site.easy();
  call.plan({ objective: `think ${'x'.repeat(60_000)}`, effect: 'none' });
  await eventually(async () => (await submit(s, 'x', { metadata: { pad: 'x'.repeat(16_000) } })).status === 507, 'a full disk', 30_000);
  const { last_seq: shown } = (await s.json(`/v1/tasks/${id}`)).body;
  fs.rmSync(path.join(dir, 'ballast'));
  const doc = await s.until(id, 'completed', 'failed');
  assert.ok(doc.last_seq > shown);
  assertDense(await s.events(id));
  await site.end();
  await site.assertWhole();
});

preloading('a write that fails: nothing more is acknowledged, reading goes on, the keeper says so and ends, the next start has every promise', async () => {
  for (const [call, error] of [['sync', 'EIO'], ['write', 'EIO']]) {
    const dir = scratch();
    const disk = setDisk(path.join(dir, 'data'));
    const site = await Site.open({ model: false, dir, env: disk.env });
    const { s } = site;
    const ids = [];
    for (let i = 0; i < 5; i++) ids.push((await s.submit(`Say hello ${i}`, { approval: 'auto' })).id);
    for (const id of ids) await s.until(id, 'completed');
    const keeper = roleOf(s, 'keeper').pid;
    disk.fail(call, error);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => submit(s, `broken ${i}`)));
    for (const r of answers) assertProblem(r, 503, answers[0].body.type.split('/').at(-1));
    assert.match(answers[0].body.detail, /\w/);
    await eventually(() => !alive(keeper), 'the keeper ends', 10_000);
    const { syncs, writes } = disk.counts;
    assert.equal(call === 'sync' ? syncs : writes, 1, 'what failed is not tried again');
    const ready = await s.json('/readyz');
    assert.equal(ready.status, 503);
    assert.match(JSON.stringify(ready.body), /disk|write|sync|store|I\/O/i, JSON.stringify(ready.body));
    assert.ok(s.logs.some((l) => l.level === 'error' && /keeper|disk|database|sync|write/i.test(JSON.stringify(l))), 'the log says it');
    for (const id of ids) {
      const { status, body } = await s.json(`/v1/tasks/${id}`);
      assert.equal(status, 200);
      assert.equal(body.status, 'completed');
    }
    disk.heal();
    assert.equal((await submit(s, 'healed')).status, 503, 'not in this life');
    assert.equal(roleOf(s, 'keeper'), undefined, 'nobody opens the file again');
    await site.restart();
    await assertKept(site.s, ids);
    for (const { prompt } of await listed(site.s)) assert.match(prompt, /^Say hello (\d|broken|healed)/, 'nothing that nobody asked for');
    await site.end();
    await site.assertWhole();
  }
});

preloading('no space at a sync or write, then room: refused with 507, then taken, without a restart', async () => {
  const dir = scratch();
  const disk = setDisk(path.join(dir, 'data'));
  const site = await Site.open({ model: false, dir, env: disk.env });
  const { s } = site;
  const ids = [(await s.submit('Say hello', { approval: 'auto' })).id];
  await s.until(ids[0], 'completed');
  disk.fail('write', 'ENOSPC');
  const refused = await eventually(async () => {
    const r = await submit(s, 'full');
    if (r.status === 202) ids.push(r.body.id);
    return r.status === 202 ? null : r;
  }, 'a refusal', 30_000);
  assertProblem(refused, 507, 'no-space');
  assert.equal((await s.json(`/v1/tasks/${ids[0]}`)).status, 200);
  disk.heal();
  ids.push((await eventually(async () => { const r = await submit(s, 'again'); return r.status === 202 ? r : null; }, 'room again', 30_000)).body.id);
  await assertKept(s, ids);
  await site.restart();
  await assertKept(site.s, ids);
  await site.end();
  await site.assertWhole();
});

// --- what cannot be used at the start: exit code 78, a message with the file in it, nothing overwritten ---

/** A store with one finished task in it, and no server. */
async function stopped() {
  const site = await Site.open({ model: false });
  const { id } = await site.s.submit('Say hello', { approval: 'auto' });
  await site.s.until(id, 'completed');
  await site.s.stop();
  return { site, id, file: databaseFile(site.path) };
}
async function assertRefused(site, wanted, { folder = site.path, store = {} } = {}) {
  const before = fingerprint(folder);
  const s = await Server.start({ config: { llm: { api: 'offline' }, store: { backend: 'sqlite', path: site.path, ...store } }, expectReady: false });
  const { code } = await s.exited;
  assert.equal(code, 78, s.stderr);
  assert.match(s.stderr, wanted);
  assert.ok(s.stderr.includes(site.path), `names the place: ${s.stderr}`);
  const after = fingerprint(folder);
  for (const [name, digest] of Object.entries(before)) assert.equal(after[name], digest, `${name} is not what it was`);
  assert.deepEqual(descendants(s.pid), []);
  return s.stderr;
}

test('a database that another service has open is left to it', async () => {
  const site = await Site.open({ model: false });
  const other = await Server.start({ config: { llm: { api: 'offline' }, store: { backend: 'sqlite', path: site.path } }, expectReady: false });
  const { code } = await other.exited;
  assert.equal(code, 78, other.stderr);
  assert.match(other.stderr, /lock|another|in use/i);
  const { id } = await site.s.submit('Say hello', { approval: 'auto' });
  await site.s.until(id, 'completed');
  await site.end();
  await site.assertWhole();
});

test('a database that is damaged is refused, and not touched', async () => {
  const { site, file } = await stopped();
  const good = fs.readFileSync(file);
  const damages = {
    'no database at all': Buffer.from('hello, this is somebody\'s diary\n'.repeat(500)),
    'its head is gone': Buffer.concat([Buffer.alloc(100), good.subarray(100)]),
    'its first page is noise': Buffer.concat([good.subarray(0, 100), Buffer.alloc(3996, 0xa5), good.subarray(4096)]),
    'it was cut': good.subarray(0, 4096),
  };
  for (const [what, bytes] of Object.entries(damages)) {
    fs.writeFileSync(file, bytes);
    await assertRefused(site, /database|damaged|corrupt|malformed/i);
    const { code } = await site.verify();
    assert.notEqual(code, 0, `verify: ${what}`);
  }
  fs.writeFileSync(file, good);
  await site.start();
  assert.equal((await listed(site.s)).length, 1);
  await site.end();
});

test('a database written by a newer version is refused, and not touched', async () => {
  const { site, file } = await stopped();
  execFileSync('python3', ['-c', `import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute("pragma user_version=9999"); c.commit()`, file]);
  assert.match(await assertRefused(site, /version/i), /9999|newer/);
});

test('a path that cannot be a folder, or cannot be written, is refused', async () => {
  const dir = scratch();
  fs.writeFileSync(path.join(dir, 'file'), 'x');
  for (const bad of [path.join(dir, 'file'), path.join(dir, 'file', 'below'), '/proc/1/nothing', '/sys/nothing'])
    await assertRefused({ path: bad }, /\w/, { folder: dir });
});

mounting('a file system that is read-only is refused, and left as it is', async () => {
  const dir = smallDisk(12);
  const site = await Site.open({ model: false, store: { path: path.join(dir, 'data') } });
  const { id } = await site.s.submit('Say hello', { approval: 'auto' });
  await site.s.until(id, 'completed');
  await site.s.stop();
  execFileSync('mount', ['-o', 'remount,ro', dir]);
  await assertRefused(site, /read-only|readonly|written|write|permission/i);
  execFileSync('mount', ['-o', 'remount,rw', dir]);
  await site.start();
  await assertKept(site.s, [id]);
  await site.end();
});
