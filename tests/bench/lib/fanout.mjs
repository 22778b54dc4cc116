// SPDX-License-Identifier: Apache-2.0
// Fan-out: many subscribers of one stream, and a source that says one short text after the other when told to. Each text has
// one '~', which stands nowhere else in the stream, so that counting bytes counts events.
import http from 'node:http';
import net from 'node:net';
import { once } from 'node:events';

const MARK = 0x7e;
export const text = `~${'x'.repeat(199)}`;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A Chat Completions server whose one answer is in the hands of the bench: say() adds a piece, nothing ends it. */
export async function startModel() {
  const model = { said: null };
  const server = http.createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    model.said = response;
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  model.url = `http://127.0.0.1:${server.address().port}/v1`;
  model.say = () => model.said.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text } }] })}\n\n`);
  model.stop = () => { server.closeAllConnections(); server.close(); };
  return model;
}

/** Words of a Node server that sends each text posted to it to all who asked for a stream. */
export const nodeWords = (port) => ['-e', `
const all = new Set();
require('http').createServer((q, s) => {
  if (q.method === 'POST') {
    q.resume().on('end', () => { for (const one of all) one.write('event: model.delta\\ndata: {"call":"c1","role":"planner","text":"${text}"}\\n\\n'); s.end(); });
  } else if (q.url === '/stream') {
    s.writeHead(200, { 'content-type': 'text/event-stream' });
    s.flushHeaders();
    all.add(s);
  } else s.end('{}');
}).listen(${port}, '127.0.0.1');`];

export class Subscribers {
  /** Opens count streams and waits until each has its head. */
  static async open(port, path, count) {
    const all = new Subscribers();
    all.events = 0;
    all.sockets = [];
    for (let i = 0; i < count; i++) {
      const socket = net.connect({ port, host: '127.0.0.1' });
      socket.on('data', (bytes) => { for (let at = -1; (at = bytes.indexOf(MARK, at + 1)) >= 0;) all.events++; });
      socket.on('error', (e) => { all.error = e; });
      all.sockets.push(socket);
      socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`);
      await once(socket, 'data');
    }
    return all;
  }
  /** Calls say so many times; resolves when all events have come, or after two quiet seconds. */
  async follow(say, times, everyMs) {
    this.events = 0;
    for (let i = 0; i < times; i++) {
      await say();
      await pause(everyMs);
    }
    for (let before = -1; before !== this.events && this.events < times * this.sockets.length;) {
      before = this.events;
      await pause(2000);
    }
    if (this.error) throw this.error;
    return this.events;
  }
  close() { for (const s of this.sockets) s.destroy(); }
}
