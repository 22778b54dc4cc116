// SPDX-License-Identifier: Apache-2.0
// Requests that are wrong, and what becomes of the server: it says what is wrong, and goes on serving.
import { after, afterEach, before } from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { Server, assertProblem, test } from './lib/server.mjs';
import { exchange, statusOf } from './lib/raw.mjs';

let s;
before(async () => { s = await Server.start({ shared: true, config: { limits: { request_seconds: 1, body_bytes: 4096, prompt_bytes: 1000, metadata_bytes: 200, json_depth: 16 } } }); });
after(async () => { await s.stop(); });
// Whatever a test did, the same server takes the next good request, without a process having died for it.
afterEach(async () => {
  const { id } = await s.submit('still there?');
  assert.equal((await s.json(`/v1/tasks/${id}`)).status, 200);
  assert.ok(!s.logs.some((l) => /died|keeps dying/.test(l.msg)), s.stderr);
});

const create = (body, headers = { 'content-type': 'application/json' }) => s.json('/v1/tasks', { method: 'POST', headers, body });

test('body over the limit: 413, announced or not', async () => {
  const large = JSON.stringify({ prompt: 'x'.repeat(5000) });
  const problem = assertProblem(await create(large), 413, 'too-large');
  assert.match(problem.detail, /4096/);
  assert.match(problem.detail, /limits\.body_bytes/, 'says how to raise it');
  const chunked = await exchange(s.port, `POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${'800\r\n' + 'x'.repeat(2048) + '\r\n'}${'800\r\n' + 'x'.repeat(2048) + '\r\n'}${'800\r\n' + 'x'.repeat(2048) + '\r\n'}0\r\n\r\n`);
  assert.equal(statusOf(chunked.text), 413);
  assert.ok(chunked.closed);
});

test('body just within the limit is taken', async () => {
  const empty = JSON.stringify({ prompt: 'p', metadata: {} });
  assert.equal((await create(empty + ' '.repeat(4096 - empty.length))).status, 202);
  assertProblem(await create(empty + ' '.repeat(4097 - empty.length)), 413, 'too-large');
});

test('not JSON', async () => {
  for (const body of ['', '{', '{"prompt":"p"', 'prompt=p', "{'prompt':'p'}", '{"prompt":"p",}', '{"prompt":"p"} x', '{"prompt":"\u0001"}', '{"prompt":"\\x"}', '{"prompt":01}', 'NaN', '\u00a0{}'])
    assertProblem(await create(body), 400, 'invalid-json');
  for (const body of ['[]', '"p"', 'null', '5', 'true']) assertProblem(await create(body), 400, 'invalid-field');
});

test('not UTF-8', async () => {
  for (const bytes of [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]])
    assertProblem(await create(Buffer.concat([Buffer.from('{"prompt":"'), Buffer.from(bytes), Buffer.from('"}')])), 400, 'invalid-json');
  assertProblem(await create('{"prompt":"\\ud800"}'), 400, 'invalid-json');
  assertProblem(await create('{"prompt":"a\\u0000b"}'), 400, 'invalid-json');
});

test('nesting too deep', async () => {
  const nest = (n) => `{"prompt":"p","metadata":{"a":${'['.repeat(n)}${']'.repeat(n)}}}`;
  assert.equal((await create(nest(10))).status, 202);
  const problem = assertProblem(await create(nest(20)), 400, 'invalid-json');
  assert.match(problem.detail, /16|deep|nest/i);
  assertProblem(await create('['.repeat(4000)), 400, 'invalid-json');
});

test('a member given twice is an error, not the last one', async () => {
  assert.equal((await create('{"prompt":"a","prompt":"b"}')).status, 400);
});

test('wrong types and values name the field', async () => {
  const rows = [
    [{}, /prompt/], [{ prompt: 5 }, /prompt/], [{ prompt: null }, /prompt/], [{ prompt: ['p'] }, /prompt/], [{ prompt: '' }, /prompt/], [{ prompt: ' \n\t' }, /prompt/],
    [{ prompt: 'x'.repeat(1001) }, /prompt/], [{ prompt: 'p', approval: 'yes' }, /approval/], [{ prompt: 'p', approval: true }, /approval/],
    [{ prompt: 'p', metadata: [] }, /metadata/], [{ prompt: 'p', metadata: 'm' }, /metadata/], [{ prompt: 'p', metadata: { a: 'x'.repeat(300) } }, /metadata/],
  ];
  for (const [body, field] of rows) {
    const problem = assertProblem(await create(JSON.stringify(body)), 400, 'invalid-field');
    assert.match(problem.field, field, JSON.stringify(body));
    assert.match(problem.detail, field);
  }
});

