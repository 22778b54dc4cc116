// SPDX-License-Identifier: Apache-2.0
// A remote server that wants authorization: a person logs in, a machine does by itself, tokens outlive restarts, and are nowhere
// but in the supervisor.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Server, eventually, onTestEnd, slow, tempDir, test } from './lib/server.mjs';
import { Model, calls, finished, planned, turns, using, written } from './lib/model.mjs';
import { filesHave, memoryHas } from './lib/secrets.mjs';
import { AuthServer } from '../fake/auth_server.mjs';

const CANARY = 'canary3f9c1d';
const remote = (a, auth = {}) => ({ id: 'mail', enabled: true, type: 'remote_http', trust_annotations: true, config: { url: a.url, auth: { allow_private: true, ...auth } } });
const server = async (s) => (await (await fetch(`${s.url}/v1/servers`)).json()).servers?.[0] ?? {}; // none while the supervisor is away
const state = (s, wanted) => eventually(async () => { const m = await server(s); return m.state === wanted && m; }, `state ${wanted}`, 15000);

async function protectedServer(options) {
  const a = await AuthServer.start({ tokenName: CANARY, ...options });
  onTestEnd(() => a.stop());
  return a;
}

test('a person logs in, the tools are there, and no token is anywhere but in the supervisor', async () => {
  const a = await protectedServer();
  const model = await Model.start({ rules: [planned({ objective: 'ask', tools: ['mail__whoami'] }), turns('s1', calls('mail__whoami'), finished('done')), written()] });
  const s = await Server.start({ tools: [remote(a)], config: using(model) });
  const waiting = await state(s, 'auth_required');
  assert.match(waiting.authorization_url, /^http:\/\/127\.0\.0\.1:\d+\/authorize\?.*code_challenge_method=S256/);
  const wrong = await fetch(`${s.url}/v1/oauth/callback?state=${'A'.repeat(43)}&code=x`);
  assert.equal(wrong.status, 404);
  assert.match(await wrong.text(), /nobody waits for this log-in/);
  const back = await a.agree(waiting.authorization_url);
  assert.ok(back.startsWith(`${s.url}/v1/oauth/callback?`), back);
  const page = await fetch(back);
  assert.equal(page.status, 200);
  assert.match(await page.text(), /mail may be used now/);
  const ready = await state(s, 'ready');
  assert.equal(ready.authorization_url, undefined);
  assert.equal(ready.tools, 1);
  assert.equal((await fetch(back)).status, 404, 'it is good once');

  // The token is no longer good: it is refreshed under the call.
  a.revoke();
  const { id } = await s.submit('who am I?', { approval: 'auto' });
  await s.until(id, 'completed');
  const events = JSON.stringify(await s.events(id));
  assert.match(events, /you are read/);
  assert.equal(a.asked.filter((x) => x.path === '/token' && x.body.includes('grant_type=refresh_token')).length, 1);
  const { workers, keeper, supervisor } = s.processes();
  assert.ok(memoryHas(supervisor.pid, `${CANARY}-refresh-`), 'the search finds what is there');
  for (const p of [...workers, keeper, { pid: s.pid, title: 'master' }]) assert.ok(!memoryHas(p.pid, `${CANARY}-`), `a token in the memory of ${p.title}`);
  assert.deepEqual(filesHave(s.storePath, CANARY), []);
  assert.ok(!s.stderr.includes(CANARY), 'a token in the log');
  assert.ok(!events.includes(CANARY));
  await s.stop();
  await model.stop();
});

test('scope: task: a person logs in once, each task has a session of its own, and the token is refreshed once for all', async () => {
  const a = await protectedServer();
  const model = await Model.start({ rules: [planned({ objective: 'ask', tools: ['mail__whoami'] }), 
    { when: { system: 'executor', turn: 0 }, respond: { tool_calls: [{ name: 'mail__whoami', arguments: {} }] } }, { when: { system: 'executor' }, respond: finished('done') }, written()] });
  const s = await Server.start({ tools: [{ ...remote(a), scope: 'task' }], config: using(model) });
  const waiting = await state(s, 'auth_required');
  assert.match(waiting.last_error, /a person must log in to mail/);
  assert.equal((await fetch(await a.agree(waiting.authorization_url))).status, 200);
  await eventually(async () => { const m = await server(s); return m.tools === 1 && m.authorization_url === undefined; }, 'tools');
  const ask = async () => {
    const ids = await Promise.all([1, 2, 3].map(async () => (await s.submit('who am I?', { approval: 'auto' })).id));
    for (const id of ids) {
      await s.until(id, 'completed');
      assert.match(JSON.stringify(await s.events(id)), /you are read/);
    }
  };
  await ask();
  assert.equal(a.asked.filter((x) => x.path === '/token').length, 1, 'one token for all sessions');
  a.revoke();
  await ask();
  assert.equal(a.asked.filter((x) => x.path === '/token' && x.body.includes('grant_type=refresh_token')).length, 1, 'one refresh for all of them');
  assert.ok((await server(s)).starts >= 7, 'a session for each task, and one that learnt of the tools');
  await s.stop();
  await model.stop();
});

