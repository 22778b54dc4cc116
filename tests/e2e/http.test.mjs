// SPDX-License-Identifier: Apache-2.0
// Every row of the HTTP table, and what HTTP/1.1 promises around it. One server for all: the tests do not depend on each other.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { Server, assertProblem, filesystem, root, test } from './lib/server.mjs';
import { exchange, statusOf } from './lib/raw.mjs';

const PROMPT = 'Read a file and summarize its contents';
const UNKNOWN = '0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f';
let s;
before(async () => { s = await Server.start({ shared: true, tools: [filesystem(path.join(root, 'etc/sample_data'))] }); });
after(async () => { await s.stop(); });

const waiting = async (more) => {
  const { id } = await s.submit(PROMPT, more);
  return s.until(id, 'awaiting_approval');
};
const get = (target, more = '') => `GET ${target} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;

test('create: 202, the document, Location; the members the interface promises', async () => {
  const r = await s.post('/v1/tasks', { prompt: PROMPT, approval: 'required', metadata: { a: [1, 'ü', null] } });
  assert.equal(r.status, 202);
  assert.equal(r.headers.get('location'), `/v1/tasks/${r.body.id}`);
  assert.equal(r.headers.get('content-type'), 'application/json');
  assert.match(r.body.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, 'UUIDv7');
  assert.deepEqual(r.body.metadata, { a: [1, 'ü', null] });
  assert.equal(r.body.approval, 'required');
  const doc = await s.until(r.body.id, 'awaiting_approval');
  for (const name of ['id', 'status', 'prompt', 'approval', 'plan', 'result', 'error', 'pending', 'usage', 'metadata', 'last_seq', 'created_at', 'updated_at'])
    assert.ok(name in doc, name);
  for (const name of ['version', 'digest', 'goal', 'steps']) assert.ok(name in doc.plan, `plan.${name}`);
  for (const step of doc.plan.steps)
    for (const name of ['id', 'title', 'objective', 'depends_on', 'side_effects', 'status', 'result', 'error']) assert.ok(name in step, `step.${name}`);
  assert.ok(!Number.isNaN(Date.parse(doc.created_at)) && doc.updated_at >= doc.created_at);
  const again = await s.json(r.headers.get('location'));
  assert.equal(again.body.id, r.body.id);
});

test('create: approval auto needs nobody; the default is required', async () => {
  const automatic = await s.submit(PROMPT, { approval: 'auto' });
  assert.equal(automatic.approval, 'auto');
  const done = await s.until(automatic.id, 'completed');
  assert.ok(done.result.length > 0);
  assert.equal(done.error, null);
  const other = await s.submit(PROMPT);
  assert.equal(other.approval, 'required');
});

test('get: ETag, If-None-Match, a new tag after a change', async () => {
  const { id } = await waiting();
  const first = await s.json(`/v1/tasks/${id}`);
  const tag = first.headers.get('etag');
  assert.match(tag, /^"[^"]+"$/);
  for (const list of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
    const same = await s.json(`/v1/tasks/${id}`, { headers: { 'if-none-match': list } });
    assert.equal(same.status, 304, list);
    assert.equal(same.body, undefined);
    assert.equal(same.headers.get('etag'), tag);
  }
  assert.equal((await s.json(`/v1/tasks/${id}`, { headers: { 'if-none-match': '"other"' } })).status, 200);
  await s.post(`/v1/tasks/${id}/reject`);
  const changed = await s.json(`/v1/tasks/${id}`, { headers: { 'if-none-match': tag } });
  assert.equal(changed.status, 200);
  assert.notEqual(changed.headers.get('etag'), tag);
});

test('get with wait: answers on change, not before; at once when the task is over; when the time is over', async () => {
  const { id } = await waiting();
  let answered = false;
  const wait = s.json(`/v1/tasks/${id}?wait=30s`).then((r) => { answered = true; return r; });
  const short = await s.json(`/v1/tasks/${id}?wait=50ms`);
  assert.equal(short.body.status, 'awaiting_approval');
  assert.equal(answered, false);
  await s.post(`/v1/tasks/${id}/reject`);
  assert.equal((await wait).body.status, 'rejected');
  assert.equal((await s.json(`/v1/tasks/${id}?wait=30s`)).body.status, 'rejected');
  for (const bad of ['wait=', 'wait=1', 'wait=-1s', 'wait=1h', 'wait=61s', 'wait=1s&wait=1s', 'wiat=1s']) {
    const r = await s.json(`/v1/tasks/${id}?${bad}`);
    assert.equal(r.status, 400, bad);
    assert.equal(r.body.field, bad.split('=')[0]);
  }
});

test('get with wait until the end: answers when a person has to say something, and when the task is over', async () => {
  const asked = await s.submit(PROMPT);
  assert.equal((await s.json(`/v1/tasks/${asked.id}?wait=30s&until=end`)).body.status, 'awaiting_approval');
  const again = await s.json(`/v1/tasks/${asked.id}?wait=30s&until=end`, { headers: { 'if-none-match': '"1"' } });
  assert.equal(again.body.status, 'awaiting_approval', 'at once, whatever the client has seen');
  await s.post(`/v1/tasks/${asked.id}/approve`);
  assert.equal((await s.json(`/v1/tasks/${asked.id}?wait=30s&until=end`)).body.status, 'completed');
  const automatic = await s.submit(PROMPT, { approval: 'auto' });
  assert.equal((await s.json(`/v1/tasks/${automatic.id}?wait=30s&until=end`)).body.status, 'completed');
  for (const bad of ['until=end', 'wait=1s&until=', 'wait=1s&until=done', 'wait=1s&until=end&until=end']) {
    const r = await s.json(`/v1/tasks/${asked.id}?${bad}`);
    assert.equal(r.status, 400, bad);
    assert.equal(r.body.field, 'until');
  }
});

test('approve: with and without digest; stale digest and wrong state are 409 and change nothing', async () => {
  const one = await waiting();
  const stale = assertProblem(await s.post(`/v1/tasks/${one.id}/approve`, { plan_digest: 'f'.repeat(64) }), 409, 'stale-plan');
  assert.match(stale.detail, new RegExp(one.plan.digest));
  assert.match(stale.field, /plan_digest/);
  assert.equal((await s.json(`/v1/tasks/${one.id}`)).body.last_seq, one.last_seq);
  const approved = await s.post(`/v1/tasks/${one.id}/approve`, { plan_digest: one.plan.digest });
  assert.equal(approved.status, 200);
  assert.equal(approved.body.id, one.id);
  await s.until(one.id, 'completed');
  const late = assertProblem(await s.post(`/v1/tasks/${one.id}/approve`), 409, 'conflict');
  assert.match(late.detail, /completed/, 'says its state');
  const two = await waiting();
  assert.equal((await s.post(`/v1/tasks/${two.id}/approve`)).status, 200);
  await s.until(two.id, 'completed');
});

test('approve: of several at the same time, one wins', async () => {
  const { id, plan } = await waiting();
  const all = await Promise.all(Array.from({ length: 8 }, () => s.post(`/v1/tasks/${id}/approve`, { plan_digest: plan.digest })));
  assert.deepEqual(all.map((r) => r.status).sort(), [200, 409, 409, 409, 409, 409, 409, 409]);
  await s.until(id, 'completed');
  assert.equal((await s.events(id)).filter((e) => e.event === 'plan.approved').length, 1);
});

test('reject: without feedback ends the task; with feedback plans again, and the old digest is stale', async () => {
  const one = await waiting();
  const ended = await s.post(`/v1/tasks/${one.id}/reject`);
  assert.equal(ended.status, 200);
  assert.equal(ended.body.status, 'rejected');
  assertProblem(await s.post(`/v1/tasks/${one.id}/reject`), 409, 'conflict');

  const two = await waiting();
  const again = await s.post(`/v1/tasks/${two.id}/reject`, { feedback: 'read notes.md' });
  assert.equal(again.status, 200);
  let next = await s.until(two.id, 'awaiting_approval');
  while (next.plan.version === two.plan.version) next = (await s.json(`/v1/tasks/${two.id}`, { headers: { 'if-none-match': `"${next.last_seq}"` } })).body ?? next;
  assert.equal(next.plan.version, two.plan.version + 1);
  if (next.plan.digest !== two.plan.digest)
    assertProblem(await s.post(`/v1/tasks/${two.id}/approve`, { plan_digest: two.plan.digest }), 409, 'stale-plan');
  await s.post(`/v1/tasks/${two.id}/approve`, { plan_digest: next.plan.digest });
  await s.until(two.id, 'completed');
  const rejected = (await s.events(two.id)).find((e) => e.event === 'plan.rejected');
  assert.equal(rejected.data.feedback, 'read notes.md');
  assert.equal(rejected.data.version, two.plan.version);
  assertProblem(await s.post(`/v1/tasks/${two.id}/reject`, { feedback: '' }), 400, 'invalid-field');
});

test('cancel: from awaiting_approval; a second time and of a finished task is 409', async () => {
  const { id } = await waiting();
  const cancelled = await s.post(`/v1/tasks/${id}/cancel`);
  assert.equal(cancelled.status, 200);
  assert.equal(cancelled.body.status, 'cancelled');
  const again = assertProblem(await s.post(`/v1/tasks/${id}/cancel`), 409, 'conflict');
  assert.match(again.detail, /cancelled/);
  assertProblem(await s.post(`/v1/tasks/${id}/approve`), 409, 'conflict');
});

test('list: newest first, by status, in pages without gap or repeat', async () => {
  const own = await Server.start({ config: { server: { workers: 2 } } });
  const ids = [];
  for (let i = 0; i < 7; i++) ids.push((await own.submit(`task ${i}`, { metadata: { i } })).id);
  for (const id of ids) await own.until(id, 'awaiting_approval', 'completed', 'failed');
  const cancelled = [];
  for (const id of ids.slice(0, 3)) if ((await own.post(`/v1/tasks/${id}/cancel`)).status === 200) cancelled.push(id);
  // Two tasks of one millisecond, made by different workers, have no order but that of their ids.
  const newest = ids.toSorted().reverse();
  const whole = await own.json('/v1/tasks');
  assert.equal(whole.status, 200);
  assert.deepEqual(whole.body.tasks.map((t) => t.id), newest);
  assert.deepEqual(whole.body.tasks.map((t) => t.created_at), whole.body.tasks.map((t) => t.created_at).sort().reverse());
  const pages = [];
  let cursor = '';
  do {
    const page = (await own.json(`/v1/tasks?limit=3${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)).body;
    assert.ok(page.tasks.length <= 3);
    pages.push(...page.tasks.map((t) => t.id));
    cursor = page.next_cursor;
  } while (cursor);
  assert.deepEqual(pages, newest);
  const some = await own.json('/v1/tasks?status=cancelled');
  assert.deepEqual(some.body.tasks.map((t) => t.id), cancelled.toSorted().reverse());
  for (const bad of ['limit=0', 'limit=x', 'limit=100000', 'status=done', 'cursor=%00', 'cursor=nonsense', 'order=asc', 'limit=1&limit=2'])
    assert.equal((await own.json(`/v1/tasks?${bad}`)).status, 400, bad);
  await own.stop();
});

