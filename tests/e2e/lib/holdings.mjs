// SPDX-License-Identifier: Apache-2.0
// What the processes of a service hold: to be compared before and after.
import fs from 'node:fs';
import { eventually } from './server.mjs';

/** Of each of our processes, by title: {pid, descriptors, rss (KiB)}; of all: how many, and zombies. */
export function measure(s) {
  const { all } = s.processes();
  const ours = [{ pid: s.pid, title: 'agent-runtime: master' }, ...all.filter((p) => p.title.startsWith('agent-runtime:'))];
  return {
    zombies: all.filter((p) => p.state === 'Z').length,
    processes: all.length,
    each: Object.fromEntries(ours.map(({ pid, title }) => [title, {
      pid,
      descriptors: fs.readdirSync(`/proc/${pid}/fd`).length,
      // Without the mapping, which grows with what tasks keep: that is memory in use, not lost.
      rss: Number(/^RssAnon:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))[1]),
    }])),
  };
}
/** What of now is not as before, in words; none: all is where it was. slow: memory is not compared. */
export function differences(before, now, { slow = false } = {}) {
  const found = [];
  if (now.zombies) found.push(`${now.zombies} zombies`);
  if (now.processes !== before.processes) found.push(`${before.processes} processes, then ${now.processes}`);
  for (const [title, was] of Object.entries(before.each)) {
    const is = now.each[title];
    if (!is) { found.push(`${title} is gone`); continue; }
    // Connections to a model server are kept, a few more or less.
    if (is.descriptors > was.descriptors + 10) found.push(`${title}: ${was.descriptors} descriptors, then ${is.descriptors}`);
    // The keeper's view of the database grows with it, up to a bound.
    const cache = title.includes('keeper') ? 20 * 1024 : 0;
    if (!slow && is.rss > was.rss * 1.25 + 2048 + cache) found.push(`${title}: ${was.rss} KiB, then ${is.rss}`);
  }
  return found;
}
/** Clients keep their connections for a while: until none is left, there is nothing to compare. */
export const quiet = (s) => eventually(() => {
  const port = s.port.toString(16).toUpperCase().padStart(4, '0');
  return !fs.readFileSync('/proc/net/tcp', 'latin1').split('\n').some((l) => { const f = l.trim().split(/\s+/); return f[1]?.endsWith(`:${port}`) && f[3] === '01'; });
}, 'no connection left', 15000);
