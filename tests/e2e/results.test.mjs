// SPDX-License-Identifier: Apache-2.0
// What tools answer beside text: images, audio, links, embedded resources, structured content; from the official server and from one
// that gets it wrong.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { HeldModel, Model, calls, finished, planned, turns, using, written, unmarked } from './lib/model.mjs';
import { Server, fake, mcpPackage, stdio, test } from './lib/server.mjs';

const official = stdio('everything', process.execPath, [mcpPackage('@modelcontextprotocol/server-everything'), 'stdio']);
const odd = fake('odd', 'verbatim');
const verbatim = (result, tool = 'verbatim') => calls(`odd__${tool}`, { result: JSON.stringify(result) });

/** A finished task that made these calls one after the other: its tool.completed, and what the model was told of each. */
async function answers(tool, list, config = {}) {
  const model = await Model.start([planned({ objective: 'look' }), turns('s1', ...list, finished()), written()]);
  const s = await Server.start({ config: using(model, config), tools: [tool] });
  await s.settled();
  const { id } = await s.submit('look', { approval: 'auto' });
  await s.until(id, 'completed');
  const completed = (await s.events(id)).filter((e) => e.event === 'tool.completed').map((e) => e.data);
  // Each as it came: later requests have older results in one line.
  const asked = (await model.requests()).map((r) => (r.body ?? r).messages).filter((m) => m[0].content.includes('executor') && m.at(-1).role === 'tool');
  const told = asked.map((m) => unmarked(m.at(-1).content));
  return { s, id, completed, told, end: async () => { await s.stop(); await model.stop(); } };
}
/** The artifact that a preview names is what it says, and is served as its own type. */
async function assertArtifact(s, preview, mimeType) {
  const r = await s.fetch(preview.artifact.url);
  assert.equal(r.status, 200);
  assert.equal(r.headers.get('content-type'), mimeType);
  assert.match(r.headers.get('content-disposition'), /^attachment; filename=/);
  const bytes = Buffer.from(await r.arrayBuffer());
  assert.equal(bytes.length, preview.bytes);
  assert.equal(crypto.createHash('sha256').update(bytes).digest('hex'), preview.artifact.sha256);
  return bytes;
}