test('tools and servers', async () => {
  const tools = await s.json('/v1/tools');
  assert.equal(tools.status, 200);
  const read = tools.body.tools.find((t) => t.name === 'filesystem__read_text_file');
  assert.equal(read.server, 'filesystem');
  assert.equal(read.read_only, true);
  assert.equal(read.input_schema.type, 'object');
  assert.equal(tools.body.tools.find((t) => t.name === 'filesystem__write_file').read_only, false);
  assert.deepEqual(tools.body.tools.map((t) => t.name), tools.body.tools.map((t) => t.name).sort());
  const servers = await s.json('/v1/servers');
  assert.equal(servers.status, 200);
  const [one] = servers.body.servers;
  assert.equal(one.id, 'filesystem');
  assert.equal(one.state, 'ready');
  assert.equal(one.enabled, true);
  assert.ok('last_error' in one && 'stderr_tail' in one, JSON.stringify(one));
  // Neither more nor less than the description of the interface says.
  const { schemas } = (await s.json('/openapi.json')).body.components;
  for (const [what, list] of [['Tool', tools.body.tools], ['Server', servers.body.servers]])
    for (const item of list) {
      for (const name of Object.keys(item)) assert.ok(schemas[what].properties[name], `${what} has no ${name}`);
      for (const name of schemas[what].required) assert.ok(name in item, `a ${what} lacks ${name}`);
    }
});

