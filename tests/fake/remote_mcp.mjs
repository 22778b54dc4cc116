// SPDX-License-Identifier: Apache-2.0
// A remote MCP server that does what its mode says: a scripted peer of the client over Streamable HTTP. It has two tools,
// `read` (readOnlyHint) and `write`, and keeps every request that it saw.
import http from 'node:http';
import https from 'node:https';
import { once } from 'node:events';

const TOOLS = [
  { name: 'read', description: 'Reads.', inputSchema: { type: 'object' }, annotations: { readOnlyHint: true } },
  { name: 'write', description: 'Writes.', inputSchema: { type: 'object' } },
];
const answer = (id, result) => JSON.stringify({ jsonrpc: '2.0', id, result });
const readIt = (id) => answer(id, { content: [{ type: 'text', text: 'read it' }] });

export class OddServer {
  /** tls: options of node:https; then it speaks that. */
  static async start(mode, tls) {
    const s = new OddServer();
    Object.assign(s, { mode, requests: [], calls: 0, sessions: 0 });
    s.server = tls ? https.createServer(tls, (q, r) => s.#request(q, r)) : http.createServer((q, r) => s.#request(q, r));
    s.server.listen(0, '127.0.0.1');
    await once(s.server, 'listening');
    s.url = `http${tls ? 's' : ''}://127.0.0.1:${s.server.address().port}/mcp`;
    return s;
  }
  async stop() {
    this.server.closeAllConnections();
    if (this.server.listening) { this.server.close(); await once(this.server, 'close'); }
  }

  async #request(q, r) {
    let text = '';
    for await (const d of q) text += d;
    const seen = { method: q.method, headers: q.headers, at: performance.now(), body: text ? JSON.parse(text) : undefined };
    this.requests.push(seen);
    if (q.method === 'DELETE') return r.writeHead(200).end();
    if (q.method === 'GET') return this.#get(q, r);
    const { id, method } = seen.body;
    const json = (body, more = {}) => r.writeHead(200, { 'content-type': 'application/json', ...more }).end(body);
    if (method === 'initialize')
      return json(answer(id, { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'odd', version: '1' } }), { 'mcp-session-id': `session-${++this.sessions}` });
    if (id === undefined) return r.writeHead(202).end();
    if (method === 'tools/list') return json(answer(id, { tools: TOOLS }));
    if (method === 'ping') return json(answer(id, {}));
    this.calls++;
    return this.#call(id, q, r, json);
  }

  #get(q, r) {
    // Every stream that goes on ends without anything new.
    if (this.mode === 'cut-for-ever' && q.headers['last-event-id'] !== undefined) {
      this.resumed = (this.resumed ?? 0) + 1;
      return r.writeHead(200, { 'content-type': 'text/event-stream' }).end(': nothing new\n\n');
    }
    if (q.headers['last-event-id'] === 'e1') {
      r.writeHead(200, { 'content-type': 'text/event-stream' });
      return r.end(`id: e2\ndata: ${readIt(this.cutId)}\n\n`);
    }
    return r.writeHead(this.mode === 'get-409' ? 409 : 405).end();
  }

  #call(id, q, r, json) {
    const first = q.headers['mcp-session-id'] === 'session-1';
    switch (this.mode) {
      case 'dead-404': return first ? r.writeHead(404).end() : json(readIt(id));
      case 'dead-400':
      case 'dead-400-always':
        if (!first && this.mode === 'dead-400') return json(readIt(id));
        return r.writeHead(400, { 'content-type': 'application/json' }).end('{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}');
      case 'cut-resume':
        this.cutId = id;
        r.writeHead(200, { 'content-type': 'text/event-stream' });
        this.cutAt = performance.now();
        return r.end('id: e1\nretry: 300\ndata: \n\n');
      case 'cut-for-ever': return r.writeHead(200, { 'content-type': 'text/event-stream' }).end('id: e1\nretry: 10\ndata: \n\n');
      case 'cut': return r.writeHead(200, { 'content-type': 'text/event-stream' }).end(': no event\n\n');
      case 'json-batch': return json(`[${readIt(id)}]`);
      case 'junk': return json('{"jsonrpc":"2.0","id":');
      case 'page': return r.writeHead(200, { 'content-type': 'text/html' }).end('<html>hello</html>');
      case 'redirect': return r.writeHead(307, { location: 'http://169.254.169.254/latest' }).end();
      case 'error': return json(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32000, message: 'no such luck' } }));
      case 'mirror': return json(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32000, message: `not with ${q.headers.authorization} and ${q.headers['x-key']}` } }));
      case 'mirror-403': return r.writeHead(403, { 'content-type': 'text/plain' }).end(`not with ${q.headers.authorization} and ${q.headers['x-key']}`);
      case 'wrong-id': return json(readIt(id + 1000));
      case 'huge': {
        r.writeHead(200, { 'content-type': 'application/json' });
        const piece = ' '.repeat(1 << 20);
        const more = () => { while (!r.destroyed) if (!r.write(piece)) return r.once('drain', more); };
        return more();
      }
      case 'silent': return;
      case 'cut-dead': return q.socket.destroy();
      case 'status-500':
      case 'status-503': return r.writeHead(Number(this.mode.slice(7)), { 'content-type': 'text/plain' }).end('it broke');
      default: return json(readIt(id));
    }
  }
}
