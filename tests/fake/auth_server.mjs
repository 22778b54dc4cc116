// SPDX-License-Identifier: Apache-2.0
// A protected MCP server (Streamable HTTP, 2025-11-25, one tool "whoami") and its authorization server, scripted by the test:
// what it was asked is in `asked`, its tokens are good until `revoke()`. Both on loopback; nothing of it is fit for anything else.
import http from 'node:http';
import { once } from 'node:events';
import { createHash, randomBytes } from 'node:crypto';

const hash = (s) => createHash('sha256').update(s).digest('base64url');

export class AuthServer {
  /** tokenName: a text that every token begins with, to look for where it must not be. */
  static async start({ tokenName = 'tok', scopes = ['read'], clients = {} } = {}) {
    const a = new AuthServer();
    Object.assign(a, { tokenName, scopes, clients: new Map(Object.entries(clients)), good: new Map(), refreshes: new Map(), codes: new Map(), asked: [], delayMs: 0 });
    a.server = http.createServer((q, r) => { a.#answer(q, r).catch((e) => { r.writeHead(500).end(String(e)); }); });
    a.server.listen(0, '127.0.0.1');
    await once(a.server, 'listening');
    a.origin = `http://127.0.0.1:${a.server.address().port}`;
    a.url = `${a.origin}/mcp`;
    return a;
  }
  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => { this.server.close(resolve); });
  }
  /** Every access token ceases to be good; refresh tokens, too, when told so. */
  revoke({ refresh = false } = {}) {
    this.good.clear();
    if (refresh) this.refreshes.clear();
  }
  count(path) { return this.asked.filter((x) => x.path === path).length; }

  /** The person: opens the address, agrees, and is sent back. */
  async agree(url) {
    const r = await fetch(url, { redirect: 'manual' });
    if (r.status !== 302) throw new Error(`${url}: ${r.status} ${await r.text()}`);
    return r.headers.get('location');
  }

  async #answer(q, r) {
    const url = new URL(q.url, this.origin);
    let body = '';
    for await (const d of q) body += d;
    this.asked.push({ method: q.method, path: url.pathname, query: url.searchParams, headers: q.headers, body });
    const json = (status, value, headers = {}) => { r.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value)); };
    switch (url.pathname) {
      case '/.well-known/oauth-protected-resource/mcp':
        return json(200, { resource: this.url, authorization_servers: [this.origin], scopes_supported: this.scopes });
      case '/.well-known/oauth-authorization-server':
        return json(200, {
          issuer: this.origin, authorization_endpoint: `${this.origin}/authorize`, token_endpoint: `${this.origin}/token`,
          registration_endpoint: `${this.origin}/register`, code_challenge_methods_supported: ['S256'], authorization_response_iss_parameter_supported: true,
          token_endpoint_auth_methods_supported: ['client_secret_basic', 'none'],
        });
      case '/register': {
        const id = `client-${this.clients.size}`;
        this.clients.set(id, `${this.tokenName}-secret-${id}`);
        return json(201, { ...JSON.parse(body), client_id: id, client_secret: this.clients.get(id) });
      }
      case '/authorize': return this.#authorize(url.searchParams, r);
      case '/token': return this.#token(q, new URLSearchParams(body), json);
      case '/mcp': return this.#mcp(q, r, body, json);
      default: return json(404, {});
    }
  }

  #authorize(p, r) {
    if (!this.clients.has(p.get('client_id')) || p.get('code_challenge_method') !== 'S256' || p.get('resource') !== this.url) return r.writeHead(400).end('bad request');
    const code = randomBytes(8).toString('hex'), back = new URL(p.get('redirect_uri'));
    this.codes.set(code, Object.fromEntries(p));
    for (const [k, v] of [['code', code], ['state', p.get('state')], ['iss', this.origin]]) back.searchParams.set(k, v);
    return r.writeHead(302, { location: String(back) }).end();
  }

  async #token(q, form, json) {
    const [id, secret] = Buffer.from((q.headers.authorization ?? '').replace('Basic ', ''), 'base64').toString().split(':').map(decodeURIComponent);
    if (this.clients.get(id) !== secret) return json(401, { error: 'invalid_client' });
    if (form.get('resource') !== this.url) return json(400, { error: 'invalid_target' });
    if (this.delayMs) await new Promise((resolve) => { setTimeout(resolve, this.delayMs); });
    let scope = this.scopes.join(' ');
    if (form.get('grant_type') === 'authorization_code') {
      const given = this.codes.get(form.get('code'));
      this.codes.delete(form.get('code'));
      if (!given || given.client_id !== id || given.redirect_uri !== form.get('redirect_uri') || hash(form.get('code_verifier')) !== given.code_challenge)
        return json(400, { error: 'invalid_grant' });
      scope = given.scope;
    } else if (form.get('grant_type') === 'refresh_token') {
      // Rotated: each is good once. Who races with himself loses.
      if (!this.refreshes.delete(form.get('refresh_token'))) return json(400, { error: 'invalid_grant' });
    } else if (form.get('grant_type') !== 'client_credentials') {
      return json(400, { error: 'unsupported_grant_type' });
    }
    const token = `${this.tokenName}-access-${randomBytes(12).toString('hex')}`, refresh = `${this.tokenName}-refresh-${randomBytes(12).toString('hex')}`;
    this.good.set(token, scope);
    if (form.get('grant_type') !== 'client_credentials') this.refreshes.set(refresh, true);
    return json(200, { access_token: token, token_type: 'Bearer', expires_in: 3600, scope, ...(form.get('grant_type') === 'client_credentials' ? {} : { refresh_token: refresh }) });
  }

  #mcp(q, r, body, json) {
    const token = (q.headers.authorization ?? '').replace('Bearer ', '');
    if (!this.good.has(token)) return json(401, {}, { 'www-authenticate': `Bearer resource_metadata="${this.origin}/.well-known/oauth-protected-resource/mcp"` });
    if (q.method === 'GET') return json(405, {});
    if (q.method === 'DELETE') return r.writeHead(200).end();
    const m = JSON.parse(body), reply = (result) => json(200, { jsonrpc: '2.0', id: m.id, result });
    switch (m.method) {
      case 'server/discover': return json(400, { jsonrpc: '2.0', id: m.id, error: { code: -32601, message: 'no such method' } });
      case 'initialize': return reply({ protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'protected', version: '1' } });
      case 'tools/list': return reply({ tools: [{ name: 'whoami', description: 'Say who is asking', inputSchema: { type: 'object' }, annotations: { readOnlyHint: true } }] });
      // It hands back what it was given in confidence.
      case 'tools/call': if (m.params.arguments?.fail) return json(200, { jsonrpc: '2.0', id: m.id, error: { code: -32000, message: `no such luck with ${token}` } });
        return reply({ content: [{ type: 'text', text: `you are ${this.good.get(token)}` }] });
      default: return m.id === undefined ? r.writeHead(202).end() : json(200, { jsonrpc: '2.0', id: m.id, error: { code: -32601, message: 'no such method' } });
    }
  }
}
