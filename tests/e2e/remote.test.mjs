// SPDX-License-Identifier: Apache-2.0
// Remote tool servers: the official one over Streamable HTTP and over the old transport, and a scripted one that does what
// servers should not. Each harms its own calls only.
import assert from 'node:assert/strict';
import { Server, onTestEnd, stream, test } from './lib/server.mjs';
import { everything, freePort } from './lib/everything.mjs';
import { Model, calls, finished, planned, turns, using, written } from './lib/model.mjs';
import { OddServer } from '../fake/remote_mcp.mjs';

const RESTART = { restart_ms_min: 10, restart_ms_max: 50 };
const state = async (s, id) => (await s.json('/v1/servers')).body.servers.find((x) => x.id === id);
const remote = (id, url, extra = {}) => ({ id, enabled: true, type: 'remote_http', trust_annotations: true, config: { url, ...extra } });

async function serverIs(s, id, fn) {
  for (;;) {
    const from = s.logs.length;
    const one = await state(s, id);
    if (fn(one)) return one;
    await s.log((l) => l.server === id, { after: from });
  }
}

async function start(tools, responses, effect = 'write') {
  const model = await Model.start({ rules: [planned({ objective: 'use tools', effect }), turns('s1', ...responses), written()] });
  const s = await Server.start({ tools, config: using(model, { tools: RESTART }) });
  return { s, model, end: async () => { await s.stop(); await model.stop(); } };
}
const run = async (s, status = 'completed') => {
  const { id } = await s.submit('go', { approval: 'auto' });
  const seen = []; // progress is told live only
  for await (const e of stream(`${s.url}/v1/tasks/${id}/stream`)) seen.push(e);
  assert.equal((await s.json(`/v1/tasks/${id}`)).body.status, status);
  return seen;
};
const done = (events) => events.filter((e) => /^tool\.(completed|failed)$/.test(e.event)).map((e) => e.data);

for (const [mode, path, transport] of [['streamableHttp', '/mcp', 'streamable_http'], ['sse', '/sse', 'http_sse']])
  test(`server-everything by ${mode}: listed, called, with progress`, async () => {
    const port = await freePort();
    const peer = await everything(mode, port);
    const b = await start([remote('every', `http://127.0.0.1:${port}${path}`)], [
      calls('every__echo', { message: 'over there' }),
      calls('every__trigger-long-running-operation', { duration: 0.4, steps: 4 }), finished('fine')]);
    await b.s.settled();
    const one = await serverIs(b.s, 'every', (x) => x.state === 'ready');
    assert.equal(one.transport, transport);
    assert.equal(one.era, 'handshake');
    assert.equal(one.protocol_version, '2025-11-25');
    assert.ok(one.tools >= 12, `${one.tools} tools`);
    const events = await run(b.s);
    const [echo, long] = done(events);
    assert.match(echo.result.content[0].text, /over there/);
    assert.match(long.result.content[0].text, /completed/i);
    assert.ok(events.some((e) => e.event === 'tool.progress'), 'no progress was told');
    await b.end();
    await peer.stop();
  });

test('the server is restarted: the session it has forgotten is opened anew, and a reading call goes on', async () => {
  const port = await freePort();
  let peer = await everything('streamableHttp', port);
  const b = await start([remote('every', `http://127.0.0.1:${port}/mcp`)], [
    calls('every__echo', { message: 'again' }), finished('fine')]);
  await b.s.settled();
  await serverIs(b.s, 'every', (x) => x.state === 'ready');
  await peer.stop();
  peer = await everything('streamableHttp', port);
  const [echo] = done(await run(b.s));
  assert.match(echo.result.content[0].text, /again/);
  assert.ok((await state(b.s, 'every')).restarts >= 1);
  await b.end();
  await peer.stop();
});

/** One call of the scripted server in this mode; how it ended, and what the server saw. */
async function odd(mode, { tool = 'read', status = 'completed', extra = {}, config } = {}) {
  const peer = await OddServer.start(mode);
  onTestEnd(() => peer.stop());
  const b = await start([remote('odd', peer.url, { era: 'handshake', ...extra })], [calls(`odd__${tool}`, {}), finished('fine')], config);
  await b.s.settled();
  await serverIs(b.s, 'odd', (x) => x.state === 'ready');
  const events = await run(b.s, status);
  const [end] = done(events);
  return { ...b, peer, events, end, text: end?.result?.content?.[0]?.text ?? end?.error?.detail ?? JSON.stringify(end),
    finish: async () => { await b.end(); await peer.stop(); } };
}

test('headers and session: what is configured and what was agreed on goes with every request; DELETE at the end', async () => {
  const o = await odd('plain', { extra: { headers: { 'X-Key': 'k-12345678' } } });
  assert.match(o.text, /read it/);
  for (const r of o.peer.requests) {
    assert.equal(r.headers['x-key'], 'k-12345678');
    assert.equal(r.headers.origin, undefined);
    if (r.body?.method === 'initialize') continue;
    assert.equal(r.headers['mcp-session-id'], 'session-1', r.body?.method);
    assert.equal(r.headers['mcp-protocol-version'], '2025-11-25', r.body?.method);
  }
  assert.ok(!JSON.stringify([o.events, o.s.logs, (await o.s.json('/v1/servers')).body]).includes('k-12345678'));
  await o.finish();
  assert.equal(o.peer.requests.at(-1).method, 'DELETE');
});

for (const [mode, what] of [['dead-404', /read it/], ['dead-400', /read it/], ['cut-resume', /read it/], ['json-batch', /read it/]])
  test(`${mode}: the call comes through`, async () => {
    const o = await odd(mode);
    assert.match(o.text, what);
    await o.finish();
  });

test('a stream that is cut is asked for again from its last event, after the time the server said', async () => {
  const o = await odd('cut-resume');
  const again = o.peer.requests.find((r) => r.headers['last-event-id']);
  assert.equal(again.headers['last-event-id'], 'e1');
  assert.ok(again.at - o.peer.cutAt >= 290, `after ${again.at - o.peer.cutAt} ms`);
  await o.finish();
});

for (const [mode, what] of [['junk', /does not answer/], ['page', /content type \\?"text\/html/], ['redirect', /redirects are not followed/],
  ['error', /-32000.*no such luck/], ['wrong-id', /does not answer/], ['huge', /over the limit/]])
  test(`${mode}: an error that says what is wrong, for this call only`, async () => {
    const o = await odd(mode);
    assert.match(o.text, what);
    assert.equal((await state(o.s, 'odd')).state, 'ready');
    await o.finish();
  });

for (const mode of ['status-500', 'status-503', 'cut-dead'])
  test(`${mode} to a call that may have effects: in doubt, and not sent again`, async () => {
    const peer = await OddServer.start(mode);
    onTestEnd(() => peer.stop());
    const b = await start([remote('odd', peer.url, { era: 'handshake' })], [calls('odd__write', {}), finished('fine')]);
    await b.s.settled();
    const { id } = await b.s.submit('go', { approval: 'auto' });
    await b.s.until(id, 'input_required');
    assert.equal(peer.calls, 1);
    await b.end();
    await peer.stop();
  });

test('a second stream is refused with 409: calls go on', async () => {
  const o = await odd('get-409');
  assert.match(o.text, /read it/);
  await o.finish();
});

test('clear text beyond this machine is refused unless it is meant', async () => {
  const entry = remote('far', 'http://tools.example/mcp');
  const s = await Server.start({ tools: [entry], expectReady: false });
  assert.equal((await s.exited).code, 78);
  assert.match(s.stderr, /clear text beyond this machine/);
  await s.kill();
});