test('livez, readyz, root, docs, openapi', async () => {
  assert.equal((await s.fetch('/livez')).status, 200);
  assert.equal((await s.fetch('/readyz')).status, 200);
  const rootPage = await s.fetch('/', { redirect: 'manual' });
  assert.ok([301, 302, 303, 307, 308].includes(rootPage.status));
  assert.equal(new URL(rootPage.headers.get('location'), s.url).pathname, '/docs');
  const docs = await s.fetch('/docs');
  assert.equal(docs.status, 200);
  assert.match(docs.headers.get('content-type'), /^text\/html/);
  assert.match(await docs.text(), /<!doctype html>/i);
  const api = (await s.json('/openapi.json')).body;
  assert.match(api.openapi, /^3\.1\./);
  for (const p of ['/v1/tasks', '/v1/tasks/{id}', '/v1/tasks/{id}/approve', '/v1/tasks/{id}/reject', '/v1/tasks/{id}/cancel', '/v1/tasks/{id}/stream', '/v1/tools', '/v1/servers', '/livez', '/readyz'])
    assert.ok(api.paths[p], p);
});

test('a problem type can be looked up where it says', async () => {
  const problem = assertProblem(await s.json('/v1/tasks/x'), 404, 'not-found');
  const page = await s.fetch(problem.type);
  assert.equal(page.status, 200);
  await page.text();
});

