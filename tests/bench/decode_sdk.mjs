// SPDX-License-Identifier: Apache-2.0
// How fast an official SDK reads a recorded stream: node decode_sdk.mjs API FILE prints {"mb_s": N}, MB for each second of CPU.
// The bytes come from a stub in place of the network, in pieces of 16 KiB, as our own decoder gets them.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const from = createRequire(path.join(import.meta.dirname, '..', 'e2e', 'package.json'));
const OpenAI = from('openai').OpenAI, Anthropic = from('@anthropic-ai/sdk').Anthropic;
const [, , api, file] = process.argv;
const bytes = fs.readFileSync(file);

function body() {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(new Uint8Array(bytes.subarray(at, at += 16384)));
    },
  });
}
const fetch = async () => new Response(body(), { headers: { 'content-type': 'text/event-stream' } });
const options = { apiKey: 'k', baseURL: 'http://127.0.0.1:9', fetch };
const start = {
  chat: () => new OpenAI(options).chat.completions.create({ model: 'm', messages: [], stream: true }),
  responses: () => new OpenAI(options).responses.create({ model: 'm', input: '', stream: true }),
  messages: () => new Anthropic(options).messages.create({ model: 'm', max_tokens: 1, messages: [], stream: true }),
};
const stream = await start[api]();
const begin = process.cpuUsage();
let text = '';
for await (const event of stream)
  text += event.choices?.[0]?.delta?.content ?? (typeof event.delta === 'string' ? event.delta : event.delta?.text) ?? '';
const used = process.cpuUsage(begin);
if (text.length < bytes.length / 100) throw new Error(`only ${text.length} characters were read`);
console.log(JSON.stringify({ mb_s: bytes.length / (used.user + used.system) }));
