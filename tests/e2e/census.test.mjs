// SPDX-License-Identifier: Apache-2.0
// Some hundred tool calls under fire; see lib/census.mjs. CENSUS_SEED repeats a run, CENSUS_CALLS sets how many.
import { test } from 'node:test';
import { census } from './lib/census.mjs';
import { slow } from './lib/server.mjs';

const seed = Number(process.env.CENSUS_SEED ?? Math.floor(Math.random() * 2 ** 31));
const calls = Number(process.env.CENSUS_CALLS ?? (slow ? 300 : 800));

test(`${calls} calls while servers and supervisors die, seed ${seed}: each ends once, and all is held that was held before`, { timeout: 240_000 }, async (t) => {
  t.diagnostic(JSON.stringify(await census({ calls, seed })));
});
