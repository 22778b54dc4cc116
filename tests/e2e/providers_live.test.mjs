// SPDX-License-Identifier: Apache-2.0
// What is passed on while a model still speaks: each API's text as it comes; and that nobody else is asked from then on.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { Replay } from '../fake/replay_server.mjs';
import { Server, assertDense, fake, stream, test } from './lib/server.mjs';
import { plan } from './lib/model.mjs';

const json = (o) => JSON.stringify(o);
const PLAN = json(JSON.parse(plan('live', [{ objective: 'think', tools: ['fake__echo'], effect: 'none' }])));
const FINISH = json({ status: 'success', result: 'thought' });
const PARTS = ['The ', 'end ', '[s1].'];

const data = (o) => `data: ${typeof o === 'string' ? o : json(o)}\n\n`;
const chunk = (delta, finish_reason = null) => data({ id: 'c', model: 'live', choices: [{ index: 0, delta, finish_reason }] });
const event = (type, o = {}) => `event: ${type}\ndata: ${json({ type, ...o })}\n\n`;
const item = (o) => event('response.output_item.done', { output_index: 0, item: o });

/** Of each API: how an answer begins, a piece of text, how it ends, and a whole call. */
const wires = {
  chat: {
    begin: chunk({ role: 'assistant' }), piece: (t) => chunk({ content: t }), end: () => chunk({}, 'stop') + data('[DONE]'),
    call: chunk({ tool_calls: [{ index: 0, id: 'k', type: 'function', function: { name: 'finish_step', arguments: FINISH } }] }) + chunk({}, 'tool_calls') + data('[DONE]'),
  },
  responses: {
    begin: event('response.created', { response: { id: 'r', status: 'in_progress', model: 'live' } })
      + event('response.output_item.added', { output_index: 0, item: { type: 'message', id: 'm', role: 'assistant', content: [] } }),
    piece: (t) => event('response.output_text.delta', { output_index: 0, content_index: 0, delta: t }),
    end: (t) => item({ type: 'message', id: 'm', role: 'assistant', content: [{ type: 'output_text', text: t, annotations: [] }] }) + event('response.completed', { response: { id: 'r', status: 'completed', model: 'live', output: [] } }),
    call: event('response.created', { response: { id: 'r', status: 'in_progress', model: 'live' } })
      + item({ type: 'function_call', id: 'f', call_id: 'k', name: 'finish_step', arguments: FINISH }) + event('response.completed', { response: { id: 'r', status: 'completed', model: 'live', output: [] } }),
  },
  messages: {
    begin: event('message_start', { message: { id: 'm', type: 'message', role: 'assistant', model: 'live', content: [], stop_reason: null, usage: { input_tokens: 1, output_tokens: 1 } } })
      + event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    piece: (t) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: t } }),
    end: () => event('content_block_stop', { index: 0 }) + event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 7 } }) + event('message_stop'),
    call: event('message_start', { message: { id: 'm', type: 'message', role: 'assistant', model: 'live', content: [], stop_reason: null, usage: { input_tokens: 1, output_tokens: 1 } } })
      + event('content_block_start', { index: 0, content_block: { type: 'tool_use', id: 'k', name: 'finish_step', input: {} } }) + event('content_block_delta', { index: 0, delta: { type: 'input_json_delta', partial_json: FINISH } })
      + event('content_block_stop', { index: 0 }) + event('message_delta', { delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 7 } }) + event('message_stop'),
  },
};
const whole = (w, text) => w.begin + w.piece(text) + w.end(text);
const gate = () => {
  let open;
  const opened = new Promise((resolve) => { open = resolve; });
  return { open, wait: () => opened };
};

let replay;
const services = {};
before(async () => {
  replay = await Replay.start();
  for (const api of Object.keys(wires)) services[api] = await Server.start({ shared: true, tools: [fake('fake', 'echo')], config: { openai: { api_key: 'sk-live', base_url: replay.url }, llm: { api, model: 'live' } } });
});
after(async () => {
  for (const s of Object.values(services)) await s.stop();
  replay.stop();
});

for (const [api, w] of Object.entries(wires)) {
  test(`${api}: subscribers see each piece of text while the model still speaks`, async () => {
    const s = services[api], watched = gate(), seen = gate();
    replay.play({ planner: [whole(w, PLAN)], executor: [w.call], writer: [[watched.wait, w.begin + w.piece(PARTS[0]), seen.wait, w.piece(PARTS[1]), w.piece(PARTS[2]), w.end(PARTS.join(''))]] });
    const { id } = await s.submit('do it', { approval: 'auto' });
    const events = [], texts = [];
    for await (const e of stream(`${s.url}/v1/tasks/${id}/stream`)) {
      watched.open();
      events.push(e);
      if (e.event !== 'model.delta' || e.data.role !== 'writer') continue;
      assert.equal(e.id, undefined, 'live events have no number');
      assert.ok(!events.some((x) => x.event === 'model.completed' && x.data.role === 'writer'));
      texts.push(e.data.text);
      seen.open();
    }
    assert.equal(texts.join(''), PARTS.join(''));
    assert.equal(texts[0], PARTS[0]);
    const doc = (await s.json(`/v1/tasks/${id}`)).body;
    assert.equal(doc.status, 'completed', doc.error?.message);
    assert.equal(doc.result, PARTS.join(''));
    assertDense(events.filter((e) => e.id !== undefined));
  });
}

test('once a piece was passed on neither the same provider nor the next one is asked again', async () => {
  const w = wires.chat, spare = await Replay.start();
  spare.play({ planner: [whole(w, PLAN)], executor: [w.call], writer: [whole(w, 'from the spare')] });
  replay.play({ planner: [w.begin + w.piece(PLAN.slice(0, 40))], executor: [w.call], writer: [w.begin] });
  const provider = (name, url) => ({ name, api: 'chat', base_url: url, model: 'live', key: `sk-${name}` });
  const s = await Server.start({ config: { llm: { retries_max: 2, providers: [provider('main', replay.url), provider('spare', spare.url)] } } });
  const cut = await s.until((await s.submit('do it', { approval: 'auto' })).id, 'failed', 'completed');
  assert.equal(cut.status, 'failed');
  assert.match(cut.error.message, /broke off/);
  assert.deepEqual([replay.seen.length, spare.seen.length], [1, 0]);
  // Before any text it is tried again, then the next one is asked, and that is in the events.
  replay.play({ planner: [w.begin], executor: [w.call], writer: [w.begin] });
  const { id } = await s.submit('do it', { approval: 'auto' });
  const doc = await s.until(id, 'failed', 'completed');
  assert.equal(doc.result, 'from the spare', doc.error?.message);
  const over = (await s.events(id)).filter((e) => e.event === 'model.failover');
  assert.deepEqual(over.map((e) => e.data.provider), ['spare', 'spare']);
  assert.equal(replay.seen.filter((r) => r.role === 'planner').length, 3);
  await s.stop();
  spare.stop();
});
