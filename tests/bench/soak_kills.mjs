// SPDX-License-Identifier: Apache-2.0
// The long form of tests/e2e/kills.test.mjs: a thousand kills and more of worker, keeper, supervisor, tool server and master. Run by
// `make soak`; SOAK_KILLS and SOAK_SEED may be given.
import { test } from 'node:test';
import { killing } from '../e2e/lib/kills.mjs';

const seed = Number(process.env.SOAK_SEED ?? Math.floor(Math.random() * 2 ** 31));
const kills = Number(process.env.SOAK_KILLS ?? 1200);

test(`${kills} kills, seed ${seed}`, { timeout: kills * 3000 + 120_000 }, async () => {
  console.error(`soak: seed ${seed}; repeat with SOAK_SEED=${seed} make soak`);
  const report = (counts) => console.error(`soak: kills: ${JSON.stringify(counts)}`);
  report(await killing({ kills, seed, report }));
});
