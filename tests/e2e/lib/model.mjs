// SPDX-License-Identifier: Apache-2.0
// The scripted Chat Completions server (tests/fake/chat_server.mjs) as a child of the test.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { onTestEnd, root, tempDir } from './server.mjs';

let callIds = 1; // of HeldModel

export class Model {
  static async start(script) {
    const m = new Model();
    m.dir = tempDir();
    const file = path.join(m.dir, 'script.json');
    fs.writeFileSync(file, JSON.stringify(script));
    m.process = spawn(process.execPath, [path.join(root, 'tests/fake/chat_server.mjs'), '--port', '0', '--script', file], { stdio: ['ignore', 'pipe', 'inherit'] });
    m.forget = onTestEnd(() => m.stop());
    const [first] = await once(m.process.stdout, 'data');
    m.port = JSON.parse(String(first).split('\n')[0]).port;
    m.url = `http://127.0.0.1:${m.port}/v1`;
    return m;
  }
  async requests() {
    return (await fetch(`http://127.0.0.1:${this.port}/__requests`)).json();
  }
  async stop() {
    this.forget();
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill('SIGKILL');
      await once(this.process, 'exit');
    }
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

/** What a tool returned, without the marks it stands between. */
export const unmarked = (text) => text.replace(/<data-([0-9a-f]{16})>\n([\s\S]*?)\n<\/data-\1>/g, '$2');

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

/** Rules of the scripted server for the usual roles. */
export const planned = (...steps) => ({ name: 'plan', when: { system: 'planner' }, respond: { text: plan('test', steps) } });
export const turns = (step, ...responses) => ({ name: step, when: { system: 'executor', text: `Your step: ${step} ` }, respond: responses });
export const calls = (name, args = {}) => ({ tool_calls: [{ name, arguments: args }] });
export const finished = (result = 'done', status = 'success') => calls('finish_step', { status, result });
export const written = (text = 'The answer.') => ({ name: 'answer', when: { system: 'final answer' }, respond: { text } });
/** Configuration that uses a model server. */
export const using = (model, more = {}) => ({ ...more, openai: { api_key: 'sk-test', base_url: model.url, ...more.openai }, llm: { model: 'scripted', ...more.llm } });

/** A Chat Completions server inside the test: it answers when the test says so, and tells when a client has left. */
export class HeldModel {
  /** shared: it lives longer than one test; whoever starts it stops it in an after hook. */
  static async start({ shared = false } = {}) {
    const m = new HeldModel();
    m.waiting = [];
    m.takers = [];
    m.seen = [];
    m.standing = [];
    m.server = http.createServer((req, res) => m.#take(req, res));
    m.server.listen(0, '127.0.0.1');
    await once(m.server, 'listening');
    m.forget = shared ? () => {} : onTestEnd(() => m.stop());
    m.url = `http://127.0.0.1:${m.server.address().port}/v1`;
    return m;
  }
  async #take(req, res) {
    const parts = [];
    for await (const part of req) parts.push(part);
    const body = JSON.parse(Buffer.concat(parts).toString());
    const system = body.messages[0].content;
    const role = system.includes('planner') ? 'planner' : system.includes('executor') ? 'executor' : 'writer';
    const last = (speaker) => body.messages.findLast((x) => x.role === speaker)?.content ?? '';
    const call = { body, role, step: /Your step: (\S+) /.exec(last('user'))?.[1], told: unmarked(last('tool')), res, port: req.socket.remotePort, left: false };
    call.gone = once(res, 'close').then(() => { call.left = !res.writableFinished; return performance.now(); });
    const chunk = (delta, reason = null) => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'held', choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;
    const head = () => { if (!res.headersSent) res.writeHead(200, { 'content-type': 'text/event-stream' }); };
    call.say = (text) => { head(); res.write(chunk({ content: text })); };
    call.end = (reason = 'stop') => { head(); res.end(`${chunk({}, reason)}data: [DONE]\n\n`); };
    call.text = (text) => { call.say(text); call.end(); };
    call.plan = (...steps) => call.text(plan('test', steps));
    call.calls = (...list) => {
      head();
      list.forEach(([name, args], index) => res.write(chunk({ tool_calls: [{ index, id: `call_${callIds++}`, type: 'function', function: { name, arguments: JSON.stringify(args ?? {}) } }] })));
      call.end('tool_calls');
    };
    call.finish = (result = 'done', status = 'success') => call.calls(['finish_step', { status, result }]);
    this.seen.push(call);
    const standing = this.standing.find((t) => t.fits(call));
    if (standing) return standing.answer(call);
    const taker = this.takers.findIndex((t) => t.fits(call));
    if (taker >= 0) return this.takers.splice(taker, 1)[0].resolve(call);
    return this.waiting.push(call);
  }
  /** From now on every request that fits is answered so, also those that wait. */
  always(fits, answer) {
    const test = typeof fits === 'string' ? (c) => c.role === fits : fits;
    this.standing.push({ fits: test, answer });
    for (const call of this.waiting.filter(test)) answer(call);
    this.waiting = this.waiting.filter((c) => !test(c));
  }
  /** The next request that fits (of that role, if a name is given), past or to come. */
  next(fits = () => true) {
    const test = typeof fits === 'string' ? (c) => c.role === fits : fits;
    const at = this.waiting.findIndex(test);
    if (at >= 0) return Promise.resolve(this.waiting.splice(at, 1)[0]);
    return new Promise((resolve) => { this.takers.push({ fits: test, resolve }); });
  }
  async stop() {
    this.forget();
    this.server.closeAllConnections();
    this.server.close();
  }
}

