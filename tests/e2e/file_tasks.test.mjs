// SPDX-License-Identifier: Apache-2.0
// Thirty file tasks over the real filesystem server (tests/e2e/tasks). With a model that does what a good one would (scripted
// trajectories) all of them must come out right: that is the runtime's part. With the offline rules the score is printed as it is;
// what must hold there is that nothing is written and no argument is guessed.
import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Server, filesystem, tempDir, test } from './lib/server.mjs';
import { HeldModel, using, unmarked } from './lib/model.mjs';
import { reading } from './tasks/reading.mjs';
import { sorting } from './tasks/sorting.mjs';
import { writing } from './tasks/writing.mjs';

const tasks = [...reading, ...writing, ...sorting];

function build(root) {
  for (const task of tasks)
    for (const [name, text] of Object.entries(task.tree)) {
      const file = path.join(root, task.id, name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, text);
    }
}
/** {path: text} of all files below a folder. */
function filesOf(dir) {
  const names = fs.readdirSync(dir, { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
  return Object.fromEntries(names.map((e) => path.join(e.parentPath ?? e.path, e.name)).sort().map((file) => [path.relative(dir, file), fs.readFileSync(file, 'utf8')]));
}

/** Plays the trajectories: which task, step and turn it is stands in the request. */
function play(root, memories) {
  return (call) => {
    try {
      const user = call.body.messages.findLast((x) => x.role === 'user').content;
      const id = new RegExp(`${root}/([a-z_]+)`).exec(user)[1];
      const task = tasks.find((one) => one.id === id);
      const m = memories.get(id) ?? memories.set(id, { dir: path.join(root, id) }).get(id);
      if (call.role === 'planner')
        return call.plan(...task.steps.map((step) => ({ objective: step.objective, effect: step.effect, after: step.after })));
      if (call.role === 'writer') return call.text(task.answer(m));
      const { turns } = task.steps[Number(call.step.slice(1)) - 1];
      const turn = call.body.messages.filter((x) => x.role === 'assistant').length;
      const told = call.body.messages.filter((x) => x.role === 'tool').map((x) => unmarked(x.content));
      const calls = turn < turns.length ? turns[turn](m, told) : undefined;
      if (calls) return call.calls(...calls.map(([name, args]) => [`filesystem__${name}`, args]));
      return call.finish(m.result);
    } catch (e) {
      return call.finish(`the trajectory broke: ${e.stack}`, 'failed');
    }
  };
}

const root = fs.realpathSync(tempDir()), offlineRoot = fs.realpathSync(tempDir());
let scripted, offline, model;
before(async () => {
  build(root);
  build(offlineRoot);
  model = await HeldModel.start({ shared: true });
  const memories = new Map();
  model.always(() => true, play(root, memories));
  const store = { backend: 'memory' };
  scripted = await Server.start({ shared: true, tools: [filesystem(root)], config: using(model, { store, agent: { approval: 'auto' } }) });
  offline = await Server.start({ shared: true, tools: [filesystem(offlineRoot)], config: { store, agent: { approval: 'auto' } } });
});
after(async () => {
  await scripted?.stop();
  await offline?.stop();
  await model?.stop();
  for (const dir of [root, offlineRoot]) fs.rmSync(dir, { recursive: true, force: true });
});

test('there are thirty, each of its own name', () => {
  assert.equal(tasks.length, 30);
  assert.equal(new Set(tasks.map((task) => task.id)).size, 30);
});

test('scripted trajectories: all are solved', async () => {
  const ended = await Promise.all(tasks.map(async (task) => {
    const { id } = await scripted.submit(task.prompt(path.join(root, task.id)));
    return scripted.until(id, 'completed', 'failed');
  }));
  const wrong = [];
  tasks.forEach((task, i) => {
    const dir = path.join(root, task.id);
    try {
      assert.equal(ended[i].status, 'completed', JSON.stringify(ended[i].error));
      task.verify({ files: filesOf(dir), answer: ended[i].result, dir });
    } catch (e) {
      wrong.push(`${task.id}: ${e.message}`);
    }
  });
  assert.deepEqual(wrong, []);
});

/** Texts of arguments that stand neither in the prompt nor in what tools have said before. */
function guessed(prompt, events) {
  const known = [prompt], found = [];
  for (const { event, data } of events) {
    if (event === 'tool.completed') known.push(JSON.stringify(data.result));
    if (event !== 'tool.started') continue;
    for (const text of Object.values(data.arguments).flat().filter((v) => typeof v === 'string')) {
      // A name of a listing is put behind the folder that was listed.
      const parts = [text, path.basename(text)];
      if (!parts.some((part) => known.some((where) => where.includes(part)))) found.push(`${data.tool} ${text}`);
    }
  }
  return found;
}

test('offline: the score as it is; nothing is written, nothing is guessed', async (t) => {
  const untouched = filesOf(offlineRoot);
  const score = { solved: [], declined: [], wrong: [] };
  await Promise.all(tasks.map(async (task) => {
    const dir = path.join(offlineRoot, task.id), prompt = task.prompt(dir);
    const { id } = await offline.submit(prompt);
    const end = await offline.until(id, 'completed', 'failed');
    const events = await offline.events(id);
    const started = events.filter((e) => e.event === 'tool.started');
    assert.ok(started.every((e) => e.data.read_only), `${task.id}: a tool that writes was called`);
    assert.deepEqual(guessed(prompt, events), [], task.id);
    if (started.length === 0) return score.declined.push(task.id);
    try {
      task.verify({ files: filesOf(dir), answer: end.result ?? '', dir });
      return score.solved.push(task.id);
    } catch {
      return score.wrong.push(task.id);
    }
  }));
  assert.deepEqual(filesOf(offlineRoot), untouched);
  assert.equal(score.solved.length + score.declined.length + score.wrong.length, tasks.length);
  const { solved, declined, wrong } = score;
  t.diagnostic(`offline: ${solved.length} of ${tasks.length} solved, ${declined.length} declined, ${wrong.length} tried and not solved`);
  t.diagnostic(`solved: ${solved.sort().join(' ')}; declined: ${declined.sort().join(' ')}; not solved: ${wrong.sort().join(' ')}`);
});
