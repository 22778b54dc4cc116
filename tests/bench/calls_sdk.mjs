// SPDX-License-Identifier: Apache-2.0
// The same calls as calls.c by the official TypeScript client, which has no hop between itself and the server.
// node calls_sdk.mjs ROUNDS SERVER MODE: one line of JSON on stdout.
import { createRequire } from 'node:module';
import path from 'node:path';

const AT_ONCE = 64, MANY = 10000, ONE_BY_ONE = 1000;
const root = path.resolve(path.dirname(new URL(import.meta.url).pathname), '../..');
const require = createRequire(path.join(root, 'etc/mcp/package.json'));
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');

const [rounds, command, mode] = [Number(process.argv[2]), process.argv[3], process.argv[4]];
const client = new Client({ name: 'bench', version: '1' });
await client.connect(new StdioClientTransport({ command, args: [mode] }));
const call = () => client.callTool({ name: 'echo', arguments: { text: 'hello over there' }, _meta: { 'agent-runtime/idempotencyKey': 't:c1' } });
const times = [], rates = [];
for (let round = 0; round < rounds; round++) {
  for (let i = 0; i < ONE_BY_ONE; i++) {
    const begin = performance.now();
    await call();
    times.push((performance.now() - begin) * 1000);
  }
  let left = MANY;
  const begin = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => { while (left-- > 0) await call(); }));
  rates.push(MANY / (performance.now() - begin) * 1000);
}
const median = (list) => list.sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)];
console.log(JSON.stringify({ p50_us: Number(median(times).toFixed(1)), per_second: Math.round(median(rates)) }));
await client.close();
