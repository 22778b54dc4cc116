// SPDX-License-Identifier: Apache-2.0
// Processes of a measurement: started pinned or not, read from /proc, stopped by their pid. Nothing outlives stopAll().
import { spawn, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

const running = new Set();

/** Starts a program; cpu pins it and its children. stderr goes to a file that is shown when it fails. */
export function start(command, args, { cpu, dir, env } = {}) {
  const log = path.join(dir, `${path.basename(command)}-${running.size}.log`);
  const words = cpu === undefined ? [command, ...args] : ['taskset', '-c', String(cpu), command, ...args];
  const out = fs.openSync(log, 'w');
  const child = spawn(words[0], words.slice(1), { cwd: dir, env: { PATH: process.env.PATH, HOME: dir, ...env }, stdio: ['ignore', out, out] });
  fs.closeSync(out);
  const p = { child, pid: child.pid, log, name: path.basename(command), ended: null };
  p.exit = once(child, 'exit').then(([code, signal]) => { p.ended = signal ?? code; running.delete(p); });
  running.add(p);
  return p;
}

export async function stop(p) {
  if (p.ended === null) p.child.kill('SIGTERM');
  await p.exit;
  if (p.ended !== 0) throw new Error(`${p.name} ended with ${p.ended}:\n${tail(p)}`);
}

export async function stopAll() {
  await Promise.all([...running].map((p) => { p.child.kill('SIGTERM'); return p.exit; }));
}

const tail = (p) => fs.readFileSync(p.log, 'utf8').slice(-2000);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until fn gives something true; fails when the process ends or after 20 s. */
export async function until(p, what, fn) {
  for (const start = Date.now(); Date.now() - start < 20000; await pause(5)) {
    if (p.ended !== null) throw new Error(`${p.name} ended with ${p.ended} before ${what}:\n${tail(p)}`);
    const value = await fn();
    if (value) return value;
  }
  throw new Error(`${p.name}: waited 20 s for ${what}:\n${tail(p)}`);
}

export async function freePort() {
  const s = net.createServer().listen(0, '127.0.0.1');
  await once(s, 'listening');
  const { port } = s.address();
  s.close();
  await once(s, 'close');
  return port;
}

const children = (pid) => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number);
/** A process and everything below it. */
export const family = (pid) => [pid, ...children(pid).flatMap(family)];

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']));
/** CPU time in microseconds, user and system, of all of them. */
export function cpuMicros(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * 1e6 / ticksPerSecond;
}

/** KiB: {pss} of the process without its memfd mappings, {mapping} the size of those. */
export function memory(pid) {
  const whole = Number(/^Pss: +(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))[1]);
  let inMapping = false, shared = 0, mapping = 0;
  for (const line of fs.readFileSync(`/proc/${pid}/smaps`, 'latin1').split('\n')) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) inMapping = line.includes(' /memfd:');
    const value = inMapping && /^(Pss|Size): +(\d+) kB/.exec(line);
    if (value && value[1] === 'Pss') shared += Number(value[2]);
    if (value && value[1] === 'Size') mapping += Number(value[2]);
  }
  return { pss: whole - shared, mapping };
}
