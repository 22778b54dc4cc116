// SPDX-License-Identifier: Apache-2.0
// Plays bytes back as a model server: whatever a test gives it goes onto the socket as it is, below any HTTP library, in the pieces
// it was given. Requests are read just far enough to know whose they are and kept.
//
//   const r = await Replay.start();        r.url, r.seen = [{path, headers, body, role}], r.stop()
//   r.play({ planner: [ANSWER...], executor: [...], writer: [...] })
//
// An ANSWER is a body (text, Buffer, or a list of them, one write each; a function among them is awaited), or {body, status, type, headers, then}: status 200 and
// type text/event-stream unless it says else; then "close" (the default: end of the body, as many servers do), "reset" or "hang".
// The last answer of a role stays. A role is told by the system text.
import net from 'node:net';
import { once } from 'node:events';

export class Replay {
  static async start() {
    const r = new Replay();
    r.seen = [];
    r.sockets = new Set();
    r.server = net.createServer((socket) => r.#serve(socket));
    r.server.listen(0, '127.0.0.1');
    await once(r.server, 'listening');
    r.port = r.server.address().port;
    r.url = `http://127.0.0.1:${r.port}/v1`;
    return r;
  }
  play(script) {
    this.script = Object.fromEntries(Object.entries(script).map(([role, list]) => [role, [...list]]));
    this.seen = [];
  }
  stop() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
  #serve(socket) {
    this.sockets.add(socket);
    let got = Buffer.alloc(0);
    socket.on('error', () => {}).on('close', () => this.sockets.delete(socket));
    socket.setNoDelay(true);
    socket.on('data', (d) => {
      got = Buffer.concat([got, d]);
      const head = got.indexOf('\r\n\r\n');
      if (head < 0) return;
      const lines = got.subarray(0, head).toString('latin1').split('\r\n');
      const headers = Object.fromEntries(lines.slice(1).map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
      const end = head + 4 + Number(headers['content-length'] ?? 0);
      if (got.length < end) return;
      const body = JSON.parse(got.subarray(head + 4, end).toString());
      got = got.subarray(end);
      const system = JSON.stringify(body.system ?? body.instructions ?? body.messages?.[0]?.content ?? '');
      const role = system.includes('planner') ? 'planner' : system.includes('executor') ? 'executor' : 'writer';
      this.seen.push({ path: lines[0].split(' ')[1], headers, body, role });
      const list = this.script[role];
      this.#answer(socket, list.length > 1 ? list.shift() : list[0]);
    });
  }
  async #answer(socket, answer) {
    const a = typeof answer === 'string' || Buffer.isBuffer(answer) || Array.isArray(answer) ? { body: answer } : answer;
    const pieces = Array.isArray(a.body) ? a.body : [a.body ?? ''];
    const head = [`HTTP/1.1 ${a.status ?? 200} X`, `Content-Type: ${a.type ?? 'text/event-stream'}`, 'Connection: close', ...a.headers ?? [], '', ''];
    socket.write(head.join('\r\n'));
    for (const piece of pieces) {
      if (typeof piece === 'function') {
        await piece();
        continue;
      }
      socket.write(piece);
      // Each piece gets a read of its own on the other side.
      if (pieces.length > 1) await new Promise((resolve) => { setTimeout(resolve, 2); });
    }
    if (a.then === 'hang') return;
    if (a.then === 'reset') socket.resetAndDestroy();
    else socket.end();
  }
}
