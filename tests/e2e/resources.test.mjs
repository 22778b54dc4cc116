// SPDX-License-Identifier: Apache-2.0
// Resources, prompts and completion: what the API shows of the official servers and of a scripted one that lists well or badly.
import assert from 'node:assert/strict';
import path from 'node:path';
import { begin, ended } from './lib/calling.mjs';
import { assertProblem, eventually, fakes, fakeSandbox, mcpPackage, Server, stdio, tempDir, test } from './lib/server.mjs';
import { unmarked } from './lib/model.mjs';

const everything = stdio('everything', process.execPath, [mcpPackage('@modelcontextprotocol/server-everything'), 'stdio']);
const shelf = (mode = 'shelf', id = 'shelf') => ({ ...stdio(id, path.join(fakes, 'resource_mcp'), [mode]), sandbox: fakeSandbox });
const start = async (...tools) => {
  const s = await Server.start({ tools });
  await s.settled();
  return s;
};
const read = (s, id, uri) => s.json(`/v1/servers/${id}/resources/read?uri=${encodeURIComponent(uri)}`);
/** All entries of a list, page by page. */
async function all(s, id, list, limit = 50) {
  const entries = [];
  for (let cursor = ''; cursor !== null;) {
    const { status, body } = await s.json(`/v1/servers/${id}/${list}?limit=${limit}${cursor && `&cursor=${cursor}`}`);
    assert.equal(status, 200, JSON.stringify(body));
    entries.push(...(body.resources ?? body.resource_templates ?? body.prompts));
    cursor = body.next_cursor;
  }
  return entries;
}

test('the official server: its resources, templates and prompts are listed, read and filled in', async () => {
  const s = await start(everything);
  const resources = await all(s, 'everything', 'resources', 3);
  assert.equal(resources.length, 7);
  assert.equal(new Set(resources.map((r) => r.uri)).size, 7);
  const templates = await all(s, 'everything', 'resource-templates');
  assert.deepEqual(templates.map((t) => t.uriTemplate).sort(), ['demo://resource/dynamic/blob/{resourceId}', 'demo://resource/dynamic/text/{resourceId}']);
  const [one] = (await s.json('/v1/servers')).body.servers;
  assert.deepEqual([one.resources, one.resource_templates, one.prompts], [7, 2, 4]);
  const document = await read(s, 'everything', resources[0].uri);
  assert.equal(document.status, 200);
  assert.equal(document.body.contents[0].uri, resources[0].uri);
  assert.ok(document.body.contents[0].text.length > 0);
  const blob = await read(s, 'everything', 'demo://resource/dynamic/blob/2');
  assert.ok(Buffer.from(blob.body.contents[0].blob, 'base64').length > 0);
  assertProblem(await read(s, 'everything', 'demo://nothing'), 404, 'not-found');

  const prompts = await all(s, 'everything', 'prompts');
  assert.ok(['simple-prompt', 'args-prompt', 'completable-prompt', 'resource-prompt'].every((name) => prompts.some((p) => p.name === name)), JSON.stringify(prompts));
  const filled = await s.post('/v1/servers/everything/prompts/args-prompt', { arguments: { city: 'Paris' } });
  assert.equal(filled.status, 200, JSON.stringify(filled.body));
  assert.match(filled.body.messages[0].content.text, /Paris/);
  assertProblem(await s.post('/v1/servers/everything/prompts/args-prompt', {}), 400, 'invalid-field');
  assertProblem(await s.post('/v1/servers/everything/prompts/no-such-prompt', {}), 404, 'not-found');

  const complete = (argument, context) => s.post('/v1/servers/everything/complete', { ref: { type: 'ref/prompt', name: 'completable-prompt' }, argument, ...context && { context } });
  const departments = await complete({ name: 'department', value: 'E' });
  assert.deepEqual(departments.body.completion.values, ['Engineering']);
  const names = await complete({ name: 'name', value: '' }, { arguments: { department: 'Engineering' } });
  assert.ok(names.body.completion.values.length > 1, JSON.stringify(names.body));
  assertProblem(await complete({ name: 'department' }), 400, 'invalid-field');
  await s.stop();
});

const remember = (b) => ended(b, [['memory__create_entities', { entities: [{ name: 'Ada', entityType: 'person', observations: ['counts'] }] }]]);

test('a memory server: its graph is read as it is now', async () => {
  const dir = tempDir();
  const b = await begin([{ ...stdio('memory', process.execPath, [mcpPackage('@modelcontextprotocol/server-memory')], { env: { MEMORY_FILE_PATH: path.join(dir, 'graph.json') } }), sandbox: { write: [dir] } }]);
  const { s } = b;
  assert.deepEqual((await all(s, 'memory', 'resources')).map((r) => r.uri), ['memory://knowledge-graph']);
  const { body } = await read(s, 'memory', 'memory://knowledge-graph');
  assert.deepEqual(JSON.parse(body.contents[0].text), { entities: [], relations: [] });
  // It was read, so that the server tells of changes; somebody else makes one.
  const subscription = async () => (await s.json('/v1/servers/memory/resources')).body.subscriptions;
  assert.deepEqual(await subscription(), [{ uri: 'memory://knowledge-graph', updated_at: null }]);
  await remember(b);
  await eventually(async () => (await subscription())[0].updated_at !== null, 'updated_at');
  assert.equal(JSON.parse((await read(s, 'memory', 'memory://knowledge-graph')).body.contents[0].text).entities[0].name, 'Ada');
  // It has no prompts, and says so.
  const prompts = await s.json('/v1/servers/memory/prompts');
  assert.deepEqual([prompts.status, prompts.body.prompts, prompts.body.offered], [200, [], false]);
  assertProblem(await s.post('/v1/servers/memory/prompts/any', {}), 501, 'not-supported');
  await b.end();
});

