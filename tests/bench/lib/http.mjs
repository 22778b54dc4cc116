// SPDX-License-Identifier: Apache-2.0
// The least HTTP client that can measure: one socket, no pool, no header objects. Not for use where answers may be wrong.
import net from 'node:net';
import { once } from 'node:events';

export class Connection {
  static async open(port) {
    const c = new Connection();
    c.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    c.received = '';
    c.wanted = null;
    c.socket.setEncoding('latin1');
    c.socket.on('data', (text) => { c.received += text; c.#look(); });
    c.socket.on('error', (e) => c.wanted?.reject(e));
    c.socket.on('close', () => c.wanted?.reject(new Error(`connection closed after: ${c.received.slice(0, 300)}`)));
    await once(c.socket, 'connect');
    return c;
  }
  close() { this.wanted = null; this.socket.destroy(); }

  #look() {
    const value = this.wanted?.find(this.received);
    if (!value) return;
    const { resolve } = this.wanted;
    this.wanted = null;
    resolve(value);
  }
  /** Sends one request; resolves with what find makes of all bytes received for it, once that is true. */
  send(method, path, body, find) {
    const content = body === undefined ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
    this.received = '';
    return new Promise((resolve, reject) => {
      this.wanted = { find, resolve, reject };
      this.socket.write(`${method} ${path} HTTP/1.1\r\nHost: bench\r\n${content}\r\n${body ?? ''}`, 'utf8');
    });
  }
  /** {status, headers, body} of an answer with a Content-Length. */
  ask(method, path, body) { return this.send(method, path, body, answer); }
  /** The first event of a stream, as text. */
  firstEvent(path) { return this.send('GET', path, undefined, firstEvent); }
}

function answer(text) {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const headers = text.slice(0, end);
  const length = /^content-length: *(\d+)/im.exec(headers);
  if (!length) throw new Error(`no Content-Length: ${headers}`);
  const body = text.slice(end + 4);
  return body.length < Number(length[1]) ? null : { status: Number(headers.slice(9, 12)), headers, body: Buffer.from(body, 'latin1').toString() };
}

function firstEvent(text) {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return null;
  if (!text.startsWith('HTTP/1.1 200')) throw new Error(`no stream: ${text.slice(0, 300)}`);
  return /(?:^|\n)(?:id|event|data): [^]*?\n\n/.exec(text.slice(head + 4))?.[0];
}

/** One request on a connection of its own; null while nobody listens. */
export async function ask(port, method, path, body) {
  let c;
  try {
    c = await Connection.open(port);
    return await c.ask(method, path, body);
  } catch (e) {
    if (['ECONNREFUSED', 'ECONNRESET'].includes(e.code)) return null;
    throw e;
  } finally { c?.close(); }
}