test('the official server: an image, links, embedded resources, structured content', async () => {
  const { s, completed, told, end } = await answers(official, [
    calls('everything__get-tiny-image'), calls('everything__get-resource-links', { count: 3 }),
    calls('everything__get-resource-reference', { resourceType: 'Blob', resourceId: 2 }),
    calls('everything__get-resource-reference', { resourceType: 'Text', resourceId: 1 }),
    calls('everything__get-structured-content', { location: 'Chicago' })]);
  const image = completed[0].result.content.find((b) => b.type === 'image');
  assert.equal(image.data, undefined);
  const png = await assertArtifact(s, image, 'image/png');
  assert.equal(png.subarray(1, 4).toString(), 'PNG');
  assert.ok(told[0].includes(`[image image/png, ${png.length.toLocaleString('en')} bytes, artifact 1]`), told[0]);
  assert.equal(completed[1].result.content.filter((b) => b.type === 'resource_link').length, 3);
  assert.match(told[1], /\[link: .* demo:\/\//);
  const blob = completed[2].result.content.find((b) => b.type === 'resource').resource;
  assert.equal(blob.blob, undefined);
  assert.ok((await assertArtifact(s, blob, blob.mimeType)).length > 0);
  assert.match(told[2], /\[resource demo:.*bytes, artifact 2\]/);
  const text = completed[3].result.content.find((b) => b.type === 'resource').resource;
  assert.ok(text.text && told[3].includes(text.text));
  assert.equal(completed[4].is_error, false);
  assert.equal(completed[4].schema_error, undefined);
  assert.equal(typeof completed[4].result.structuredContent.temperature, 'number');
  await end();
});

test('what servers get wrong stays what it is and breaks nothing', async () => {
  const huge = Buffer.alloc(3 << 20);
  const { s, completed, told, end } = await answers(odd, [
    verbatim({ content: [{ type: 'hologram', depth: [1, { z: 2.5 }] }, { type: 'text', text: 'beside' }] }),
    calls('odd__picture', { bytes: huge.length }),
    verbatim({ content: [{ type: 'image', mimeType: 'image/png', data: '!'.repeat(5000) }, { type: 'audio', mimeType: 'audio/wav', artifact: { number: 4e9 } }] }),
    verbatim({ content: [{ type: 'text', text: 'twenty' }], structuredContent: { n: 'twenty' } }, 'typed'),
    verbatim({ content: [{ type: 'text', text: 'failed' }], structuredContent: { n: 'none' }, isError: true }, 'typed'),
    verbatim({ content: [{ type: 'text', text: 'free' }], structuredContent: { any: 1 } }, 'remote'),
    verbatim({ content: [{ type: 'text', text: 'free' }], structuredContent: { any: 2 } }, 'remote')]);
  assert.deepEqual(completed[0].result.content[0], { type: 'hologram', depth: [1, { z: 2.5 }] });
  assert.ok(told[0].includes('hologram') && told[0].includes('beside'));
  assert.ok(JSON.stringify(completed[1]).length < 4000, 'the event does not carry it');
  assert.ok((await assertArtifact(s, completed[1].result.content[0], 'image/png')).equals(huge));
  assert.equal(told[1], `[image image/png, ${huge.length.toLocaleString('en')} bytes, artifact 1]`);
  const [image, audio] = completed[2].result.content;
  assert.equal(image.invalid, 'the data is not base64');
  assert.deepEqual([image.data.length, image.data_bytes], [1024, 5000]);
  assert.equal(audio.artifact, undefined);
  assert.ok(told[2].includes('not readable') && told[2].length < 500);
  assert.equal(completed[3].is_error, true);
  assert.equal(completed[3].schema_error, '/n: must be an integer, is a string');
  assert.deepEqual(completed[3].result.structuredContent, { n: 'twenty' });
  assert.match(told[3], /^Error: .*\/n: must be an integer.*\ntwenty$/s);
  assert.equal(completed[4].schema_error, undefined);
  assert.equal(told[4], 'Error: failed');
  assert.deepEqual([completed[5].is_error, completed[6].is_error, told[5]], [false, false, 'free']);
  const warned = s.logs.filter((l) => l.msg.includes('output schema cannot be used'));
  assert.deepEqual(warned.map((l) => [l.server, l.tool]), [['odd', 'remote']], 'the log is told once');
  await end();
});

test('store.backend memory: binary content is described, not kept', async () => {
  const { s, id, completed, told, end } = await answers(odd, [verbatim({ content: [{ type: 'image', mimeType: 'image/png', data: 'QUJD' }] })], { store: { backend: 'memory' } });
  const [image] = completed[0].result.content;
  assert.deepEqual([image.bytes, image.kept, image.data], [3, false, undefined]);
  assert.match(image.why, /store\.backend/);
  assert.equal(told[0], '[image image/png, 3 bytes, not kept]');
  assert.equal((await s.fetch(`/v1/tasks/${id}/artifacts/1`)).status, 404);
  await end();
});

test('whoever takes the run over tells the model the same, and counts artifacts on', async () => {
  const model = await HeldModel.start();
  const s = await Server.start({ config: using(model, { limits: { tool_result_bytes: 8192, tool_context_bytes: 2048 } }), tools: [odd] });
  await s.settled();
  const image = { type: 'image', mimeType: 'image/gif', data: 'QUJD' };
  const list = [
    verbatim({ content: [image, { type: 'text', text: 'small' }] }),
    verbatim({ content: [image, { type: 'text', text: Array.from({ length: 5000 }, (_, i) => `é${i}`).join(' ') }] }),
    verbatim({ content: [{ type: 'text', text: 'twenty' }], structuredContent: { n: 'twenty' } }, 'typed'),
    verbatim({ content: [{ ...image, data: '?' }], isError: true })];
  const { id } = await s.submit('look', { approval: 'auto' });
  (await model.next('planner')).plan({ objective: 'look' });
  (await model.next('executor')).calls(...list.map((c) => [c.tool_calls[0].name, c.tool_calls[0].arguments]));
  const told = (call) => call.body.messages.filter((m) => m.role === 'tool').map((m) => unmarked(m.content));
  const before = told(await model.next('executor'));
  for (const w of s.processes().workers) process.kill(w.pid, 'SIGKILL');
  const again = await model.next('executor');
  assert.deepEqual(told(again), before);
  assert.equal(before.length, 4);
  // In the order of the calls, whichever ended first.
  const wanted = [/^\[image image\/gif, 3 bytes, artifact \d\]\nsmall$/,
    /^\[image .*bytes left out.*\n\[shortened from \d+ bytes: read_result with handle c\d+ reads all of it\]\n\[of a result of [\d,]+ bytes, which is artifact (\d)\]\n\[read_result with handle a\1 reads it\]$/s,
    /\ntwenty$/, /^Error: \[image/];
  wanted.forEach((one, i) => assert.match(before[i], one));
  again.calls(['odd__verbatim', { result: JSON.stringify({ content: [image] }) }]);
  (await model.next('executor')).finish();
  (await model.next('writer')).text('The answer.');
  await s.until(id, 'completed');
  const numbers = (await s.events(id)).filter((e) => e.event === 'tool.completed')
    .flatMap((e) => [...(e.data.artifacts ?? []), ...(e.data.artifact ? [e.data.artifact] : [])]).map((a) => a.number);
  assert.deepEqual(numbers.toSorted(), [1, 2, 3, 4], 'no number twice');
  assert.equal(numbers.at(-1), 4);
  await s.stop();
  await model.stop();
});