test('a model lists and reads resources with tools of the runtime; links name the tool that reads them', async () => {
  const b = await begin([everything, shelf('taken')]);
  const list = [['everything__list_resources', { query: 'features' }], ['everything__get-resource-links', { count: 2 }],
    ['everything__read_resource', { uri: 'demo://resource/dynamic/text/1' }], ['everything__read_resource', { uri: 'demo://resource/dynamic/blob/2' }],
    ['everything__read_resource', { uri: 'demo://nothing' }], ['shelf__read_resource', { uri: 'shelf://1' }]];
  const { id } = await b.s.submit('read', { approval: 'auto' });
  (await b.model.next('planner')).plan({ objective: 'read', tools: list.map(([name]) => name), effect: 'write' });
  (await b.model.next('executor')).calls(...list);
  const turn = await b.model.next('executor');
  const told = turn.body.messages.filter((m) => m.role === 'tool').map((m) => unmarked(m.content));
  turn.finish();
  (await b.model.next('writer')).text('Read.');
  await b.s.until(id, 'completed');
  assert.match(told[0], /^\[link: .*demo:\/\/resource\/static\/document\/features\.md.*; read it with everything__read_resource\]/);
  assert.match(told[1], /\[link: .* demo:\/\/.*; read it with everything__read_resource\]/);
  assert.match(told[2], /Resource 1/);
  assert.match(told[3], /\[resource demo:\/\/resource\/dynamic\/blob\/2 .*bytes, artifact 1\]/);
  assert.match(told[4], /^Error: .*not found/i);
  assert.match(told[5], /the server's own/);
  const started = (await b.s.events(id)).filter((e) => e.event === 'tool.started').map((e) => e.data);
  assert.deepEqual(started.slice(0, 5).map((e) => e.read_only), [true, true, true, true, true]);
  const { tools } = (await b.s.json('/v1/tools')).body;
  const by = (name) => tools.find((t) => t.name === name)?.provided_by;
  assert.deepEqual(['everything__read_resource', 'everything__list_resources', 'everything__echo', 'shelf__read_resource', 'shelf__list_resources'].map(by),
    ['runtime', 'runtime', 'server', 'server', 'runtime']);
  await b.end();
});

test('servers that list badly: bounded, the bad entries named, the other lists and servers unharmed', async () => {
  const s = await start(shelf(), shelf('wrong', 'wrong'), shelf('endless', 'endless'), shelf('huge', 'huge'), shelf('broken', 'broken'));
  assert.equal((await all(s, 'shelf', 'resources', 1)).length, 4);
  const wrong = (await s.json('/v1/servers/wrong/resources')).body;
  assert.deepEqual(wrong.resources.map((r) => r.uri), ['shelf://1', 'shelf://2']);
  assert.equal(wrong.quarantined.length, 6);
  assert.ok(wrong.quarantined.every((q) => q.reason.length > 0));
  const endless = await all(s, 'endless', 'resources', 200);
  assert.equal(endless.length, 200);
  assert.equal((await s.json('/v1/servers/huge/resources?limit=1')).body.truncated, true);
  assert.equal((await all(s, 'huge', 'resources', 200)).length, 5000);
  assertProblem(await s.json('/v1/servers/broken/resources'), 502, 'upstream');
  assert.deepEqual((await s.json('/v1/servers/broken/resource-templates')).body.resource_templates, []);
  for (const id of ['wrong', 'endless', 'huge']) assert.equal((await all(s, id, 'prompts')).length, 2);
  await s.stop();
});

test('cursors, names and questions that are wrong are refused with what is wrong', async () => {
  const s = await start(shelf());
  assertProblem(await s.json('/v1/servers/nobody/resources'), 404, 'not-found');
  assertProblem(await read(s, 'nobody', 'a:b'), 404, 'not-found');
  assertProblem(await s.json('/v1/servers/shelf/resources?cursor=x'), 400, 'invalid-field');
  assertProblem(await s.json('/v1/servers/shelf/resources?cursor=1.1'), 410, 'gone');
  assertProblem(await s.json('/v1/servers/shelf/resources?limit=0'), 400, 'invalid-field');
  assertProblem(await s.json('/v1/servers/shelf/resources/read'), 400, 'invalid-field');
  assertProblem(await read(s, 'shelf', 'shelf://9'), 404, 'not-found');
  const values = await s.post('/v1/servers/shelf/complete', { ref: { type: 'ref/resource', uri: 'shelf://{n}' }, argument: { name: 'n', value: '150' }, context: { arguments: { kind: 'x' } } });
  assert.equal(values.body.completion.values.length, 100);
  assert.equal(values.body.completion.values[99], 'x99');
  assert.equal(values.body.completion.hasMore, true);
  await s.stop();
});
