// SPDX-License-Identifier: Apache-2.0
// A remote MCP server of 2026-07-28 that is strict about it: POST only, no sessions, the envelope and the headers of each
// request are looked at, and what does not fit is refused as the revision says. Tools: `read` (text), `region` (r goes to the
// header Mcp-Param-Region, too), `ask` (elicitation first, with a state), `stall` (a stream that never answers), `grow`.
import http from 'node:http';
import { once } from 'node:events';

const META = 'io.modelcontextprotocol/';
const VERSION = '2026-07-28';
const STATE = '{"round":1} é/';
const text = (s) => ({ content: [{ type: 'text', text: s }] });
const decoded = (v) => v?.replace(/^=\?base64\?(.*)\?=$/, (_, b) => Buffer.from(b, 'base64').toString());

export class ModernServer {
  static async start(mode = '') {
    const s = new ModernServer();
    Object.assign(s, { mode, requests: [], cut: 0, grown: 0, listener: undefined });
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
  methods() { return this.requests.map((x) => x.body?.method ?? x.method); }

  async #request(q, r) {
    let raw = '';
    for await (const d of q) raw += d;
    const body = raw ? JSON.parse(raw) : undefined;
    this.requests.push({ method: q.method, headers: q.headers, body });
    if (q.method !== 'POST') return r.writeHead(405).end();
    const { id, method, params } = body;
    const refuse = (status, code, message, data) => r.writeHead(status, { 'content-type': 'application/json' })
      .end(JSON.stringify({ jsonrpc: '2.0', id: id ?? null, error: { code, message, data } }));
    const version = params?._meta?.[`${META}protocolVersion`];
    if (!version || !params._meta[`${META}clientCapabilities`]) return refuse(400, -32602, 'no envelope');
    if (version !== VERSION) return refuse(400, -32022, 'no such version', { supported: [VERSION], requested: version });
    const wrong = this.#mismatch(q.headers, method, params);
    if (wrong) return refuse(400, -32020, wrong);
    return this.#serve(q, r, id, method, params, refuse);
  }

  #mismatch(h, method, params) {
    if (h['mcp-protocol-version'] !== VERSION) return 'MCP-Protocol-Version';
    if (h['mcp-session-id'] || h['last-event-id']) return 'headers of an earlier revision';
    if (h['mcp-method'] !== method) return 'Mcp-Method';
    if (method === 'tools/call' && decoded(h['mcp-name']) !== params.name) return 'Mcp-Name';
    if (method !== 'tools/call' || params.name !== 'region') return undefined;
    return decoded(h[`mcp-param-${this.header}`]) === params.arguments.r ? undefined : `Mcp-Param-${this.header}`;
  }
  get header() { return this.mode === 'renames' && this.grown ? 'place' : 'region'; }

  #serve(q, r, id, method, params, refuse) {
    const answer = (result, resultType = 'complete') => r.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 'echoed' })
      .end(JSON.stringify({ jsonrpc: '2.0', id, result: { resultType, _meta: { [`${META}serverInfo`]: { name: 'modern', version: '3' } }, ...result } }));
    const schema = (properties = {}) => ({ type: 'object', properties });
    switch (method) {
      case 'server/discover': return answer({ supportedVersions: [VERSION], capabilities: { tools: { listChanged: true } } });
      case 'tools/list': return answer({ ttlMs: 0, cacheScope: 'public', tools: [
        ...['read', 'ask', 'stall', 'grow'].map((name) => ({ name, inputSchema: schema(), annotations: { readOnlyHint: true } })),
        { name: 'region', inputSchema: schema({ r: { type: 'string', 'x-mcp-header': this.header } }), annotations: { readOnlyHint: true } },
        { name: 'bad', inputSchema: schema({ r: { type: 'number', 'x-mcp-header': 'R' } }) },
        ...Array.from({ length: this.grown }, (_, i) => ({ name: `grown${i}`, inputSchema: schema() }))] });
      case 'subscriptions/listen':
        r.writeHead(200, { 'content-type': 'text/event-stream' });
        this.listener = { r, id };
        return this.#note('subscriptions/acknowledged', { notifications: params.notifications });
      case 'tools/call': return this.#call(r, params, answer, refuse);
      default: return refuse(404, -32601, 'no such method');
    }
  }
  #note(method, params = {}) {
    this.listener?.r.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method: `notifications/${method}`,
      params: { ...params, _meta: { [`${META}subscriptionId`]: this.listener.id } } })}\n\n`);
  }

  #call(r, params, answer, refuse) {
    switch (params.name) {
      case 'region': return answer(text(`region ${params.arguments.r}`));
      case 'grow':
        this.grown++;
        if (this.mode !== 'renames') this.#note('tools/list_changed');
        return answer(text('grown'));
      case 'ask':
        if (!params.inputResponses)
          return answer({ inputRequests: { who: { method: 'elicitation/create', params: { message: 'Who are you?',
            requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } } } }, requestState: STATE }, 'input_required');
        if (params.requestState !== STATE) return refuse(400, -32602, 'not the state that was sent');
        return answer(text(`${params.inputResponses.who.action}: ${params.inputResponses.who.content?.name}`));
      case 'stall':
        r.writeHead(200, { 'content-type': 'text/event-stream' });
        r.write(': alive\n\n');
        return r.on('close', () => { this.cut++; });
      default: return answer(text('read it'));
    }
  }
}
