// SPDX-License-Identifier: Apache-2.0
// The command line: piped, as JSON, against a server, on a terminal; its exit codes and its mistakes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';
import { Server, alive, binary, command, descendants, eventually, fake, onTestEnd, root, tempDir, test } from './lib/server.mjs';
import { HeldModel, Model, calls, finished, planned, turns, using, written } from './lib/model.mjs';

const PROMPT = 'Read a file and summarize its contents';
const config = path.join(root, 'etc/config.yaml');
const oneStep = [planned({ objective: 'greet', title: 'Say hello', tools: ['fake__echo'] }), turns('s1', calls('fake__echo', { text: 'hi' }), finished('hi')), written('Greeted [s1].')];

/** A folder with this configuration, for commands that start a server of their own. */
function folder(model, tools = [fake('fake', 'echo')], more = {}) {
  const dir = tempDir();
  onTestEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  fs.writeFileSync(path.join(dir, 'config.yaml'), JSON.stringify(using(model, { log: { level: 'warn' }, ...more })));
  fs.writeFileSync(path.join(dir, 'tool_registry.yaml'), JSON.stringify({ tool_registry: tools }));
  return path.join(dir, 'config.yaml');
}

/** The command on a terminal of its own, made by script(1): {type(text), until(pattern), ended, text}. */
function onTerminal(args) {
  const words = [binary, ...args].map((w) => `'${w.replaceAll("'", "'\\''")}'`).join(' ');
  const child = spawn('script', ['-qec', `exec ${words}`, '/dev/null'], { env: { PATH: process.env.PATH, HOME: '/tmp', TERM: 'xterm', SHELL: '/bin/sh' }, stdio: ['pipe', 'pipe', 'inherit'] });
  const t = { text: '', child, waiters: new Set() };
  onTestEnd(async () => {
    for (const p of [...descendants(child.pid), { pid: child.pid }]) try { process.kill(p.pid, 'SIGKILL'); } catch { /* gone */ }
  });
  child.stdout.setEncoding('utf8').on('data', (d) => { t.text += d; for (const w of t.waiters) w(); });
  t.until = (pattern) => new Promise((resolve, reject) => {
    const look = () => { if (pattern.test(t.text)) { t.waiters.delete(look); resolve(); } };
    child.on('close', () => reject(new Error(`ended before ${pattern}:\n${t.text}`)));
    t.waiters.add(look);
    look();
  });
  t.type = (text) => child.stdin.write(text);
  t.ended = once(child, 'close').then(([code]) => code);
  return t;
}

test('run --yes, piped: plain lines, the result of a real file, exit 0, nothing left', async () => {
  const run = command(['run', '--yes', '-c', config, '--set', 'log.level=warn', PROMPT]);
  let all = [];
  const watching = eventually(() => { all = descendants(run.child.pid); return all.length >= 5; }, 'its processes', 5000);
  const r = await run;
  await watching;
  assert.equal(r.code, 0, r.stderr);
  assert.equal(r.stderr, '');
  for (const p of [/^task: planning$/m, /^s1: started/m, /^s1: calls filesystem /m, /^s1: completed/m, /^task: completed$/m, /no language model/i]) assert.match(r.stdout, p);
  assert.ok(!r.stdout.includes('\u001b') && !r.stdout.includes('\r'), 'nothing moves');
  await eventually(() => all.every((p) => !alive(p.pid)), 'nothing left');
});

test('run --json: every event, one object a line', async () => {
  const model = await Model.start({ rules: oneStep });
  const r = await command(['run', '-y', '--json', '-c', folder(model), 'greet']);
  assert.equal(r.code, 0, r.stderr);
  const events = r.stdout.trimEnd().split('\n').map((l) => JSON.parse(l));
  assert.equal(events[0].event, 'task.created');
  assert.equal(events.at(-1).event, 'end');
  const ids = events.map((e) => e.data.seq).filter(Boolean);
  assert.deepEqual(ids, ids.map((_, i) => i + 1));
  await model.stop();
});

