// SPDX-License-Identifier: Apache-2.0
// Configuration as its user meets it: the files of the original service, mistakes with their place, and what overrides what.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Server, assertProblem, command, fakeMcp, mcpPackage, onTestEnd, root, tempDir, test } from './lib/server.mjs';
import { HeldModel, using } from './lib/model.mjs';

function folder(files) {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(dir, name), text);
  return dir;
}
const check = (dir, args = [], options = {}) => command(['check', '-c', path.join(dir, 'config.yaml'), ...args], options);

/** Exit code 78 and a message with all of these. */
function assertRefused(r, ...patterns) {
  assert.equal(r.code, 78, r.stdout + r.stderr);
  assert.equal(r.stdout, '');
  for (const p of patterns) assert.match(r.stderr, p);
}

test('the two files of the original service, as they are', async () => {
  const dir = folder({
    'config.yaml': 'openai:\n  api_key: "sk-original-key"\n\nserver:\n  host: "0.0.0.0"\n  port: 8080\n',
    'tool_registry.yaml': `tool_registry:\n  - id: filesystem\n    enabled: true\n    type: local_stdio\n    config:\n      command: ${process.execPath}\n      args:\n        - ${mcpPackage('@modelcontextprotocol/server-filesystem')}\n        - ${root}/etc/sample_data\n  - id: off\n    enabled: false\n    type: local_stdio\n    config:\n      command: npx\n      args: ["-y", "nothing"]\n`,
  });
  const r = await check(dir);
  assert.equal(r.code, 0, r.stderr);
  assert.match(r.stdout, /port: 8080/);
  assert.match(r.stdout, /host: "0\.0\.0\.0"/);
  assert.match(r.stdout, /api_key: "\*\*\*"/);
  assert.match(r.stdout, /api: chat/, 'a key makes it chat');
  assert.match(r.stdout, /filesystem: local_stdio, enabled/);
  assert.match(r.stdout, /off: local_stdio, disabled/);
  assert.ok(!(r.stdout + r.stderr).includes('sk-original-key'));

  const s = await Server.start({ config: { openai: { api_key: '' } }, registryText: fs.readFileSync(path.join(dir, 'tool_registry.yaml'), 'utf8') });
  await s.settled();
  const { servers } = (await s.json('/v1/servers')).body;
  assert.deepEqual(servers.map((x) => [x.id, x.enabled, x.state]), [['filesystem', true, 'ready'], ['off', false, 'stopped']]);
  await s.stop();
});

test('etc/config.yaml and etc/tool_registry.yaml are good, and check prints what can be read again', async () => {
  const first = await command(['check', '-c', path.join(root, 'etc/config.yaml')]);
  assert.equal(first.code, 0, first.stderr);
  const dir = folder({ 'config.yaml': first.stdout });
  const again = await check(dir);
  assert.equal(again.code, 0, again.stderr);
  const options = (t) => t.split('\n').filter((l) => !l.startsWith('#')).join('\n');
  assert.equal(options(again.stdout), options(first.stdout));
});

test('an mcpServers object, as desktop hosts have it', async () => {
  const s = await Server.start({ registryText: JSON.stringify({
    globalShortcut: 'Ctrl+Space',
    mcpServers: { fake: { command: fakeMcp, args: ['echo'], env: { TOKEN: 'x' } }, off: { command: 'npx', disabled: true } },
  }) });
  await s.settled();
  assert.ok((await s.json('/v1/tools')).body.tools.some((t) => t.name === 'fake__echo'));
  assert.equal((await s.json('/v1/servers')).body.servers.find((x) => x.id === 'off').enabled, false);
  await s.stop();
});

test('mistakes in config.yaml: file, line, column, the nearest right name', async () => {
  const rows = [
    ['server:\n  prot: 8080\n', /config\.yaml:2:3:/, /prot/, /"?port"?/],
    ['sever:\n  port: 1\n', /config\.yaml:1:1:/, /sever/, /server/],
    ['server:\n  port: eighty\n', /config\.yaml:2:9:/, /port/, /eighty/],
    ['server:\n  port: 70000\n', /config\.yaml:2:9:/, /65535/],
    ['server:\n  port: -1\n', /config\.yaml:2:9:/],
    ['server:\n  port: [1]\n', /config\.yaml:2:9:/, /list/],
    ['server:\n  - port\n', /config\.yaml:2:3:/, /map/],
    ['agent:\n  approval: maybe\n', /config\.yaml:2:13:/, /required/, /auto/],
    ['llm:\n  retries_max: 1.5\n', /config\.yaml:2:16:/],
    ['server:\n  port: 1\n  port: 2\n', /config\.yaml:3:3:/, /second time/],
    ['server:\n  port: "8080\n', /config\.yaml:\d+:\d+:/],
    ['server: &a\n  port: 1\n', /config\.yaml:1:/, /anchor/],
    ['- 1\n', /config\.yaml:1:1:/, /map/],
    ['openai:\n  base_url: ftp://x\n', /config\.yaml:2:13:/, /http/],
  ];
  for (const [text, ...patterns] of rows) assertRefused(await check(folder({ 'config.yaml': text })), ...patterns);
  assertRefused(await command(['check', '-c', '/nowhere/config.yaml']), /\/nowhere\/config\.yaml/);
  assertRefused(await command(['serve', '-c', path.join(folder({ 'config.yaml': 'x: 1\n' }), 'config.yaml')]), /config\.yaml:1:1/);
});

