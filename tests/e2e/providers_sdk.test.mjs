// SPDX-License-Identifier: Apache-2.0
// The official SDKs and our decoders read the same recorded streams of model APIs to the same messages. The SDKs get them over
// HTTP from a server that plays the bytes back, ours from stdin, cut into pieces.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import http from 'node:http';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { recorded } from '../bench/lib/model_streams.mjs';

let server, base, playing;

before(async () => {
  server = http.createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let at = 0; at < playing.length; at += 100) response.write(playing.subarray(at, at + 100));
      response.end();
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

/** What our decoder makes of the bytes. */
async function ours(api, bytes) {
  const child = spawn(process.env.LLM_TURN, [api], { stdio: ['pipe', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => { out += text; });
  child.stdin.end(bytes);
  const code = await new Promise((done) => child.on('close', done));
  assert.equal(code, 0);
  const turn = JSON.parse(out);
  assert.equal(turn.error, undefined);
  return turn;
}

const call = (id, name, args) => ({ id, name, arguments: typeof args === 'string' ? args : JSON.stringify(args) });
const some = (text) => text || null;

// Each SDK's final message in our words.
const theirs = {
  async chat() {
    const client = new OpenAI({ apiKey: 'k', baseURL: base, maxRetries: 0 });
    const stream = client.chat.completions.stream({ model: 'm', messages: [{ role: 'user', content: 'x' }], stream_options: { include_usage: true } });
    const done = await stream.finalChatCompletion();
    const { message, finish_reason: finish } = done.choices[0];
    const calls = (message.tool_calls ?? []).map((c) => call(c.id, c.function.name, c.function.arguments));
    return {
      text: message.content ?? '', refusal: some(message.refusal), reasoning: null, model: done.model,
      stop: message.refusal ? 'refusal' : { stop: 'end', tool_calls: 'tool', length: 'length' }[finish], calls,
      usage: { input: done.usage.prompt_tokens, output: done.usage.completion_tokens, cached: done.usage.prompt_tokens_details.cached_tokens, cache_write: 0, reasoning: done.usage.completion_tokens_details.reasoning_tokens },
    };
  },
  async responses() {
    const client = new OpenAI({ apiKey: 'k', baseURL: base, maxRetries: 0 });
    const done = await client.responses.stream({ model: 'm', input: 'x' }).finalResponse();
    const parts = done.output.filter((item) => item.type === 'message').flatMap((item) => item.content);
    const refusal = parts.filter((part) => part.type === 'refusal').map((part) => part.refusal).join('');
    const calls = done.output.filter((item) => item.type === 'function_call').map((item) => call(item.call_id, item.name, item.arguments));
    const thoughts = done.output.filter((item) => item.type === 'reasoning').flatMap((item) => item.summary).map((part) => part.text);
    return {
      text: done.output_text, refusal: some(refusal), reasoning: some(thoughts.join('')), model: done.model,
      stop: refusal ? 'refusal' : done.status === 'incomplete' ? 'length' : calls.length ? 'tool' : 'end', calls,
      usage: { input: done.usage.input_tokens, output: done.usage.output_tokens, cached: done.usage.input_tokens_details.cached_tokens, cache_write: 0, reasoning: done.usage.output_tokens_details.reasoning_tokens },
    };
  },
  async messages() {
    const client = new Anthropic({ apiKey: 'k', baseURL: base, maxRetries: 0 });
    const done = await client.messages.stream({ model: 'm', max_tokens: 100, messages: [{ role: 'user', content: 'x' }] }).finalMessage();
    const of = (type) => done.content.filter((block) => block.type === type);
    const u = done.usage;
    return {
      text: of('text').map((block) => block.text).join(''), refusal: null, reasoning: some(of('thinking').map((block) => block.thinking).join('')), model: done.model,
      stop: { end_turn: 'end', tool_use: 'tool', max_tokens: 'length' }[done.stop_reason],
      calls: of('tool_use').map((block) => call(block.id, block.name, block.input)),
      usage: { input: u.input_tokens + u.cache_creation_input_tokens + u.cache_read_input_tokens, output: u.output_tokens, cached: u.cache_read_input_tokens, cache_write: u.cache_creation_input_tokens, reasoning: 0 },
      blocks: done.content,
    };
  },
};

const STREAMS = {
  chat: ['book_text', 'book_calls', 'book_refusal', 'book_length'],
  responses: ['book_text', 'book_calls', 'book_refusal', 'book_length'],
  messages: ['book_text', 'book_calls', 'book_interleaved', 'book_length'],
};

for (const [api, names] of Object.entries(STREAMS)) {
  for (const name of names) {
    test(`${api}: the official SDK reads ${name} as we do`, async () => {
      playing = Buffer.from(recorded(api, name));
      const { echo, ...mine } = await ours(api, playing);
      const { blocks, ...other } = await theirs[api]();
      // White space within arguments is the server's; the SDK of Messages gives them parsed.
      for (const turn of [mine, other]) for (const c of turn.calls) c.arguments = JSON.parse(c.arguments);
      assert.deepEqual(mine, other);
      assert.ok(mine.text || mine.refusal || mine.calls.length, 'an empty answer proves nothing');
      // Thinking goes back byte for byte: what we keep is what the SDK would send.
      const raw = (echo?.parts ?? []).filter((part) => part.raw).map((part) => part.raw);
      const sealed = (blocks ?? []).filter((block) => block.type.includes('thinking'));
      if (api === 'messages') assert.deepEqual(raw, sealed);
    });
  }
}
