// SPDX-License-Identifier: Apache-2.0
// Both wires of the protocol over both transports, through the real service: which one a server speaks is found out, shown, and
// harms no server that takes the question badly; what the wire of 2026-07-28 alone has is there.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Site } from './lib/durable.mjs';
import { Server, eventually, fakeSandbox, fakes, onTestEnd, stdio, stream, tempDir, test } from './lib/server.mjs';
import { Model, calls, finished, planned, turns, using, written } from './lib/model.mjs';
import { ModernServer } from '../fake/modern_http.mjs';
import { OddServer } from '../fake/remote_mcp.mjs';

const scratch = () => {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
};
const log = (dir, id) => path.join(dir, `${id}.log`);
const local = (dir, id, mode, era) =>
  ({ ...stdio(id, path.join(fakes, 'modern_mcp'), [mode, log(dir, id)], era ? { era } : {}), sandbox: fakeSandbox, trust_annotations: true });
const remote = (id, url, extra = {}) => ({ id, enabled: true, type: 'remote_http', trust_annotations: true, config: { url, ...extra } });
/** What each process of that server was asked, in order: [[method, ...], ...]. */
function asked(dir, id) {
  const processes = new Map();
  for (const line of fs.readFileSync(log(dir, id), 'utf8').split('\n').filter(Boolean)) {
    const [pid, method] = line.split(' ');
    processes.set(pid, [...processes.get(pid) ?? [], method]);
  }
  return [...processes.values()];
}
const peer = async (Kind, mode) => {
  const p = await Kind.start(mode);
  onTestEnd(() => p.stop());
  return p;
};

async function start(tools, responses, config = {}) {
  // Named in the plan: what remote servers say is untrusted, after which other tools would be asked about.
  const named = [...new Set(responses.map((r) => r.tool_calls[0].name))].filter((name) => name !== 'finish_step');
  const model = await Model.start({ rules: [planned({ objective: 'use tools', effect: 'write', tools: named }), turns('s1', ...responses), written()] });
  const s = await Server.start({ tools, config: using(model, { tools: { restart_ms_min: 10, restart_ms_max: 50, ...config } }) });
  await s.settled();
  return { s, end: async () => { await s.stop(); await model.stop(); } };
}
const row = async (s, id) => (await s.json('/v1/servers')).body.servers.find((x) => x.id === id);
async function run(s) {
  const { id } = await s.submit('go', { approval: 'auto' });
  const seen = [];
  for await (const e of stream(`${s.url}/v1/tasks/${id}/stream`)) seen.push(e);
  return seen.filter((e) => /^tool\.(completed|failed)$/.test(e.event)).map((e) => e.data.result?.content?.[0]?.text ?? e.data.error?.message);
}

test('four cells: modern and handshake, on stdio and over HTTP, found out and called', async () => {
  const dir = scratch();
  const [modern, legacy] = [await peer(ModernServer), await peer(OddServer, 'plain')];
  const b = await start([local(dir, 'mod', 'modern', 'auto'), local(dir, 'old', 'legacy', 'auto'), remote('httpmod', modern.url), remote('httpold', legacy.url)], [
    calls('mod__echo', { text: 'one' }), calls('old__echo', { text: 'two' }), calls('httpmod__region', { r: 'Zürich' }), calls('httpold__read', {}), finished('fine')]);
  for (const [id, era, version, how] of [['mod', 'modern', '2026-07-28', /as the modern wire demands/], ['old', 'handshake', '2025-11-25', /does not know/],
    ['httpmod', 'modern', '2026-07-28', /as the modern wire demands/], ['httpold', 'handshake', '2025-11-25', /otherwise/]]) {
    const one = await row(b.s, id);
    assert.deepEqual([one.state, one.era, one.protocol_version, one.era_found.era], ['ready', era, version, era], `${id}: ${one.last_error}`);
    assert.match(one.era_found.how, how);
    assert.ok(Date.now() - Date.parse(one.era_found.at) < 60_000, one.era_found.at);
  }
  assert.deepEqual((await row(b.s, 'mod')).server_info, { name: 'modern-fake', version: '2' });
  assert.deepEqual(await run(b.s), ['one', 'two', 'region Zürich', 'read it']);
  assert.deepEqual(asked(dir, 'mod').map((p) => p[0]), ['server/discover', 'server/discover']);
  assert.deepEqual(asked(dir, 'old').map((p) => p[0]), ['server/discover', 'initialize']);
  assert.ok(!modern.methods().includes('initialize') && modern.requests.every((q) => q.method === 'POST'), modern.methods().join());
  await b.end();
});

