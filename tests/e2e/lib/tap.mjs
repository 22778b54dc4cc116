// SPDX-License-Identifier: Apache-2.0
// A server in between: passes HTTP on to another one as it is and remembers what was asked, for peers that keep a request only in
// a form of their own.
import http from 'node:http';
import { once } from 'node:events';
import { onTestEnd } from './server.mjs';

export class Tap {
  /** seen: [{method, path, headers, body}], body parsed where it is JSON. */
  static async start(url) {
    const t = new Tap();
    const to = new URL(url);
    t.seen = [];
    t.server = http.createServer(async (req, res) => {
      const parts = [];
      for await (const part of req) parts.push(part);
      const bytes = Buffer.concat(parts);
      let body = bytes.toString();
      try { body = JSON.parse(body); } catch { /* kept as text */ }
      t.seen.push({ method: req.method, path: req.url, headers: req.headers, body });
      const out = http.request({ host: to.hostname, port: to.port, method: req.method, path: req.url, headers: { ...req.headers, host: to.host } });
      out.on('response', (answer) => {
        res.writeHead(answer.statusCode, answer.headers);
        answer.on('data', (d) => res.write(d)).on('end', () => res.end()).on('error', () => res.destroy());
        answer.on('aborted', () => res.destroy());
      });
      out.on('error', () => res.destroy());
      out.end(bytes);
    });
    t.server.listen(0, '127.0.0.1');
    await once(t.server, 'listening');
    t.url = `http://127.0.0.1:${t.server.address().port}`;
    onTestEnd(() => t.stop());
    return t;
  }
  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
