// SPDX-License-Identifier: Apache-2.0
// Secrets stay where they are used. Every kind of secret that the service is given has a name of its own here; all of them are used,
// shown to servers that hand them back in their errors, and carried through deaths of every process and a reload; then they are
// looked for in the memory, command line and environment of every process, on the disk, in the log, and in all that clients are told.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Server, eventually, fake, onTestEnd, slow, test } from './lib/server.mjs';
import { Model, finished, planned, using, written } from './lib/model.mjs';
import { filesHave, memoryHolds, wordsHold } from './lib/secrets.mjs';
import { AuthServer } from '../fake/auth_server.mjs';
import { OddServer } from '../fake/remote_mcp.mjs';

const secret = (what) => `canary-${what}-${randomBytes(9).toString('hex')}`;
const remote = (id, url, config) => ({ id, enabled: true, type: 'remote_http', trust_annotations: true, config: { url, era: 'handshake', ...config } });

async function peer(start) {
  const p = await start();
  onTestEnd(() => p.stop());
  return p;
}

/** All servers but the one that dies are ready, and that one has told its secret to the log. */
const settled = (s) => eventually(async () => {
  const { servers } = (await s.json('/v1/servers').catch(() => ({ body: {} }))).body; // a killed worker takes its connections with it
  return servers?.length && servers.every((x) => (x.id === 'tells' ? x.last_error : x.state === 'ready'));
}, 'servers that are ready', 20_000);

async function killed(s, role) {
  const old = s.processes()[role];
  process.kill(old.pid, 'SIGKILL');
  await eventually(() => { const now = s.processes()[role]; return now && now.pid !== old.pid; }, `another ${role}`);
}

