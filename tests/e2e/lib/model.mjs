// SPDX-License-Identifier: Apache-2.0
// The scripted Chat Completions server (tests/fake/chat_server.mjs) as a child of the test.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { root, tempDir } from './server.mjs';

export class Model {
  static async start(script) {
    const m = new Model();
    m.dir = tempDir();
    const file = path.join(m.dir, 'script.json');
    fs.writeFileSync(file, JSON.stringify(script));
    m.process = spawn(process.execPath, [path.join(root, 'tests/fake/chat_server.mjs'), '--port', '0', '--script', file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [first] = await once(m.process.stdout, 'data');
    m.port = JSON.parse(String(first).split('\n')[0]).port;
    m.url = `http://127.0.0.1:${m.port}/v1`;
    return m;
  }
  async requests() {
    return (await fetch(`http://127.0.0.1:${this.port}/__requests`)).json();
  }
  async stop() {
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A plan in the planner's form. steps: [{id, objective, tools, after, effect}] */
export const plan = (goal, steps) => JSON.stringify({
  goal, assumptions: [], questions: [],
  steps: steps.map((s, i) => ({
    id: s.id ?? `s${i + 1}`, title: s.title ?? s.objective, objective: s.objective, depends_on: s.after ?? [],
    tool_hints: s.tools ?? [], inputs: s.inputs ?? [], expected_output: '', success_criteria: '',
    side_effects: s.effect ?? 'read', on_failure: s.on_failure ?? 'abort',
  })),
  final_output: '',
});