test('servers that exit, hang or flood when they are asked: only the process that is thrown away is harmed', async () => {
  const dir = scratch();
  const ids = ['exits', 'hangs', 'floods'];
  const b = await start(ids.map((id) => local(dir, id, id, 'auto')), [...ids.map((id) => calls(`${id}__echo`, { text: id })), finished('fine')], { probe_seconds: 2 });
  for (const id of ids) {
    const one = await row(b.s, id);
    assert.deepEqual([one.state, one.era, one.restarts, one.last_error], ['ready', 'handshake', 0, null]);
  }
  assert.deepEqual(await run(b.s), ids);
  for (const id of ids) assert.deepEqual(asked(dir, id).map((p) => p[0]), ['server/discover', 'initialize']);
  await b.end();
});

test('without era a local server gets the handshake at once, and era: handshake asks no remote one', async () => {
  const dir = scratch();
  const legacy = await peer(OddServer, 'plain');
  const b = await start([local(dir, 'dual', 'dual'), remote('http', legacy.url, { era: 'handshake' })], [finished('fine')]);
  for (const id of ['dual', 'http']) assert.deepEqual([(await row(b.s, id)).era, (await row(b.s, id)).era_found], ['handshake', null]);
  assert.deepEqual(asked(dir, 'dual').map((p) => p[0]), ['initialize']);
  assert.equal(legacy.requests[0].body.method, 'initialize');
  await b.end();
});

test('the modern wire over HTTP: bad annotations leave one tool out, changes are told, headers that no longer fit are made again', async () => {
  const modern = await peer(ModernServer, 'renames');
  const b = await start([remote('m', modern.url)], [calls('m__region', { r: 'a' }), calls('m__grow', {}), calls('m__region', { r: 'b' }), finished('fine')]);
  const one = await row(b.s, 'm');
  assert.deepEqual(one.quarantined.map((x) => x.name), ['bad']);
  assert.match(one.quarantined[0].reason, /x-mcp-header/);
  assert.deepEqual(await run(b.s), ['region a', 'grown', 'region b']);
  const last = modern.requests.filter((q) => q.body.params?.name === 'region').map((q) => [q.headers['mcp-param-region'], q.headers['mcp-param-place']]);
  assert.deepEqual(last, [['a', undefined], ['b', undefined], [undefined, 'b']]);
  await b.end();
  const telling = await peer(ModernServer);
  const c = await start([remote('m', telling.url)], [calls('m__grow', {}), finished('fine')]);
  const before = (await row(c.s, 'm')).tools;
  await run(c.s);
  await eventually(async () => (await row(c.s, 'm')).tools === before + 1, 'the new tool is listed', 20_000);
  assert.equal(telling.methods().filter((m) => m === 'subscriptions/listen').length, 1);
  await c.end();
});

test('the modern wire over HTTP: a cancelled call closes its stream, and nothing else is sent', async () => {
  const modern = await peer(ModernServer);
  const b = await start([remote('m', modern.url)], [calls('m__stall', {}), finished('fine')]);
  const { id } = await b.s.submit('go', { approval: 'auto' });
  await eventually(() => modern.requests.some((q) => q.body.params?.name === 'stall'), 'the call is made', 20_000);
  assert.equal(modern.cut, 0);
  assert.equal((await b.s.post(`/v1/tasks/${id}/cancel`)).status, 200);
  await eventually(() => modern.cut === 1, 'the stream is closed', 20_000);
  assert.ok(!modern.methods().includes('notifications/cancelled'));
  await b.end();
});

for (const [name, make] of [['stdio', async () => local(scratch(), 'm', 'modern', 'modern')], ['HTTP', async () => remote('m', (await peer(ModernServer)).url)]])
  test(`the modern wire on ${name}: what the server requires is asked of a person, and goes back with the state as it came`, async () => {
    const site = await Site.open({ tools: [await make()] });
    const { id } = await site.s.submit('medlar', { approval: 'auto' });
    (await site.next('planner', 'medlar')).plan({ objective: 'ask', tools: ['m__ask'], effect: 'write' });
    (await site.next('executor', 'medlar')).calls(['m__ask', {}]);
    let doc;
    await eventually(async () => {
      doc = (await site.s.json(`/v1/tasks/${id}`)).body;
      return doc.status === 'input_required';
    }, 'the task asks', 20_000);
    assert.equal(doc.pending.kind, 'elicitation');
    assert.equal(doc.pending.message, 'Who are you?');
    const r = await site.s.post(`/v1/tasks/${id}/input`, { id: doc.pending.id, action: 'accept', content: { name: 'Ada' } });
    assert.equal(r.status, 200, JSON.stringify(r.body));
    const turn = await site.next('executor', 'medlar');
    assert.match(JSON.stringify(turn.told), /accept: (hello )?Ada/);
    turn.finish();
    await site.finish(id, 'medlar');
    await site.end();
  });
