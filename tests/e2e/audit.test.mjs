// SPDX-License-Identifier: Apache-2.0
// What an operator tries before trusting the service: limits to the byte, eviction under a reader, a worker that hangs, more
// workers than CPUs, odd names and closed descriptors.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import assert from 'node:assert/strict';
import { assertProblem, binary, eventually, filesystem, root, Server, stdio, stream, tempDir, test } from './lib/server.mjs';

test('a prompt of exactly limits.prompt_bytes is taken, one byte more is not; bytes count, not characters', async () => {
  const s = await Server.start({ config: { limits: { prompt_bytes: 300 } } });
  for (const [prompt, status] of [['a'.repeat(300), 202], ['a'.repeat(301), 400], ['日'.repeat(100), 202], ['日'.repeat(101), 400], ['😀'.repeat(75), 202]]) {
    const answer = await s.post('/v1/tasks', { prompt });
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    if (status === 202) assert.equal(answer.body.prompt, prompt);
    else assert.match(assertProblem(answer, 400, 'invalid-field').detail, /limits\.prompt_bytes/);
  }
  await s.stop();
});

test('metadata comes back as it was sent: large numbers, decimals, names with marks', async () => {
  const s = await Server.start();
  const metadata = '{"big":12345678901234567890123,"price":1.50,"":"","__proto__":{"a/b~c":[null,true]},"ключ":"\\u20ac \\"x\\""}';
  const response = await s.fetch('/v1/tasks', { method: 'POST', headers: { 'content-type': 'application/json' }, body: `{"prompt":"hello","metadata":${metadata}}` });
  assert.equal(response.status, 202);
  const text = await response.text();
  assert.ok(text.includes('"big":12345678901234567890123'), text);
  assert.ok(/"price":1\.50?[,}]/.test(text), text);
  assert.equal(JSON.stringify(JSON.parse(text).metadata), JSON.stringify(JSON.parse(metadata)));
  await s.stop();
});

