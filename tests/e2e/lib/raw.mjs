// SPDX-License-Identifier: Apache-2.0
// Bytes on a socket, for requests that no HTTP client would send.
import net from 'node:net';

/** Sends text (latin1) and collects what comes until the server closes, or until `until` is seen. */
export function exchange(port, text, { until, halfClose = false } = {}) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write(Buffer.from(text, 'latin1'));
      if (halfClose) socket.end();
    });
    let got = '';
    socket.setEncoding('latin1');
    socket.on('data', (d) => {
      got += d;
      if (until && got.includes(until)) { socket.destroy(); resolve({ text: got, closed: false }); }
    });
    socket.on('end', () => { socket.destroy(); resolve({ text: got, closed: true }); });
    socket.on('error', (e) => (e.code === 'ECONNRESET' ? resolve({ text: got, reset: true, closed: true }) : reject(e)));
  });
}
export const statusOf = (text) => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
