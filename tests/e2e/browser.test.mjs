// SPDX-License-Identifier: Apache-2.0
// Real Chromium: the documentation page, and EventSource from a page of the same origin.
import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { Server, onTestEnd, test } from './lib/server.mjs';
import { HeldModel, using } from './lib/model.mjs';

const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const TYPES = ['task.created', 'task.state', 'task.result', 'plan.created', 'plan.approved', 'step.started', 'step.completed', 'model.started', 'model.completed', 'end'];
let browser;
before(async () => { browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS }); });
after(async () => { await browser.close(); });

async function openPage() {
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  page.complaints = [];
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) page.complaints.push(m.text()); });
  page.on('pageerror', (e) => page.complaints.push(String(e)));
  onTestEnd(() => page.close());
  return page;
}
/** In the page: collects events of a stream into window.seen, `over` when it has ended. */
const collect = (page, url) => page.evaluate(([address, types]) => {
  window.seen = [];
  window.opens = 0;
  const source = new EventSource(address);
  source.onopen = () => { window.opens += 1; };
  for (const type of types) source.addEventListener(type, (e) => { window.seen.push([type, e.lastEventId]); });
  source.addEventListener('end', () => { source.close(); window.over = true; });
}, [url, TYPES]);
const ids = (seen) => seen.filter(([type]) => type !== 'end').map(([, id]) => Number(id));
const dense = (n) => Array.from({ length: n }, (_, i) => i + 1);

test('/docs renders: a heading, every operation, no error, nothing wider than the window, also on a phone', async () => {
  const s = await Server.start();
  const page = await openPage();
  const answer = await page.goto(`${s.url}/`);
  assert.equal(new URL(page.url()).pathname, '/docs');
  assert.equal(answer.status(), 200);
  assert.ok((await page.title()).length > 0);
  assert.equal(await page.locator('h1').count(), 1);
  const text = await page.locator('body').innerText();
  for (const path of ['/v1/tasks', '/v1/tasks/{id}/stream', '/approve', '/v1/tools', '/v1/servers', '/readyz']) assert.ok(text.includes(path), path);
  for (const width of [1200, 390]) {
    await page.setViewportSize({ width, height: 900 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), `fits ${width}`);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/docs-${width}.png`, fullPage: width === 1200 });
  }
  assert.deepEqual(page.complaints, []);
  for (const link of await page.locator('a[href^="/"]').evaluateAll((all) => all.map((a) => a.getAttribute('href')))) assert.equal((await s.fetch(link)).status, 200, link);
  for (const link of await page.locator('a[href^="#"]').evaluateAll((all) => all.map((a) => a.getAttribute('href').slice(1)))) assert.equal(await page.locator(`[id="${link}"]`).count(), 1, link);
  await page.close();
  await s.stop();
});

test('EventSource receives every event and the end', async () => {
  const model = await HeldModel.start();
  const s = await Server.start({ config: using(model) });
  const page = await openPage();
  // A page without a policy that forbids connections.
  await page.goto(`${s.url}/livez`);
  const { id } = await s.submit('watch', { approval: 'auto' });
  await collect(page, `/v1/tasks/${id}/stream`);
  await page.waitForFunction(() => window.seen.some(([type]) => type === 'model.started'));
  (await model.next('planner')).plan({ objective: 'x', effect: 'none' });
  (await model.next('executor')).finish();
  (await model.next('writer')).text('Done.');
  await page.waitForFunction(() => window.over);
  const { last_seq: last } = (await s.json(`/v1/tasks/${id}`)).body;
  assert.deepEqual(ids(await page.evaluate(() => window.seen)), dense(last));
  assert.equal(await page.evaluate(() => window.opens), 1);
  await page.close();
  await s.stop();
  await model.stop();
});

test('EventSource comes back by itself when the connection is cut, without gap or repeat', async () => {
  const model = await HeldModel.start();
  const s = await Server.start({ config: using(model) });
  const links = new Set();
  const between = net.createServer((client) => {
    const server = net.connect(s.port, '127.0.0.1');
    links.add(client);
    client.on('error', () => {}).on('close', () => { links.delete(client); server.destroy(); });
    server.on('error', () => {}).on('close', () => client.destroy());
    client.pipe(server);
    server.pipe(client);
  });
  between.listen(0, '127.0.0.1');
  await once(between, 'listening');
  onTestEnd(() => { between.close(); for (const l of links) l.destroy(); });
  const page = await openPage();
  await page.goto(`http://127.0.0.1:${between.address().port}/livez`);
  const { id } = await s.submit('watch', { approval: 'auto' });
  await collect(page, `/v1/tasks/${id}/stream`);
  await page.waitForFunction(() => window.seen.some(([type]) => type === 'model.started'));
  for (const l of links) l.resetAndDestroy();
  (await model.next('planner')).plan({ objective: 'x', effect: 'none' });
  (await model.next('executor')).finish();
  (await model.next('writer')).text('Done.');
  await page.waitForFunction(() => window.over);
  const { last_seq: last } = (await s.json(`/v1/tasks/${id}`)).body;
  assert.deepEqual(ids(await page.evaluate(() => window.seen)), dense(last));
  assert.equal(await page.evaluate(() => window.opens), 2);
  await page.close();
  await s.stop();
  await model.stop();
});
