// SPDX-License-Identifier: Apache-2.0
// The long form of tests/e2e/census.test.mjs: twenty thousand tool calls while servers and supervisors die. Run by `make soak`;
// SOAK_CALLS and SOAK_SEED may be given.
import { test } from 'node:test';
import { census } from '../e2e/lib/census.mjs';

const seed = Number(process.env.SOAK_SEED ?? Math.floor(Math.random() * 2 ** 31));
const calls = Number(process.env.SOAK_CALLS ?? 20_000);

test(`${calls} calls, seed ${seed}`, { timeout: calls * 100 + 120_000 }, async () => {
  console.error(`soak: seed ${seed}; repeat with SOAK_SEED=${seed} make soak`);
  const report = (counts) => console.error(`soak: calls: ${JSON.stringify(counts)}`);
  report(await census({ calls, seed, report }));
});
