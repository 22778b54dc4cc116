// SPDX-License-Identifier: Apache-2.0
// Where is a secret? In the memory of a process, in its command line and environment, in files. Needs to be allowed to look
// (server.debugging: on, and the same user or root).
import fs from 'node:fs';
import path from 'node:path';

const BLOCK_BYTES = 4 << 20;

/** Those of the texts that are anywhere in the memory of a process, the shared mapping included. */
export function memoryHolds(pid, texts) {
  const found = new Set(), needles = texts.map((text) => [text, Buffer.from(text)]);
  const overlap = Math.max(...needles.map(([, n]) => n.length));
  const fd = fs.openSync(`/proc/${pid}/mem`, 'r');
  const block = Buffer.alloc(BLOCK_BYTES + overlap);
  try {
    for (const line of fs.readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
      const m = /^([0-9a-f]+)-([0-9a-f]+) r.*?(\S*)$/.exec(line);
      if (!m || /\[v(var|sys|dso)/.test(line)) continue;
      const from = Number(`0x${m[1]}`), size = Number(`0x${m[2]}`) - from;
      if (size > 2 ** 32) continue; // a sanitizer's own
      for (let at = 0; at < size; at += BLOCK_BYTES) {
        let n;
        try { n = fs.readSync(fd, block, 0, Math.min(block.length, size - at), from + at); } catch { break; }
        const read = block.subarray(0, n);
        for (const [text, needle] of needles) if (!found.has(text) && read.includes(needle)) found.add(text);
      }
    }
  } finally { fs.closeSync(fd); }
  return [...found];
}
/** What came by the environment is not looked for under a sanitizer, which keeps a copy of that. */
export const memoryHas = (pid, text) => memoryHolds(pid, [text]).length > 0;

/** Those of the texts that stand in what `ps` may show of a process. */
export function wordsHold(pid, texts) {
  const shown = ['cmdline', 'environ'].map((file) => fs.readFileSync(`/proc/${pid}/${file}`, 'latin1')).join('\n');
  return texts.filter((text) => shown.includes(text));
}

/** Files below a folder that have the text. */
export function filesHave(dir, text) {
  return fs.readdirSync(dir, { recursive: true }).filter((f) => { const p = path.join(dir, f); return fs.statSync(p).isFile() && fs.readFileSync(p).includes(text); });
}