test('no secret is anywhere but where it is used: memory of every process, disk, log, events, answers', async (t) => {
  const names = { model: 'sk-', environment: '', stderr: '', bearer: '', header: '', client: '', token: '' };
  const is = Object.fromEntries(Object.entries(names).map(([what, before]) => [what, before + secret(what)]));
  const auth = await peer(() => AuthServer.start({ tokenName: is.token, clients: { robot: is.client } }));
  const bearer = await peer(() => OddServer.start('plain')), mirror = await peer(() => OddServer.start('mirror')), forbids = await peer(() => OddServer.start('mirror-403'));
  const given = { auth: { type: 'bearer', token: '${BEARER}' }, headers: { 'X-Key': '${HEADER}' } };
  const tools = [
    { ...fake('local', 'echo'), config: { ...fake('local', 'echo').config, env: { SERVICE_TOKEN: '${ENVIRONMENT}' } } },
    { ...fake('tells', 'tell-secret'), config: { ...fake('tells', 'tell-secret').config, env: { SERVICE_TOKEN: '${STDERR}' } } },
    fake('other', 'echo'),
    remote('bearer', bearer.url, given), remote('mirror', mirror.url, given), remote('forbids', forbids.url, given),
    remote('mail', auth.url, { auth: { allow_private: true, client_id: 'robot', client_secret: '${CLIENT}' } }),
  ];
  const used = ['local__echo', 'other__echo', 'bearer__read', 'mirror__read', 'forbids__read', 'mail__whoami'];
  const model = await Model.start({ rules: [
    { when: { system: 'planner', user: 'refused' }, respond: { status: 401, body: { error: { message: `Incorrect API key provided: ${is.model}. Really, ${is.model}.` } } } },
    planned({ objective: 'use all', tools: used }),
    { when: { system: 'executor', turn: 0 }, respond: { tool_calls: used.map((name) => ({ name, arguments: /echo/.test(name) ? { text: 'hello' } : {} })).concat({ name: 'mail__whoami', arguments: { fail: true } }) } },
    { when: { system: 'executor' }, respond: finished('used') }, written()] });
  const config = using(model, { openai: { api_key: '' }, tools: { restart_ms_min: 10, restart_ms_max: 50 }, server: { workers: 2 } });
  const env = { OPENAI_API_KEY: is.model, ENVIRONMENT: is.environment, STDERR: is.stderr, BEARER: is.bearer, HEADER: is.header, CLIENT: is.client };
  const s = await Server.start({ tools, config, env });
  await settled(s);

  const said = [];
  const run = async (prompt, status) => {
    const { id } = await s.submit(prompt, { approval: 'auto' });
    said.push(await s.until(id, status), await s.events(id));
    return said.at(-1);
  };
  const round = async () => {
    const ends = (await run('use all', 'completed')).filter((e) => /^tool\.(completed|failed)$/.test(e.event));
    assert.equal(ends.length, used.length + 1);
    assert.deepEqual(ends.filter((e) => e.event === 'tool.failed').map((e) => e.data.server).sort(), ['forbids', 'mail', 'mirror'], JSON.stringify(ends));
    await run('refused', 'failed');
    for (const at of ['/v1/servers', '/v1/tools', '/v1/tasks', '/readyz', '/openapi.json', '/v1/tasks/none', '/v1/oauth/callback?state=x&code=y']) {
      const r = await s.fetch(at);
      said.push([at, await r.text(), [...r.headers]]);
    }
  };
  await round();
  for (const role of ['supervisor', 'keeper']) await killed(s, role);
  const [worker] = s.processes().workers;
  process.kill(worker.pid, 'SIGKILL');
  await eventually(() => { const { workers } = s.processes(); return workers.length === 2 && workers.every((p) => p.pid !== worker.pid); }, 'another worker');
  await settled(s);
  // A reload replaces one server and hands the supervisor its variables anew.
  const from = s.logs.length;
  fs.writeFileSync(path.join(s.dir, 'tool_registry.yaml'), JSON.stringify({ tool_registry: [{ ...tools[0], config: { ...tools[0].config, args: ['echo', '2'] } }, ...tools.slice(1)] }));
  process.kill(s.pid, 'SIGHUP');
  await s.log((l) => l.server === 'local' && l.msg === 'tool server is ready', { after: from });
  await round();

  const all = Object.values(is), label = (text) => Object.keys(is).find((k) => is[k] === text);
  const { workers, supervisor, keeper, all: every } = s.processes();
  const pidOf = async (id) => (await s.json('/v1/servers')).body.servers.find((x) => x.id === id).pid;
  const local = await pidOf('local');
  // What each may hold. The master starts workers and supervisors, for which it needs what came with its environment.
  const may = (pid) => {
    if (pid === s.pid) return ['model', 'environment', 'stderr', 'bearer', 'header', 'client'];
    if (workers.some((p) => p.pid === pid)) return ['model'];
    if (pid === supervisor.pid) return ['environment', 'stderr', 'bearer', 'header', 'client', 'token'];
    return pid === local ? ['environment'] : [];
  };
  const found = [];
  for (const { pid, title } of [{ pid: s.pid, title: 'master' }, ...every]) {
    if (/tell-secret/.test(title) || title === '') continue; // it has its own secret, and is about to end
    for (const text of wordsHold(pid, all)) if (!(pid === local && text === is.environment)) found.push(`${label(text)} in what ps shows of ${title}`);
    if (!slow) for (const text of memoryHolds(pid, all)) if (!may(pid).includes(label(text))) found.push(`${label(text)} in the memory of ${title}`);
  }
  assert.ok(slow || memoryHolds(supervisor.pid, all).map(label).includes('token'), 'the search finds what is there');
  assert.ok(slow || memoryHolds(workers[0].pid, all).map(label).includes('model'), 'the search finds what is there');
  assert.ok(keeper);
  for (const text of all) {
    for (const file of filesHave(s.storePath, text)) found.push(`${label(text)} in ${file}`);
    if (s.stderr.includes(text)) found.push(`${label(text)} in the log: ${s.logs.filter((l) => JSON.stringify(l).includes(text)).map((l) => JSON.stringify(l)).slice(0, 3)}`);
    for (const one of said) if (JSON.stringify(one).includes(text)) found.push(`${label(text)} in ${JSON.stringify(one).slice(0, 60)} … ${JSON.stringify(one).split(text)[0].slice(-200)}`);
  }
  assert.deepEqual([...new Set(found)], []);
  assert.match(said.find((one) => one[0] === '/v1/servers')[1], /token \*+ for/, 'the server did tell its secret');
  t.diagnostic(`${all.length} secrets, ${every.length + 1} processes`);
  await s.stop();
  await model.stop();
});
