// SPDX-License-Identifier: Apache-2.0
// The official server-everything as a remote server.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { mcpPackage, onTestEnd } from './server.mjs';

export const freePort = async () => {
  const l = net.createServer().listen(0, '127.0.0.1');
  await once(l, 'listening');
  const { port } = l.address();
  l.close();
  return port;
};

/** The official server with a port of its own; resolves when it listens. */
export async function everything(mode, port) {
  const child = spawn(process.execPath, [mcpPackage('@modelcontextprotocol/server-everything'), mode],
    { env: { PATH: process.env.PATH, PORT: String(port) }, stdio: ['ignore', 'ignore', 'pipe'] });
  const forget = onTestEnd(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  let text = '';
  await new Promise((resolve) => { child.stderr.on('data', (d) => { text += d; if (/listening|running on port/i.test(text)) resolve(); }); });
  return { stop: async () => { child.kill('SIGKILL'); await exited; forget(); } };
}