test('mistakes in the registry', async () => {
  const rows = [
    ['tool_registry:\n  - id: a\n    type: local_stdio\n    config: {comand: x}\n', /tool_registry\.yaml:4:14:/, /comand/, /command/],
    ['tool_registry:\n  - id: a\n    type: local_stdoi\n    config: {command: x}\n', /tool_registry\.yaml:3:11:/, /local_stdio/],
    ['tool_registry:\n  - enabled: true\n    config: {command: x}\n', /tool_registry\.yaml:2:/, /id/],
    ['tool_registry:\n  - {id: a, config: {command: x}}\n  - {id: a, config: {command: x}}\n', /tool_registry\.yaml:3:/, /already/],
    ['tool_registry:\n  - {id: a/b, config: {command: x}}\n', /tool_registry\.yaml:2:/],
    ['tool_registry:\n  - {id: a}\n', /command/],
    ['tool_registry:\n  - {id: a, enabled: 5, config: {command: x}}\n', /tool_registry\.yaml:2:/, /true or false/],
    ['tool_registry:\n  - {id: a, type: local_stdio, config: {command: x, url: "http://x"}}\n', /url/],
    ['tool_registry:\n  - {id: a, type: remote_http, config: {}}\n', /url/],
    ['tool_registry:\n  - {id: a, config: {command: x, args: ["${NOT_SET_ANYWHERE}"]}}\n', /tool_registry\.yaml:2:/, /NOT_SET_ANYWHERE/],
    ['tools: []\n', /tool_registry\.yaml:1:1:/, /tool_registry/],
    ['{"mcpServers": {"a": {"comand": "x"}}}\n', /comand/],
  ];
  for (const [text, ...patterns] of rows) assertRefused(await check(folder({ 'config.yaml': '', 'tool_registry.yaml': text })), ...patterns);
});

test('the registry: beside the file, named by tools.registry, missing, or none at all', async () => {
  const beside = folder({ 'config.yaml': '', 'tool_registry.yaml': 'tool_registry: []\n' });
  assert.match((await check(beside)).stdout, /tool registry: .*tool_registry\.yaml/);
  const named = folder({ 'config.yaml': 'tools:\n  registry: mine.yaml\n', 'mine.yaml': 'tool_registry:\n  - {id: x, config: {command: "${REGISTRY_DIR}/run"}}\n' });
  const r = await check(named, [], { cwd: '/' });
  assert.equal(r.code, 0, r.stderr);
  assert.match(r.stdout, /x: local_stdio, enabled/);
  assertRefused(await check(folder({ 'config.yaml': 'tools:\n  registry: not-there.yaml\n' })), /not-there\.yaml/);
  const none = await check(folder({ 'config.yaml': '' }));
  assert.equal(none.code, 0);
  assert.match(none.stdout, /no tool servers/);
});