test('a person who says no is asked again under another address', async () => {
  const a = await protectedServer();
  const s = await Server.start({ tools: [remote(a)] });
  const { authorization_url: first } = await state(s, 'auth_required');
  const back = new URLSearchParams({ state: new URL(first).searchParams.get('state'), iss: a.origin, error: 'access_denied', error_description: '<b>no</b>' });
  const page = await fetch(`${s.url}/v1/oauth/callback?${back}`);
  assert.equal(page.status, 401);
  const text = await page.text();
  assert.match(text, /access_denied, &lt;b&gt;no&lt;\/b&gt;/);
  assert.match(page.headers.get('content-security-policy'), /default-src 'none'/);
  await eventually(async () => { const m = await server(s); return m.authorization_url && m.authorization_url !== first; }, 'another address');
  assert.equal(a.count('/token'), 0);
  await s.stop();
});

test('a machine needs nobody: client credentials', async () => {
  const a = await protectedServer({ clients: { robot: `${CANARY}-own secret:%` } });
  const s = await Server.start({ tools: [remote(a, { client_id: 'robot', client_secret: '${ROBOT_SECRET}' })], env: { ROBOT_SECRET: `${CANARY}-own secret:%` } });
  await state(s, 'ready');
  assert.equal(a.count('/authorize') + a.count('/register'), 0);
  const { workers, keeper } = s.processes();
  if (!slow) for (const p of [...workers, keeper]) assert.ok(!memoryHas(p.pid, `${CANARY}-`), `a secret in the memory of ${p.title}`);
  assert.ok(!s.stderr.includes(CANARY));
  await s.stop();
});

test('tokens are kept encrypted and used after a restart; without the key a person is asked again', async () => {
  const a = await protectedServer(), folder = path.join(tempDir(), 'tokens');
  const key = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
  const config = { tools: { token_folder: folder } }, env = { AGENT_RUNTIME_TOKEN_KEY: key };
  const first = await Server.start({ tools: [remote(a)], config, env });
  assert.equal((await fetch(await a.agree((await state(first, 'auth_required')).authorization_url))).status, 200);
  await state(first, 'ready');
  if (!slow) for (const p of first.processes().workers) assert.ok(!memoryHas(p.pid, key), 'the key in a worker');
  await first.stop();
  const files = fs.readdirSync(folder);
  assert.equal(files.length, 1);
  assert.equal(fs.statSync(path.join(folder, files[0])).mode & 0o777, 0o600);
  assert.deepEqual(filesHave(folder, CANARY), []);

  a.revoke(); // the access token has run out; the refresh token is what counts
  const second = await Server.start({ tools: [remote(a)], config, env });
  await state(second, 'ready');
  assert.equal(a.count('/register'), 1);
  assert.equal(a.count('/authorize'), 1);
  // The supervisor dies: the next one reads what was kept.
  const { supervisor } = second.processes();
  process.kill(supervisor.pid, 'SIGKILL');
  await eventually(() => { const now = second.processes().supervisor; return now && now.pid !== supervisor.pid; }, 'a new supervisor');
  await state(second, 'ready');
  assert.equal(a.count('/authorize'), 1);
  await second.stop();

  const third = await Server.start({ tools: [remote(a)], config, env: { AGENT_RUNTIME_TOKEN_KEY: key.replaceAll('0', 'f') } });
  await third.log((l) => /cannot be decrypted/.test(l.msg));
  await state(third, 'auth_required');
  await third.stop();
});

test('private addresses that a server names are not asked unless allowed', async () => {
  const a = await protectedServer();
  const s = await Server.start({ tools: [remote(a, { allow_private: false })] });
  const failed = await eventually(async () => { const m = await server(s); return m.last_error && m; }, 'an error', 15000);
  assert.match(failed.last_error, /allow_private/);
  assert.equal(failed.authorization_url, undefined);
  assert.equal(a.count('/.well-known/oauth-protected-resource/mcp'), 0);
  await s.stop();
});
