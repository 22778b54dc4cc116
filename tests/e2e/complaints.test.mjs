// SPDX-License-Identifier: Apache-2.0
// The fifteen complaints that users of other hosts and gateways of the Model Context Protocol make most, each with the tests that show
// that it cannot be made here. Those that stand nowhere else are in this file.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Server, alive, eventually, fake, fakeMcp, fakeSandbox, onTestEnd, root, stdio, tempDir, test } from './lib/server.mjs';
import { Model, calls, finished, planned, using, written } from './lib/model.mjs';
import { RESTART, begin, called, ended, serverIs, state } from './lib/calling.mjs';
import { OddServer } from '../fake/remote_mcp.mjs';

const COMPLAINTS = {
  '1. processes are never reaped': { 'census.test.mjs': ['calls while servers and supervisors die'], 'reload.test.mjs': ['nothing leaks: twenty reloads'], 'leaks.test.mjs': ['a tool server that dies'] },
  '2. the wrapper is killed, the server lives on': { 'stdio.test.mjs': ['npx: whatever kills the wrapper'], 'confine.test.mjs': ['nothing outlives its server', 'a supervisor that is killed leaves no process'] },
  '3. processes explode under concurrency': { 'complaints.test.mjs': ['3. a hundred calls at once'] },
  '4. stderr is never drained': { 'stdio.test.mjs': ['three times 100 KiB on stderr'], 'tool_faults.test.mjs': ['floods stderr'] },
  '5. a slow first start meets a fixed limit': { 'complaints.test.mjs': ['5. a first start that takes too long'], 'tool_faults.test.mjs': ['slow to start: a plan waits'] },
  '6. starts that never finish leak descriptors': { '../unit/mcp/test_server.c': ['server__failed_starts_leave_no_descriptor_and_no_child'], 'tool_faults.test.mjs': ['never answers initialize'] },
  '7. a dead local server stays dead': { 'tool_faults.test.mjs': ['killed from outside: it is started again', 'exits at once'] },
  '8. an expired session is the end': { 'remote.test.mjs': ['the session it has forgotten is opened anew', "['dead-404'", "['dead-400'"] },
  '9. a stream ends and the request waits for ever, or reconnects for ever': { 'complaints.test.mjs': ['9. a stream that ends'], 'remote.test.mjs': ['a stream that is cut is asked for again'] },
  '10. one bad member breaks all': { 'tool_faults.test.mjs': ['missing program', 'bad schemas are left out alone'], '../unit/mcp/test_broker.c': ['broker__one_bad_server_does_not_harm_the_others'] },
  '11. names of tools are cut, doubled or depend on chance': { 'audit.test.mjs': ['legal names of their own'], '../unit/mcp/test_catalog.c': ['catalog_name__cut_names_differ_and_fit', 'catalog_name__does_not_depend_on_the_order', 'catalog_name__of_one_server_does_not_depend_on_another', 'mcp_catalog_find__takes_every_spelling'] },
  '12. progress does not keep a call alive, or does so for ever': { 'tool_faults.test.mjs': ['progress keeps a call alive', 'ends at the absolute limit'] },
  '13. large results fill the context, or break': { 'stdio.test.mjs': ['a file of 10.5 MB'], 'tool_faults.test.mjs': ['a line of 20 MB'], 'durable_keep.test.mjs': ['a result of 3 MiB is kept whole'], 'results.test.mjs': ['an image, links, embedded resources'], '../unit/mcp/test_stdio.c': ['stdio__a_line_without_end_restarts_the_server'] },
  '14. servers get our secrets': { 'canary.test.mjs': ['no secret is anywhere'], 'tool_faults.test.mjs': ['children start from an empty environment'], '../unit/mcp/test_stdio.c': ['stdio__descriptors_are_not_inherited'] },
  '15. a retry acts twice': { 'durable_doubt.test.mjs': ['killed during a call that must not be repeated'], 'tool_faults.test.mjs': ['dies in a call that writes'], 'remote.test.mjs': ['to a call that may have effects', "'cut-dead'"], 'kills.test.mjs': ['every promise is kept'] },
};

test('each of the fifteen complaints has tests, and they exist', () => {
  assert.equal(Object.keys(COMPLAINTS).length, 15);
  for (const [complaint, files] of Object.entries(COMPLAINTS))
    for (const [file, names] of Object.entries(files)) {
      const text = fs.readFileSync(path.join(root, 'tests/e2e', file), 'utf8');
      for (const name of names) assert.ok(text.split('\n').some((line) => /^\s*(test|static void|for )/.test(line) && line.includes(name)), `${complaint}: no test "${name}" in ${file}`);
    }
});