test('unknown fields are named, all of them', async () => {
  const problem = assertProblem(await create('{"prompt":"p","aproval":"auto","Metadata":{},"x":1}'), 400, 'invalid-field');
  for (const name of ['aproval', 'Metadata', 'x']) assert.match(problem.detail, new RegExp(`"${name}"`));
  const { id } = await s.submit('p');
  assertProblem(await s.post(`/v1/tasks/${id}/approve`, { digest: 'x' }), 400, 'invalid-field');
  assertProblem(await s.post(`/v1/tasks/${id}/reject`, { reason: 'x' }), 400, 'invalid-field');
  assertProblem(await s.post(`/v1/tasks/${id}/cancel`, { reason: 'x' }), 400, 'invalid-field');
  assertProblem(await s.json(`/v1/tasks/${id}?foo=1`), 400, 'invalid-field');
});

test('wrong media type', async () => {
  assertProblem(await create('{"prompt":"p"}', { 'content-type': 'text/plain' }), 415, 'unsupported-media-type');
  assertProblem(await create('{"prompt":"p"}', { 'content-type': 'application/x-www-form-urlencoded' }), 415, 'unsupported-media-type');
  assertProblem(await create('{"prompt":"p"}', { 'content-type': 'application/json', 'content-encoding': 'gzip' }), 415, 'unsupported-media-type');
  assert.equal((await create('{"prompt":"p"}', { 'content-type': 'Application/JSON; charset=utf-8' })).status, 202);
});

test('headers and target over their limits: 431, 414', async () => {
  const request = (head) => exchange(s.port, `GET /livez HTTP/1.1\r\nHost: a\r\n${head}Connection: close\r\n\r\n`);
  assert.equal(statusOf((await request(`X: ${'x'.repeat(15000)}\r\n`)).text), 200);
  assert.equal(statusOf((await request(`X: ${'x'.repeat(17000)}\r\n`)).text), 431);
  assert.equal(statusOf((await request(Array.from({ length: 101 }, (_, i) => `X${i}: 1\r\n`).join(''))).text), 431);
  const endless = await exchange(s.port, `GET /livez HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(200000)}`);
  assert.equal(statusOf(endless.text), 431);
  assert.equal(statusOf((await exchange(s.port, `GET /${'x'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`)).text), 414);
});

test('a request that dribbles ends with 408 at an absolute deadline', async () => {
  for (const start of ['GET /livez HTTP/1.1\r\nHost: a\r\nX: ', 'POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n']) {
    const socket = net.connect(s.port, '127.0.0.1');
    await once(socket, 'connect');
    const began = performance.now();
    socket.write(start);
    const drip = setInterval(() => socket.write('x'), 50);
    socket.on('error', () => {});
    let text = '';
    socket.setEncoding('latin1').on('data', (d) => { text += d; if (/\r\n\r\n/.test(text)) clearInterval(drip); });
    await once(socket, 'close');
    clearInterval(drip);
    const took = performance.now() - began;
    assert.equal(statusOf(text), 408, text);
    assert.match(text, /request-timeout/);
    assert.ok(took > 900, `${took} ms: not before its time`);
  }
});

