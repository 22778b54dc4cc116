// SPDX-License-Identifier: Apache-2.0
// What an entry of the registry says about how its remote server is reached: tls, proxy, timeout, values of headers.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { Server, onTestEnd, tempDir, test } from './lib/server.mjs';
import { begin, called, serverIs } from './lib/calling.mjs';
import { OddServer } from '../fake/remote_mcp.mjs';

const remote = (url, config = {}, more = {}) => ({ id: 'odd', enabled: true, type: 'remote_http', trust_annotations: true, ...more, config: { url, era: 'handshake', ...config } });
const peerOf = async (mode, tls) => {
  const peer = await OddServer.start(mode, tls);
  onTestEnd(() => peer.stop());
  return peer;
};

/** A certificate authority, and certificates of it for 127.0.0.1 and for a client, as files of a folder. */
function certificates() {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test authority');
  fs.writeFileSync(path.join(dir, 'names'), 'subjectAltName=IP:127.0.0.1');
  for (const who of ['server', 'client']) {
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${who}.key`, '-out', `${who}.csr`, '-subj', `/CN=${who}`);
    openssl('x509', '-req', '-in', `${who}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', `${who}.pem`, '-days', '2', ...(who === 'server' ? ['-extfile', 'names'] : []));
  }
  return { at: (name) => path.join(dir, name), read: (name) => fs.readFileSync(path.join(dir, name)) };
}

test('tls: an authority of its own is trusted when it is named, and a certificate of ours is shown', async () => {
  const c = certificates();
  const peer = await peerOf('plain', { key: c.read('server.key'), cert: c.read('server.pem'), ca: c.read('ca.pem'), requestCert: true, rejectUnauthorized: true });
  const ca_file = c.at('ca.pem'), cert_file = c.at('client.pem'), key_file = c.at('client.key');
  const b = await begin([
    { ...remote(peer.url, { tls: { ca_file, cert_file, key_file } }), id: 'good' },
    { ...remote(peer.url, { tls: { cert_file, key_file } }), id: 'stranger' },
    { ...remote(peer.url, { tls: { ca_file } }), id: 'nobody' },
    { ...remote(peer.url, { tls: { ca_file: c.at('gone.pem') } }), id: 'missing' },
  ]);
  assert.deepEqual(await called(b, [['good__read', {}]]), ['read it']);
  assert.match((await serverIs(b.s, 'stranger', (x) => x.last_error)).last_error, /certificate that is not trusted.*tls\.ca_file/);
  assert.ok((await serverIs(b.s, 'nobody', (x) => x.last_error)).last_error, 'a client without a certificate is sent away');
  assert.match((await serverIs(b.s, 'missing', (x) => x.last_error)).last_error, /tls\.ca_file/);
  await b.end();
});

test('tls: a call that may have effects is not sent again when its connection dies', async () => {
  const c = certificates();
  const peer = await peerOf('cut-dead', { key: c.read('server.key'), cert: c.read('server.pem') });
  const b = await begin([remote(peer.url, { tls: { ca_file: c.at('ca.pem') } })]);
  await serverIs(b.s, 'odd', (x) => x.state === 'ready');
  const { id } = await b.s.submit('go', { approval: 'auto' });
  (await b.model.next('planner')).plan({ objective: 'go', tools: ['odd__write'], effect: 'write' });
  (await b.model.next('executor')).calls(['odd__write', {}]);
  const { pending } = await b.s.until(id, 'input_required');
  assert.match(pending.question, /write of odd was called/);
  assert.equal(peer.calls, 1);
  await b.s.post(`/v1/tasks/${id}/cancel`);
  await b.end();
});

test('proxy: requests go through the one that is named, and through none when it says so', async () => {
  const peer = await peerOf('plain');
  const asked = [];
  const proxy = http.createServer((q, r) => {
    asked.push(q.url);
    const out = http.request(q.url, { method: q.method, headers: q.headers }, (a) => { r.writeHead(a.statusCode, a.headers); a.pipe(r); });
    out.on('error', () => r.destroy());
    q.pipe(out);
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestEnd(() => { proxy.closeAllConnections(); proxy.close(); });
  const url = `http://127.0.0.1:${proxy.address().port}`;
  const through = await begin([remote(peer.url, { proxy: url })]);
  assert.deepEqual(await called(through, [['odd__read', {}]]), ['read it']);
  await through.end();
  assert.ok(asked.length >= 4 && asked.every((at) => at === peer.url), String(asked));
  const before = asked.length;
  const direct = await begin([remote(peer.url, { proxy: 'none' })], { env: { http_proxy: url, HTTP_PROXY: url, ALL_PROXY: url } });
  assert.deepEqual(await called(direct, [['odd__read', {}]]), ['read it']);
  await direct.end();
  assert.equal(asked.length, before);
});

test('timeout: a call of this server without answer or progress ends after it', async () => {
  const peer = await peerOf('silent');
  const b = await begin([remote(peer.url, { timeout: 1 })]);
  const [text] = await called(b, [['odd__read', {}]]);
  assert.match(text, /neither answer nor progress for 1000 ms/);
  await b.end();
});

test('headers: values from the environment and from files; a missing variable or file is named before anything starts', async () => {
  const dir = tempDir(), file = path.join(dir, 'key');
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  fs.writeFileSync(file, 'from-a-file-1234\n');
  const peer = await peerOf('plain');
  const headers = { Authorization: 'Basic ${ODD_KEY}', 'X-Key': { file } };
  const b = await begin([remote(peer.url, { headers })], { env: { ODD_KEY: 'from-the-environment' } });
  assert.deepEqual(await called(b, [['odd__read', {}]]), ['read it']);
  await b.end();
  for (const q of peer.requests) {
    assert.equal(q.headers.authorization, 'Basic from-the-environment', q.method);
    assert.equal(q.headers['x-key'], 'from-a-file-1234');
  }
  for (const [bad, says] of [[headers, /ODD_KEY/], [{ 'X-Key': { file: `${file}.gone` } }, /key\.gone/]]) {
    const s = await Server.start({ tools: [remote(peer.url, { headers: bad })], expectReady: false });
    assert.equal((await s.exited).code, 78);
    assert.match(s.stderr, says);
    await s.kill();
  }
});

test('a session that is refused again and again is no loop: the call ends with what the server says', async () => {
  const peer = await peerOf('dead-400-always');
  const b = await begin([remote(peer.url)]);
  const [text] = await called(b, [['odd__read', {}]]);
  assert.match(text, /session/);
  assert.ok(peer.calls <= 6, `${peer.calls} tries`);
  await b.end();
});