test('run --server: talks to it, starts nothing', async () => {
  const model = await Model.start({ rules: oneStep });
  const s = await Server.start({ tools: [fake('fake', 'echo')], config: using(model) });
  const r = await command(['run', '--yes', '--server', s.url, 'greet']);
  assert.equal(r.code, 0, r.stderr);
  assert.match(r.stdout, /Greeted \[s1\]\./);
  assert.equal((await s.json('/v1/tasks')).body.tasks.length, 1);
  await s.stop();
  await model.stop();
});

test('run against nobody: 69 and where', async () => {
  const s = await Server.start();
  const { url } = s;
  await s.stop();
  const r = await command(['run', '--yes', '--server', url, 'greet']);
  assert.equal(r.code, 69);
  assert.match(r.stderr, new RegExp(url.slice(7)));
});

test('a task that fails: exit 1 and why', async () => {
  const model = await Model.start({ rules: [planned({ objective: 'x', effect: 'none' }), turns('s1', finished('the well is dry', 'failed'))] });
  const r = await command(['run', '--yes', '-c', folder(model), 'fetch water']);
  assert.equal(r.code, 1);
  assert.match(r.stderr, /failed/);
  assert.match(r.stderr, /the well is dry/);
  await model.stop();
});

test('without --yes and without a terminal nothing is carried out', async () => {
  const model = await Model.start({ rules: oneStep });
  const r = await command(['run', '-c', folder(model), 'greet'], { input: 'y\n' });
  assert.equal(r.code, 1);
  assert.match(r.stderr, /--yes/);
  assert.ok((await model.requests()).every((q) => q.rule === 'plan'));
  await model.stop();
});

test('a mistake in the configuration ends run with 78, a broken tool server does not', async () => {
  const model = await Model.start({ rules: [planned({ objective: 'x', effect: 'none' }), turns('s1', finished()), written('Done.')] });
  const bad = await command(['run', '--yes', '-c', folder(model), '--set', 'server.prot=1', 'x']);
  assert.equal(bad.code, 78);
  const broken = await command(['run', '--yes', '-c', folder(model, [fake('broken', 'exit-at-once')], { log: { level: 'error' } }), 'x']);
  assert.equal(broken.code, 0, broken.stderr);
  await model.stop();
});

test('wrong words: 64 with what is near', async () => {
  for (const [args, pattern] of [[[], /no command/], [['srve'], /did you mean "serve"/], [['run'], /PROMPT/], [['run', 'a', 'b'], /PROMPT/], [['--nonsense', 'serve'], /--nonsense/], [['serve', 'now'], /now/], [['check', 'now'], /now/], [['run', 'x', '--set'], /--set/]]) {
    const r = await command(args, { cwd: '/' });
    assert.equal(r.code, 64, `${args}: ${r.stderr}`);
    assert.match(r.stderr, pattern);
    assert.equal(r.stdout, '');
  }
});

test('help and version', async () => {
  for (const args of [['--help'], ['help'], ['run', '--help']]) {
    const r = await command(args);
    assert.equal(r.code, 0);
    for (const word of ['serve', 'check', 'run', 'tools', 'export', 'replay', 'verify', 'version']) assert.match(r.stdout, new RegExp(`^  ${word}`, 'm'));
  }
  for (const args of [['version'], ['--version']]) assert.match((await command(args)).stdout, /^agent-runtime \d+\.\d+\.\d+\n$/);
});

test('tools: lists what each server offers, as text and as JSON; a broken one shows in the exit code', async () => {
  const model = { url: 'http://127.0.0.1:9/v1' };
  const good = await command(['tools', '-c', folder(model)]);
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, /^fake: ready$/m);
  assert.match(good.stdout, /^  fake__echo +read +Does echo\.$/m);
  assert.match(good.stdout, /^  fake__count +write /m);
  const json = JSON.parse((await command(['tools', '--json', '-c', folder(model)])).stdout);
  assert.ok(json.tools.some((t) => t.name === 'fake__echo'));
  const broken = await command(['tools', '-c', folder(model, [fake('broken', 'exit-at-once'), fake('fake', 'echo')])]);
  assert.notEqual(broken.code, 0);
  assert.match(broken.stdout, /^broken: .*left-pad/m);
  assert.match(broken.stdout, /^fake: ready$/m);
  const own = await command(['tools', '-c', folder(model, [{ ...fake('own', 'echo'), scope: 'task' }])]);
  assert.equal(own.code, 0, own.stdout);
  assert.match(own.stdout, /^own: (ready|idle)$/m);
  assert.match(own.stdout, /^  own__echo /m);
  const none = await command(['tools', '-c', folder(model, [])]);
  assert.equal(none.code, 0);
  assert.match(none.stdout, /No tool servers/);
});