test('a connection without a request, or within an idle one, is no error', async () => {
  const socket = net.connect(s.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.end();
  const [got] = await Promise.all([new Promise((resolve) => { let t = ''; socket.setEncoding('latin1').on('data', (d) => { t += d; }).on('close', () => resolve(t)); })]);
  assert.equal(got, '');
});

// Each is refused with 400 and the connection is closed: nothing behind it is read as a request.
const H = 'POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n';
const behind = 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n';
const smuggling = {
  'Content-Length twice, different': `${H}Content-Length: 14\r\nContent-Length: 15\r\n\r\n{"prompt":"p"}`,
  'Content-Length twice, the same': `${H}Content-Length: 14\r\nContent-Length: 14\r\n\r\n{"prompt":"p"}`,
  'Content-Length as a list': `${H}Content-Length: 14, 14\r\n\r\n{"prompt":"p"}`,
  'Content-Length with chunked': `${H}Content-Length: 14\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n{"prompt":"p"}\r\n0\r\n\r\n`,
  'Content-Length +14': `${H}Content-Length: +14\r\n\r\n{"prompt":"p"}`,
  'Content-Length 0x0e': `${H}Content-Length: 0x0e\r\n\r\n{"prompt":"p"}`,
  'Content-Length -1': `${H}Content-Length: -1\r\n\r\n`,
  'Content-Length beyond 64 bits': `${H}Content-Length: 18446744073709551630\r\n\r\n{"prompt":"p"}`,
  'chunk size 0xe': `${H}Transfer-Encoding: chunked\r\n\r\n0xe\r\n{"prompt":"p"}\r\n0\r\n\r\n`,
  'chunk size +e': `${H}Transfer-Encoding: chunked\r\n\r\n+e\r\n{"prompt":"p"}\r\n0\r\n\r\n`,
  'chunk size -1': `${H}Transfer-Encoding: chunked\r\n\r\n-1\r\n{"prompt":"p"}\r\n0\r\n\r\n`,
  'chunk size with a space in front': `${H}Transfer-Encoding: chunked\r\n\r\n e\r\n{"prompt":"p"}\r\n0\r\n\r\n`,
  'chunk size beyond 64 bits': `${H}Transfer-Encoding: chunked\r\n\r\n1000000000000000e\r\n{"prompt":"p"}\r\n0\r\n\r\n`,
  'chunk size line ends with bare LF': `${H}Transfer-Encoding: chunked\r\n\r\ne\n{"prompt":"p"}\r\n0\r\n\r\n`,
  'chunk longer than it says': `${H}Transfer-Encoding: chunked\r\n\r\n5\r\n{"prompt":"p"}\r\n0\r\n\r\n`,
  'header line ends with bare LF': 'GET /livez HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n',
  'request line ends with bare LF': 'GET /livez HTTP/1.1\nHost: a\r\n\r\n',
  'empty line is bare LF': 'GET /livez HTTP/1.1\r\nHost: a\r\n\n',
  'bare CR in a value': 'GET /livez HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n',
  'NUL in a value': 'GET /livez HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n',
  'NUL in a name': 'GET /livez HTTP/1.1\r\nHost: a\r\nX\0Y: b\r\n\r\n',
  'NUL in the target': 'GET /livez\0 HTTP/1.1\r\nHost: a\r\n\r\n',
  '%00 in the path': 'GET /livez%00 HTTP/1.1\r\nHost: a\r\n\r\n',
  'no Host': 'GET /livez HTTP/1.1\r\n\r\n',
  'Host twice': 'GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n',
  'Host with a path': 'GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n',
  'folded header': 'GET /livez HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n',
  'space before the colon': 'GET /livez HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n',
  'no colon': 'GET /livez HTTP/1.1\r\nHost: a\r\nX\r\n\r\n',
  'no version': 'GET /livez\r\n\r\n',
  'two spaces': 'GET  /livez HTTP/1.1\r\nHost: a\r\n\r\n',
  'lower-case version': 'GET /livez http/1.1\r\nHost: a\r\n\r\n',
  'TLS on the plain port': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
};
test('what could smuggle a request is 400, and the connection ends', async () => {
  for (const [name, bytes] of Object.entries(smuggling)) {
    const answer = await exchange(s.port, bytes + behind);
    assert.ok(answer.closed, `${name}: closed`);
    assert.ok(statusOf(answer.text) === 400 || (name.includes('beyond') && statusOf(answer.text) === 413), `${name}: ${answer.text}`);
    assert.equal([...answer.text.matchAll(/^HTTP\/1\.1 /gm)].length, 1, `${name}: one answer\n${answer.text}`);
    const [head, body] = answer.text.split('\r\n\r\n');
    assert.match(head, /content-type: application\/problem\+json/i, name);
    assert.match(head, /connection: close/i, name);
    const problem = JSON.parse(body);
    assert.match(problem.type, /^\/problems\//);
    assert.ok(problem.detail.length > 5, name);
  }
});

test('unknown transfer coding, unknown version', async () => {
  for (const coding of ['gzip, chunked', 'chunked, chunked', 'chunked, gzip', 'identity', 'xchunked', '"chunked"', 'chunked\r\nTransfer-Encoding: chunked']) {
    const answer = await exchange(s.port, `${H}Transfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n${behind}`);
    assert.ok([400, 501].includes(statusOf(answer.text)), `${coding}: ${answer.text}`);
    assert.equal([...answer.text.matchAll(/^HTTP\/1\.1 /gm)].length, 1, coding);
    assert.ok(answer.closed);
  }
  const version = await exchange(s.port, 'GET /livez HTTP/2.0\r\nHost: a\r\n\r\n');
  assert.equal(statusOf(version.text), 505);
  const preface = await exchange(s.port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  assert.ok([400, 505].includes(statusOf(preface.text)), preface.text);
});

test('a body that ends before its length', async () => {
  const answer = await exchange(s.port, `${H}Content-Length: 100\r\n\r\n{"prompt":"p"}`, { halfClose: true });
  assert.ok([0, 400].includes(statusOf(answer.text)), answer.text);
});

test('a client that goes away during its request or its wait costs nothing', async () => {
  const { id } = await s.submit('wait for me');
  for (const text of [`${H}Content-Length: 100\r\n\r\n{"pro`, `GET /v1/tasks/${id}?wait=30s HTTP/1.1\r\nHost: a\r\n\r\n`, `GET /v1/tasks/${id}/stream HTTP/1.1\r\nHost: a\r\n\r\n`]) {
    const socket = net.connect(s.port, '127.0.0.1');
    await once(socket, 'connect');
    await new Promise((resolve) => { socket.write(text, resolve); });
    socket.resetAndDestroy();
    await once(socket, 'close');
  }
});