test('3. a hundred calls at once, to a server that starts and to one that dies under them: one process each, no zombie', async () => {
  const model = await Model.start({ rules: [
    planned({ objective: 'call', tools: ['slow__echo', 'dies__echo'] }),
    { when: { system: 'executor', turn: 0 }, respond: { tool_calls: ['slow__echo', 'dies__echo', 'slow__echo', 'dies__echo'].map((name) => ({ name, arguments: { text: 'x' } })) } },
    { when: { system: 'executor' }, respond: finished() }, written()] });
  const s = await Server.start({ tools: [fake('slow', 'slow-start', '400'), fake('dies', 'exit-after', '10')], config: using(model, { tools: RESTART, log: { level: 'info' } }) });
  const most = {}, first = {};
  const look = () => {
    for (const id of ['slow-start', 'exit-after']) most[id] = Math.max(most[id] ?? 0, s.processes().tools.filter((p) => p.title.includes(`mcp_fake ${id}`) && p.state !== 'Z').length);
    first.pid ??= s.processes().tools.find((p) => p.title.includes('mcp_fake slow-start'))?.pid;
  };
  const looking = setInterval(look, 3);
  const tasks = await Promise.all(Array.from({ length: 25 }, () => s.submit('call', { approval: 'auto' })));
  await Promise.all(tasks.map(({ id }) => s.until(id, 'completed', 'failed')));
  clearInterval(looking);
  look();
  assert.deepEqual(most, { 'slow-start': 1, 'exit-after': 1 });
  assert.ok(alive(first.pid), 'it was started once');
  await eventually(() => s.processes().all.every((p) => p.state !== 'Z'), 'no zombie');
  const ends = (await Promise.all(tasks.map(({ id }) => s.events(id)))).flat().filter((e) => e.event === 'tool.completed' && e.data.server === 'slow');
  assert.equal(ends.length, 50, 'all calls of the slow one were answered');
  await s.stop();
  await model.stop();
});

test('5. a first start that takes too long: it says why and how to allow it, goes on trying, and what it had done by then helps the next start', async () => {
  const dir = tempDir(), done = path.join(dir, 'downloaded');
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  // As npx the first time: a download that takes longer than a start may, which is not thrown away.
  const script = 'if [ ! -e "$1" ]; then : >"$1"; exec sleep 60; fi; exec "$0" echo';
  const b = await begin([{ ...stdio('npx', '/bin/sh', ['-c', script, fakeMcp, done]), sandbox: fakeSandbox }, fake('good', 'echo')], { config: { tools: { start_seconds: 1 } } });
  const why = (await b.s.log((l) => l.server === 'npx' && l.error)).error;
  assert.match(why, /not ready within 1000 ms \(initialize is not answered\): raise tools\.start_seconds/);
  await serverIs(b.s, 'npx', (x) => x.state === 'ready');
  assert.deepEqual(await called(b, [['npx__echo', { text: 'now' }], ['good__echo', { text: 'fine' }]]), ['now', 'fine']);
  await b.end();
});

for (const mode of ['cut', 'cut-for-ever'])
  test(`9. a stream that ends without the answer (${mode}): the call ends soon, with what happened; the next one is answered`, async () => {
    const peer = await OddServer.start(mode);
    onTestEnd(() => peer.stop());
    const b = await begin([{ id: 'odd', enabled: true, type: 'remote_http', config: { url: peer.url, era: 'handshake' } }], { config: { tools: { call_idle_seconds: 30 } } });
    const before = performance.now();
    const { id } = await b.s.submit('try', { approval: 'auto' });
    (await b.model.next('planner')).plan({ objective: 'try', tools: ['odd__write'], effect: 'write' });
    (await b.model.next('executor')).calls(['odd__write', {}]);
    const { pending } = await b.s.until(id, 'input_required');
    assert.ok(performance.now() - before < 15_000, 'no waiting for a limit');
    assert.match(pending.question, /write of odd was called/);
    assert.equal(peer.calls, 1, 'nothing is done twice');
    assert.ok((peer.resumed ?? 0) <= 10, `${peer.resumed} reconnections`);
    peer.mode = 'plain';
    await b.s.post(`/v1/tasks/${id}/input`, { id: pending.id, action: 'retry' });
    (await b.model.next('executor')).finish();
    (await b.model.next('writer')).text('Done.');
    await b.s.until(id, 'completed');
    await b.end();
    await peer.stop();
  });
