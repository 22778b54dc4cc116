// SPDX-License-Identifier: Apache-2.0
// A remote MCP server of 2026-07-28 with the extension io.modelcontextprotocol/tasks, the same script as task_mcp.c: each call of a
// tool becomes a task, which each tasks/get moves on by one step. Beside that `gated`, which is completed once the test sets `open`.
// It is strict about the capability in the envelope and about the headers that route what is asked about a task.
import http from 'node:http';
import { once } from 'node:events';

const META = 'io.modelcontextprotocol/';
const TOOLS = ['long', 'asks', 'fails', 'expires', 'endless', 'told', 'gated'];
const text = (s) => ({ content: [{ type: 'text', text: s }] });
const completed = (s) => ({ status: 'completed', result: text(s) });
const WHO = { method: 'elicitation/create', params: { mode: 'form', message: 'Who are you?',
  requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } } };

class Work {
  constructor(id, tool) { Object.assign(this, { id, tool, polls: 0, updates: 0, name: '' }); }
  status(more = {}) {
    const at = '2026-07-28T00:00:00Z';
    return { taskId: this.id, status: 'working', createdAt: at, lastUpdatedAt: at, ttlMs: 60_000, pollIntervalMs: this.tool === 'told' ? 30_000 : 100, ...more };
  }
  /** What tasks/get says now; undefined: there is no such task. */
  next(server) {
    if (this.tool === 'asks' && !this.updates) return this.status({ status: 'input_required', inputRequests: { who: WHO } });
    this.polls++;
    switch (this.tool) {
      case 'asks': return this.status(this.polls > 1 ? completed(`hello ${this.name}, told ${this.updates} time(s)`) : {});
      case 'long': return this.status(this.polls > 2 ? completed('long and done') : { statusMessage: `${this.polls} of 2` });
      case 'gated': return this.status(server.open ? completed('gated and done') : {});
      case 'fails': return this.status({ status: 'failed', error: { code: -32603, message: 'rate limit exceeded' } });
      case 'expires': return this.polls > 1 ? undefined : this.status();
      default: return this.status();
    }
  }
}

export class TaskServer {
  static async start() {
    const s = new TaskServer();
    Object.assign(s, { requests: [], works: new Map(), streams: 0 });
    s.server = http.createServer((q, r) => s.#request(q, r));
    s.server.listen(0, '127.0.0.1');
    await once(s.server, 'listening');
    s.url = `http://127.0.0.1:${s.server.address().port}/mcp`;
    return s;
  }
  async stop() {
    this.server.closeAllConnections();
    if (this.server.listening) { this.server.close(); await once(this.server, 'close'); }
  }

  /** Away for a moment: nobody listens at its port. */
  async away(ms) {
    const { port } = this.server.address();
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
    await new Promise((done) => { setTimeout(done, ms); });
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
  }

  async #request(q, r) {
    let raw = '';
    for await (const d of q) raw += d;
    const body = raw ? JSON.parse(raw) : undefined;
    this.requests.push({ headers: q.headers, body });
    if (q.method !== 'POST') return r.writeHead(405).end();
    const { id, method, params } = body;
    const send = (status, more) => r.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, ...more }));
    const refuse = (status, code, message) => send(status, { error: { code, message } });
    const answer = (result, resultType = 'complete') => send(200, { result: { resultType, ...result } });
    if (q.headers['mcp-method'] !== method) return refuse(400, -32020, 'Mcp-Method');
    switch (method) {
      case 'server/discover': return answer({ supportedVersions: ['2026-07-28'], capabilities: { tools: {}, extensions: { [`${META}tasks`]: {} } } });
      case 'tools/list': return answer({ ttlMs: 0, cacheScope: 'public', tools: TOOLS.map((name) => ({ name, inputSchema: { type: 'object' } })) });
      case 'tools/call': {
        const w = new Work(`tâche-${this.works.size}`, params.name);
        this.works.set(w.id, w);
        return answer(w.status(), 'task');
      }
      case 'subscriptions/listen': return this.#listen(r, id, params.notifications.taskIds ?? []);
      default: return this.#about(q, method, params, answer, refuse);
    }
  }

  #about(q, method, params, answer, refuse) {
    const name = `=?base64?${Buffer.from(params.taskId ?? '').toString('base64')}?=`;
    if (q.headers['mcp-name'] !== name) return refuse(400, -32020, 'Mcp-Name');
    if (!params._meta[`${META}clientCapabilities`].extensions?.[`${META}tasks`]) return refuse(400, -32021, 'Missing required client capability');
    const w = this.works.get(params.taskId);
    if (!w) return refuse(200, -32602, 'Failed to retrieve task: Task not found');
    switch (method) {
      case 'tasks/get': {
        const status = w.next(this);
        return status ? answer(status) : refuse(200, -32602, 'Failed to retrieve task: Task has expired');
      }
      case 'tasks/update':
        w.updates++;
        w.name = params.inputResponses.who.content?.name;
        return answer({});
      case 'tasks/cancel': return answer({});
      default: return refuse(404, -32601, 'no such method');
    }
  }

  #listen(r, id, ids) {
    r.writeHead(200, { 'content-type': 'text/event-stream' });
    const note = (method, params) => r.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method: `notifications/${method}`,
      params: { ...params, _meta: { [`${META}subscriptionId`]: id } } })}\n\n`);
    const told = ids.map((x) => this.works.get(x)).filter((w) => w?.tool === 'told');
    this.streams++;
    r.on('close', () => { this.streams--; });
    note('subscriptions/acknowledged', { notifications: told.length ? { taskIds: told.map((w) => w.id) } : {} });
    for (const w of told) {
      note('tasks', w.status({ statusMessage: 'nearly' }));
      note('tasks', w.status(completed('told and done')));
      note('tasks', w.status({ statusMessage: 'too late' }));
    }
  }
}