test('on a terminal: the plan is shown, y approves, steps with spinner, time and tool, then the result', async () => {
  const model = await HeldModel.start();
  const t = onTerminal(['run', '-c', folder(model), 'greet']);
  await t.until(/planning/);
  const planner = await model.next('planner');
  await t.until(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/);
  planner.plan({ objective: 'greet', title: 'Say hello', tools: ['fake__sleep'] });
  await t.until(/Carry out this plan\?/);
  assert.match(t.text, /s1 +Say hello +\[read\] fake__sleep/);
  t.type('y\n');
  (await model.next('executor')).calls(['fake__sleep', { ms: 500 }]);
  await t.until(/s1 Say hello +\d+\.\ds +fake sleep/);
  (await model.next('executor')).finish('slept');
  (await model.next('writer')).text('Good morning.');
  assert.equal(await t.ended, 0);
  assert.match(t.text, /✔/);
  assert.match(t.text, /Good morning\./);
  await model.stop();
});

test('on a terminal: questions of the planner are asked, the answer is planned with; no answer gives up', async () => {
  const asks = JSON.stringify({ goal: 'x', assumptions: [], questions: ['Which town?'], steps: [], final_output: '' });
  for (const answer of ['Oslo', '']) {
    const model = await HeldModel.start();
    const t = onTerminal(['run', '--yes', '-c', folder(model), 'the weather']);
    (await model.next('planner')).text(asks);
    await t.until(/Which town\?[^]*Your answer/);
    t.type(`${answer}\n`);
    if (answer) {
      const again = await model.next('planner');
      assert.match(again.body.messages.at(-1).content, /Answered: Oslo/);
      again.plan({ objective: 'look', effect: 'none' });
      (await model.next('executor')).finish('rain');
      (await model.next('writer')).text('Rain [s1].');
      assert.equal(await t.ended, 0);
      assert.match(t.text, /Rain \[s1\]\./);
    } else {
      assert.notEqual(await t.ended, 0);
      assert.match(t.text, /were not answered/);
    }
    await model.stop();
  }
});

test('on a terminal: n rejects, words ask for another plan', async () => {
  const model = await HeldModel.start();
  const t = onTerminal(['run', '-c', folder(model), 'greet']);
  (await model.next('planner')).plan({ objective: 'greet', title: 'Shout', effect: 'none' });
  await t.until(/Carry out/);
  t.type('rather whisper\n');
  const again = await model.next('planner');
  assert.match(again.body.messages.at(-1).content, /rather whisper/);
  again.plan({ objective: 'greet', title: 'Whisper', effect: 'none' });
  await t.until(/Whisper[^]*Carry out/);
  t.type('n\n');
  assert.equal(await t.ended, 1);
  assert.match(t.text, /rejected/);
  await model.stop();
});

test('on a terminal: Ctrl-C cancels the task, and nothing is left', async () => {
  const model = await HeldModel.start();
  const t = onTerminal(['run', '-c', folder(model), 'greet']);
  const planner = await model.next('planner');
  await t.until(/planning/);
  const all = descendants(t.child.pid);
  t.type('\u0003');
  assert.equal(await t.ended, 1);
  await planner.gone;
  assert.match(t.text, /cancelled/);
  await eventually(() => all.every((p) => !alive(p.pid)), 'nothing left');
  await model.stop();
});

test('run is killed: its private server ends with it', async () => {
  const model = await HeldModel.start();
  const run = command(['run', '--yes', '-c', folder(model, undefined, { server: { drain_seconds: 1 } }), 'greet']);
  await model.next('planner');
  const all = descendants(run.child.pid);
  assert.ok(all.length >= 4);
  run.child.kill('SIGKILL');
  await run;
  await eventually(() => all.every((p) => !alive(p.pid)), 'nothing left', 10000);
  await model.stop();
});
