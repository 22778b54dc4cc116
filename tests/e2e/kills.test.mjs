// SPDX-License-Identifier: Apache-2.0
// A hundred and fifty kills by chance; see lib/kills.mjs. KILLS_SEED repeats a run, KILLS sets how many.
import { test } from 'node:test';
import { killing } from './lib/kills.mjs';
import { slow } from './lib/server.mjs';

const seed = Number(process.env.KILLS_SEED ?? Math.floor(Math.random() * 2 ** 31));
const kills = Number(process.env.KILLS ?? (slow ? 40 : 150));

test(`${kills} processes are killed by chance, seed ${seed}: every promise is kept`, { timeout: 300_000 }, async (t) => {
  const counts = await killing({ kills, seed });
  t.diagnostic(JSON.stringify(counts));
});