test('HEAD has the head of GET and no body', async () => {
  const { id } = await waiting();
  for (const target of ['/livez', '/docs', `/v1/tasks/${id}`, '/v1/tools', '/openapi.json', `/v1/tasks/${UNKNOWN}`]) {
    const got = await s.fetch(target);
    const body = await got.arrayBuffer();
    const answer = await exchange(s.port, `HEAD ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    assert.equal(statusOf(answer.text), got.status, target);
    const [head, rest] = answer.text.split('\r\n\r\n');
    assert.equal(rest, '', `${target}: no body`);
    const length = Number(/content-length: (\d+)/i.exec(head)[1]);
    // A problem names the request it answers, which is another one.
    if (got.status === 200) assert.equal(length, body.byteLength, target);
  }
});

test('OPTIONS says what is allowed; a wrong method is 405 with Allow', async () => {
  const rows = { '/v1/tasks': ['GET', 'HEAD', 'OPTIONS', 'POST'], [`/v1/tasks/${UNKNOWN}`]: ['DELETE', 'GET', 'HEAD', 'OPTIONS'], [`/v1/tasks/${UNKNOWN}/approve`]: ['OPTIONS', 'POST'], '/livez': ['GET', 'HEAD', 'OPTIONS'] };
  for (const [target, allowed] of Object.entries(rows)) {
    const options = await s.fetch(target, { method: 'OPTIONS' });
    assert.ok([200, 204].includes(options.status));
    assert.deepEqual(options.headers.get('allow').split(/,\s*/).sort(), allowed);
    for (const method of ['PUT', 'DELETE', 'PATCH', 'BREW'].filter((m) => !allowed.includes(m))) {
      const refused = await s.json(target, { method });
      assertProblem(refused, 405, 'method-not-allowed');
      assert.deepEqual(refused.headers.get('allow').split(/,\s*/).sort(), allowed);
    }
  }
  const all = await exchange(s.port, 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.ok([200, 204].includes(statusOf(all.text)), all.text);
});

test('404 for what is not there', async () => {
  for (const target of ['/v1', '/v1/task', '/v1/tasks/', '/v1/tasks/x', `/v1/tasks/${UNKNOWN}`, `/v1/tasks/${UNKNOWN}/stream`, '/v1/tasks/..%2f..', '/docs/x', '/V1/tasks'])
    assertProblem(await s.json(target), 404, 'not-found');
  for (const verb of ['approve', 'reject', 'cancel']) assertProblem(await s.post(`/v1/tasks/${UNKNOWN}/${verb}`), 404, 'not-found');
});

test('every answer carries a request id; a sane one of the client is kept', async () => {
  const r = await s.fetch('/livez', { headers: { 'x-request-id': 'abc-123' } });
  assert.equal(r.headers.get('x-request-id'), 'abc-123');
  const problem = await s.json('/nothing', { headers: { 'x-request-id': 'abc-124' } });
  assert.equal(problem.body.instance, 'abc-124');
  assert.ok((await s.fetch('/livez')).headers.get('x-request-id').length > 0);
});

test('keep-alive: many requests on one connection; pipelined answers come in order', async () => {
  const { id } = await waiting();
  const text = get('/livez') + get(`/v1/tasks/${id}`) + get('/nothing') + `POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"prompt":"p"}` + get('/v1/tools') + get('/readyz', 'Connection: close\r\n');
  const answer = await exchange(s.port, text);
  assert.ok(answer.closed);
  assert.deepEqual([...answer.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((m) => Number(m[1])), [200, 200, 404, 202, 200, 200]);
});

test('a pipelined wait holds back the answers behind it', async () => {
  const { id } = await waiting();
  const answering = exchange(s.port, get(`/v1/tasks/${id}?wait=30s`) + get('/livez', 'Connection: close\r\n'));
  await s.json(`/v1/tasks/${id}?wait=20ms`);
  await s.post(`/v1/tasks/${id}/cancel`);
  const { text } = await answering;
  assert.ok(text.indexOf('"status":"cancelled"') > 0 && text.lastIndexOf('HTTP/1.1 200') > text.indexOf('"status":"cancelled"'), text);
});

test('HTTP/1.0 and Connection: close end the connection; 1.0 with keep-alive does not', async () => {
  assert.ok((await exchange(s.port, 'GET /livez HTTP/1.0\r\nHost: a\r\n\r\n')).closed);
  assert.ok((await exchange(s.port, get('/livez', 'Connection: close\r\n'))).closed);
  const kept = await exchange(s.port, 'GET /livez HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\nGET /readyz HTTP/1.0\r\nHost: a\r\n\r\n');
  assert.equal([...kept.text.matchAll(/HTTP\/1\.1 200/g)].length, 2);
});

test('a chunked body, in pieces of any size, with extensions and trailers', async () => {
  const json = JSON.stringify({ prompt: 'chunked ü' });
  const bytes = Buffer.from(json).toString('latin1');
  const cut = (size) => bytes.match(new RegExp(`[^]{1,${size}}`, 'g')).map((c) => `${c.length.toString(16)};x=y\r\n${c}\r\n`).join('');
  for (const size of [1, 5, 1000]) {
    const answer = await exchange(s.port, `POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${cut(size)}0\r\nX-Trailer: 1\r\n\r\n`);
    assert.equal(statusOf(answer.text), 202, answer.text);
    assert.match(Buffer.from(answer.text, 'latin1').toString(), /"prompt":"chunked ü"/);
  }
  const streamed = await s.fetch('/v1/tasks', { method: 'POST', duplex: 'half', headers: { 'content-type': 'application/json' }, body: new Blob([json]).stream() });
  assert.equal(streamed.status, 202);
});

test('Expect: 100-continue is answered before the body comes; another expectation is 417', async () => {
  const head = 'POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 14\r\nConnection: close\r\n';
  const { text } = await exchange(s.port, `${head}Expect: 100-continue\r\n\r\n`, { until: 'HTTP/1.1 100' });
  assert.match(text, /^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  const whole = await exchange(s.port, `${head}Expect: 100-continue\r\n\r\n{"prompt":"p"}`);
  assert.equal(statusOf(whole.text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '')), 202, whole.text);
  assert.equal(statusOf((await exchange(s.port, `${head}Expect: something\r\n\r\n`)).text), 417);
  const large = await exchange(s.port, 'POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n');
  assert.equal(statusOf(large.text), 413, 'no invitation for a body that is too large');
});

test('a client that half-closes still gets its answer', async () => {
  const answer = await exchange(s.port, get('/v1/tools'), { halfClose: true });
  assert.equal(statusOf(answer.text), 200);
  assert.match(answer.text, /read_text_file/);
});
