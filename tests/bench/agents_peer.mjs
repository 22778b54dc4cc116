// SPDX-License-Identifier: Apache-2.0
// The peer of the orchestration bench: the same work on @openai/agents in a plain Node server. A planner's call, for each step one
// call that calls the tool, whose text is its result, and a call that writes the end. Keeps nothing on disk.
//
//   node agents_peer.mjs MODEL_URL ECHO_PROGRAM
//
// POST /tasks {"prompt"} answers {"result"} when it is there. The first line of stdout is the port.
import http from 'node:http';
import OpenAI from 'openai';
import { Agent, MCPServerStdio, run, setDefaultOpenAIClient, setOpenAIAPI, setTracingDisabled } from '@openai/agents';

const [modelUrl, echo] = process.argv.slice(2);
setTracingDisabled(true);
setOpenAIAPI('chat_completions');
setDefaultOpenAIClient(new OpenAI({ baseURL: modelUrl, apiKey: 'sk-bench' }));
const tools = new MCPServerStdio({ name: 'echo', command: echo, args: ['echo'], cacheToolsList: true });
await tools.connect();

const model = 'work';
const planner = new Agent({ name: 'planner', model, instructions: 'You are the planner.' });
const executor = new Agent({ name: 'executor', model, instructions: 'You are the executor.', mcpServers: [tools], toolUseBehavior: 'stop_on_first_tool' });
const writer = new Agent({ name: 'writer', model, instructions: 'You write the final answer.' });

async function work(prompt) {
  const plan = JSON.parse((await run(planner, prompt)).finalOutput);
  const results = [];
  for (const step of plan.steps) {
    const { finalOutput } = await run(executor, `${prompt}\nYour step: ${step.id} ${step.objective}`);
    results.push(`${step.id}: ${typeof finalOutput === 'string' ? finalOutput : JSON.stringify(finalOutput)}`);
  }
  return (await run(writer, `${prompt}\n${results.join('\n')}`)).finalOutput;
}

http.createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  try {
    const result = parts.length ? await work(JSON.parse(Buffer.concat(parts).toString()).prompt) : 'ready';
    const body = JSON.stringify({ result });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
  } catch (e) {
    const body = JSON.stringify({ error: String(e?.stack ?? e) });
    response.writeHead(500, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
  }
}).listen(0, '127.0.0.1', function listening() { console.log(this.address().port); });
