// SPDX-License-Identifier: Apache-2.0
// What is measured and what it is measured against: the service, nginx, a Node http server, and wrk as the client.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { ask } from './http.mjs';
import { family, freePort, start, until } from './proc.mjs';

export const binary = process.env.AGENT_RUNTIME;

const PROGRAMS = { wrk: 'wrk', nginx: 'nginx-light', taskset: 'util-linux', cc: 'build-essential' };

/** Fails with what to install; nothing is measured half. */
export function needPrograms(names = Object.keys(PROGRAMS)) {
  if (!binary || !fs.existsSync(binary)) throw new Error(`AGENT_RUNTIME must name the built program, is ${binary}: use make bench`);
  for (const program of names) {
    try { execFileSync('sh', ['-c', `PATH="$PATH:/usr/sbin" command -v ${program}`]); } catch {
      throw new Error(`${program} is missing: apt-get install ${PROGRAMS[program]}`);
    }
  }
  if (Number(execFileSync('nproc')) < 2) throw new Error('two CPUs are needed: one for the server, one for the client');
  process.env.PATH += ':/usr/sbin';
}

/** Words of a service without tool servers, on the offline model. */
export function serviceWords(dir, port, options = {}) {
  const file = path.join(dir, 'config.yaml');
  fs.writeFileSync(file, 'log: {level: warn}\nllm: {api: offline}\n');
  const all = { 'server.port': port, 'store.path': path.join(dir, `data-${port}`), ...options };
  return ['serve', '-c', file, ...Object.entries(all).flatMap(([k, v]) => ['--set', `${k}=${v}`])];
}

export async function startService(dir, { cpu, options } = {}) {
  const port = await freePort();
  const p = start(binary, serviceWords(dir, port, options), { cpu, dir });
  await until(p, '200 on /readyz', async () => (await ask(port, 'GET', '/readyz'))?.status === 200);
  return { process: p, port, pids: () => family(p.pid) };
}

/** nginx that answers every request with one body; the text stands in a map, since nginx reads $ and \ in strings. */
export function nginxWords(dir, port, { workers, body = '{}' }) {
  const file = path.join(dir, `nginx-${port}.conf`);
  const quoted = `'${body.replace(/[\\']/g, '\\$&')}'`;
  if (body.includes('$')) throw new Error('the body has a $, which nginx would replace');
  fs.writeFileSync(file, `daemon off; worker_processes ${workers}; pid ${dir}/nginx-${port}.pid; error_log stderr crit;
${process.getuid() === 0 ? 'user root;' : ''}
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; server_tokens off;
  client_body_temp_path ${dir}; proxy_temp_path ${dir}; fastcgi_temp_path ${dir}; uwsgi_temp_path ${dir}; scgi_temp_path ${dir};
  server { listen 127.0.0.1:${port}; location / { default_type application/json; return 200 ${quoted}; } }
}
`);
  return ['-p', dir, '-e', 'stderr', '-c', file];
}

export async function startNginx(dir, { cpu, workers = 1, body } = {}) {
  const port = await freePort();
  const p = start('nginx', nginxWords(dir, port, { workers, body }), { cpu, dir });
  const first = await until(p, 'its first answer', () => ask(port, 'GET', '/'));
  if (body !== undefined && first.body !== body) throw new Error(`nginx answers another body: ${first.body}`);
  return { process: p, port, pids: () => family(p.pid) };
}

/** Words of the smallest Node http server. */
export const nodeWords = (port) => ['-e', `require('http').createServer((q, s) => s.end('{}')).listen(${port}, '127.0.0.1')`];

/** One run of wrk: {requests, perSecond, p50ms, p99ms}. Fails on any answer that is not a success. */
export async function wrk(url, { cpu, seconds, connections, script }) {
  const words = ['wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--latency', ...(script ? ['-s', script] : []), url];
  if (cpu !== undefined) words.unshift('taskset', '-c', String(cpu));
  const child = spawn(words[0], words.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (d) => { text += d; });
  const [code] = await once(child, 'close');
  if (code !== 0 || /Non-2xx|Socket errors/.test(text)) throw new Error(`wrk: ${text}`);
  const quantile = (percent) => {
    const [, value, unit] = new RegExp(`${percent}% +([\\d.]+)(us|ms|s)`).exec(text);
    return Number(value) * { us: 1e-3, ms: 1, s: 1e3 }[unit];
  };
  return {
    requests: Number(/(\d+) requests in/.exec(text)[1]),
    perSecond: Number(/Requests\/sec: +([\d.]+)/.exec(text)[1]),
    p50ms: quantile(50),
    p99ms: quantile(99),
  };
}