test('a finished task makes room while somebody reads its stream: the stream is cut, which is no end', async () => {
  const dir = tempDir();
  fs.writeFileSync(path.join(dir, 'big.txt'), 'The quick brown fox jumps over the dog. '.repeat(150_000));
  const s = await Server.start({
    tools: [filesystem(dir)],
    config: { store: { backend: 'memory', tasks_max: 16, size_mb: 192, task_bytes: 134_217_728 }, limits: { tool_result_bytes: 8_000_000 } },
  });
  await s.settled();
  const task = await s.submit(`Read ${dir}/big.txt`, { approval: 'auto' });
  await s.until(task.id, 'completed');
  // More than the kernel buffers of a connection hold.
  const reader = net.connect(s.port, '127.0.0.1');
  reader.on('error', () => {}); // reset: that is the point
  const closed = new Promise((resolve) => { reader.on('close', resolve); });
  await once(reader, 'connect');
  reader.write(`GET /v1/tasks/${task.id}/stream HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(reader, 'readable'); // and is not read any more
  for (let i = 0; i < 40; i++) await s.submit(`hello ${i}`, { approval: 'auto' });
  assertProblem(await s.json(`/v1/tasks/${task.id}`), 404, 'not-found');
  let got = '';
  reader.setEncoding('latin1').on('data', (d) => { got = (got + d).slice(-200); });
  await closed;
  assert.ok(!got.includes('event: end') && !got.endsWith('0\r\n\r\n'), got);
  await s.stop();
  fs.rmSync(dir, { recursive: true });
});

test('a thousand tasks through a table of 64: all are taken, none is left running', async () => {
  const s = await Server.start({ config: { store: { backend: 'memory', tasks_max: 64 } } });
  for (let i = 0; i < 1000; i++) await s.submit(`hello ${i}`, { approval: 'auto' });
  await eventually(async () => {
    const { body } = await s.json('/v1/tasks?limit=200');
    return body.tasks.length === 64 && body.tasks.every((t) => t.status === 'completed');
  }, 'the last 64 completed');
  await s.stop();
});

test('a worker that is stopped by SIGSTOP: the others go on serving and running', async () => {
  const s = await Server.start({ config: { server: { workers: 3, drain_seconds: 1 } } });
  const [held] = s.processes().workers;
  process.kill(held.pid, 'SIGSTOP');
  for (let i = 0; i < 20; i++) {
    const headers = { connection: 'close', 'content-type': 'application/json' };
    const answer = await fetch(`${s.url}/v1/tasks`, { method: 'POST', headers, body: '{"prompt":"hello"}', signal: AbortSignal.timeout(5000) });
    const { id } = await answer.json();
    await eventually(async () => (await (await fetch(`${s.url}/v1/tasks/${id}`, { headers, signal: AbortSignal.timeout(5000) })).json()).status === 'completed', 'completed');
  }
  await s.stop(); // also with the worker that cannot hear it
});

test('32 workers, 200 subscribers: all of them see the same', async () => {
  const s = await Server.start({ config: { server: { workers: 32 } } });
  const task = await s.submit('hello', { approval: 'auto' });
  const seen = await Promise.all(Array.from({ length: 200 }, async () => {
    const names = [];
    for await (const e of stream(`${s.url}/v1/tasks/${task.id}/stream`)) names.push(`${e.id} ${e.event}`);
    return names.join();
  }));
  assert.equal(new Set(seen).size, 1);
  assert.ok(seen[0].endsWith('end'));
  await s.stop();
});

const oddServer = `
import { createInterface } from 'node:readline';
const names = ['a.b/c', '日本', 'x'.repeat(200), 'x'.repeat(199) + 'y', 'a b', '../../etc/passwd', 'A_b'];
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  const answer = (result) => console.log(JSON.stringify({ jsonrpc: '2.0', id, result }));
  if (method === 'initialize') answer({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'odd', version: '1' } });
  else if (method === 'tools/list') answer({ tools: names.map((name) => ({ name, inputSchema: { type: 'object' }, annotations: { readOnlyHint: true } })) });
  else if (id !== undefined) answer({});
});`;
test('tools with dots, slashes, spaces, other scripts and very long names get legal names of their own', async () => {
  const dir = tempDir();
  fs.writeFileSync(path.join(dir, 'odd.mjs'), oddServer);
  const s = await Server.start({ tools: [stdio('odd', process.execPath, [path.join(dir, 'odd.mjs')])] });
  await s.settled();
  const { body } = await s.json('/v1/tools');
  assert.equal(body.tools.length, 7, JSON.stringify(body));
  assert.equal(new Set(body.tools.map((t) => t.name)).size, 7);
  for (const t of body.tools) assert.match(t.name, /^[a-zA-Z0-9_-]{1,64}$/);
  await s.stop();
  fs.rmSync(dir, { recursive: true });
});

test('what killed a Node tool server is named, not the version that Node prints last', async () => {
  const s = await Server.start({ tools: [stdio('gone', process.execPath, ['/nonexistent/server.js'])] });
  await s.settled();
  const { body } = await s.json('/v1/servers');
  assert.match(body.servers[0].last_error, /Cannot find module '\/nonexistent\/server\.js'/);
  await s.stop();
});

test('descriptors 0, 1 and 2 closed: it serves, and nothing is written into a connection', async () => {
  const dir = tempDir();
  const port = path.join(dir, 'port');
  const child = spawn('sh', ['-c', `exec "$0" serve --set server.port=0 --set server.port_file=${port} --set store.path=${dir}/data <&- >&- 2>&-`, binary], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const url = await eventually(() => fs.existsSync(port) && fs.readFileSync(port, 'utf8').trim(), 'port file');
  for (let i = 0; i < 20; i++) assert.deepEqual(await (await fetch(`http://127.0.0.1:${url}/livez`)).json(), { status: 'ok' });
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  fs.rmSync(dir, { recursive: true });
});

test('make run takes a prompt as it was typed, dollar signs and quotes too', () => {
  const prompt = 'it\'s "5 $HOME $(x) `y` $';
  const rule = ['--eval', 'show: ; @printf %s "$$PROMPT_TEXT"', '-s', 'show'];
  const env = { PATH: process.env.PATH };
  assert.equal(execFileSync('make', [...rule, `PROMPT=${prompt}`], { cwd: root, env, encoding: 'utf8' }), prompt);
  assert.equal(execFileSync('make', rule, { cwd: root, env: { ...env, PROMPT: prompt }, encoding: 'utf8' }), prompt);
  assert.match(execFileSync('make', rule, { cwd: root, env, encoding: 'utf8' }), /^Read a file/);
});