test('environment over file, --set over both; LOG_LEVEL; AGENT_RUNTIME_CONFIG', async () => {
  const dir = folder({ 'config.yaml': 'openai:\n  api_key: sk-file\n  base_url: http://file/v1\nlog:\n  level: error\nserver:\n  port: 1111\n' });
  const env = { OPENAI_API_KEY: 'sk-env', OPENAI_BASE_URL: 'http://env/v1', LOG_LEVEL: 'debug' };
  const both = await check(dir, [], { env });
  assert.match(both.stdout, /base_url: "http:\/\/env\/v1"/);
  assert.match(both.stdout, /level: debug/);
  assert.ok(!/sk-(file|env)/.test(both.stdout));
  const set = await check(dir, ['--set', 'openai.base_url=http://set/v1', '--set', 'server.port=2222', '--set', 'log.level=warn'], { env });
  assert.match(set.stdout, /base_url: "http:\/\/set\/v1"/);
  assert.match(set.stdout, /port: 2222/);
  assert.match(set.stdout, /level: warn/);
  const named = await command(['check'], { env: { AGENT_RUNTIME_CONFIG: path.join(dir, 'config.yaml') }, cwd: '/' });
  assert.match(named.stdout, /port: 1111/);
  const here = await command(['check'], { cwd: dir });
  assert.match(here.stdout, /port: 1111/);
  const nothing = await command(['check'], { cwd: '/' });
  assert.match(nothing.stdout, /api: offline/, 'without a key nothing is asked of anybody');
  assertRefused(await check(dir, ['--set', 'server.prot=1']), /--set/, /port/);
  assertRefused(await check(dir, ['--set', 'server.port=x']), /--set server\.port/);
  assertRefused(await check(dir, ['--set', 'port=1']), /section\.name=value/);
  assertRefused(await check(dir, [], { env: { LOG_LEVEL: 'loud' } }), /LOG_LEVEL/);
});

test('a key in the environment of the service is used, and shown nowhere', async () => {
  const s = await Server.start({ env: { OPENAI_API_KEY: 'sk-in-environment' }, config: { openai: { base_url: 'http://127.0.0.1:9/v1' }, llm: { retries_max: 0 } } });
  const { id } = await s.submit('x');
  const doc = await s.until(id, 'failed');
  assert.ok(!JSON.stringify(doc).includes('sk-in-environment'));
  assert.ok(!s.stderr.includes('sk-in-environment'));
  await s.stop();
});

test('a remote server that is not there: it is tried again, and its state says what is the matter', async () => {
  const s = await Server.start({ tools: [{ id: 'remote', enabled: true, type: 'remote_http', config: { url: 'http://127.0.0.1:1/mcp' } }] });
  await s.settled();
  const [one] = (await s.json('/v1/servers')).body.servers;
  assert.equal(one.type, 'remote_http');
  assert.notEqual(one.state, 'ready');
  assert.match(one.last_error, /http:\/\/127\.0\.0\.1:1\/mcp refused the connection/);
  await s.stop();
});

test('limits that are changed are the ones that hold', async () => {
  const s = await Server.start({ config: { limits: { prompt_bytes: 16, wait_seconds: 1 } }, args: ['--set', 'limits.metadata_bytes=10'] });
  assert.equal((await s.post('/v1/tasks', { prompt: 'x'.repeat(16) })).status, 202);
  assert.equal((await s.post('/v1/tasks', { prompt: 'x'.repeat(17) })).status, 400);
  assert.equal((await s.post('/v1/tasks', { prompt: 'x', metadata: { a: 'long enough' } })).status, 400);
  await s.stop();
});

test('a mapping that is too small says what is needed', async () => {
  const s = await Server.start({ expectReady: false, config: { store: { size_mb: 8, tasks_max: 1000000 } } });
  const { code } = await s.exited;
  assert.equal(code, 78);
  assert.match(s.stderr, /store\.size_mb|size_mb/);
});

test('a full table: 503 with Retry-After; finished tasks make room, oldest first', async () => {
  const model = await HeldModel.start();
  const s = await Server.start({ config: using(model, { store: { backend: 'memory', tasks_max: 16, size_mb: 16 } }) });
  const ids = [];
  for (let i = 0; i < 16; i++) ids.push((await s.submit(`task ${i}`)).id);
  const full = await s.post('/v1/tasks', { prompt: 'one too many' });
  assert.match(assertProblem(full, 503, 'full').detail, /store\.tasks_max/);
  assert.ok(Number(full.headers.get('retry-after')) >= 1);
  for (const id of [ids[5], ids[3]]) assert.equal((await s.post(`/v1/tasks/${id}/cancel`)).status, 200);
  const more = await s.submit('one more');
  const there = async (id) => (await s.fetch(`/v1/tasks/${id}`)).status === 200;
  assert.deepEqual([await there(ids[3]), await there(ids[5]), await there(ids[0]), await there(more.id)].filter(Boolean).length, 3);
  assert.ok(await there(ids[0]), 'what is unfinished is never dropped');
  await s.submit('and another');
  assert.deepEqual([await there(ids[3]), await there(ids[5])], [false, false]);
  assertProblem(await s.post('/v1/tasks', { prompt: 'full again' }), 503, 'full');
  for (const { id } of (await s.json('/v1/tasks')).body.tasks) await s.post(`/v1/tasks/${id}/cancel`);
  await s.stop();
  await model.stop();
});
