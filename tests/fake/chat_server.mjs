// SPDX-License-Identifier: Apache-2.0
//
// A scripted Chat Completions server for tests: plain Node, no packages. It plays the model that a test needs and
// remembers what it was asked. It is no simulator: what no rule and no default covers is answered with 404 and a text that
// says so.
//
//   node chat_server.mjs --port 0 --script FILE.json [--host 127.0.0.1]
//
// The first line of stdout is {"port": N, "url": "http://127.0.0.1:N/v1"}. SIGTERM or SIGINT ends it.
//
// HTTP
//   POST <anything>/chat/completions   answered by the first rule that fits
//   GET  /__requests                   [{n, at_ms, method, path, headers, body, rule, aborted}]: all requests so far, in order;
//                                      body is the parsed JSON (or text), rule the name or number of the rule, aborted
//                                      is true when the client left before the answer was over
//   POST /__script                     replaces the script (and forgets counts, not requests)
//   DELETE /__requests                 forgets requests and counts
//
// Script: {"rules": [RULE...], "default": RESPONSE}, or just [RULE...].
//
// RULE: {"name"?, "when": {...}, "times"?: N, "respond": RESPONSE | [RESPONSE...]}
//   A rule fits when all conditions of `when` do ({} always fits) and it was used less than `times` times.
//   A list of responses is given one after the other; the last one stays.
//   when.system      substring of all system and developer messages
//   when.user        substring of the last user message
//   when.text        substring of any message's text
//   when.last_role   role of the last message: "tool" after tool results
//   when.last        substring of the last message's text
//   when.tool        name (or part of one) of a tool that is offered; when.no_tool: of one that is not
//   when.tools       true: tools are offered, false: none
//   when.forced      the tool named by tool_choice
//   when.schema      name of the response_format's schema, or "*" for any response format
//   when.turn        number of assistant messages so far: 0 on the first turn of a conversation
//   when.call        number of this request since the start, from 1; when.attempt: of requests with this same body, from 1
//   when.model       the model asked for
//   Substrings are case-sensitive; "/.../i" is a regular expression; a list fits when one of it does.
//
// RESPONSE (one main member; the others modify it)
//   text          string, or any JSON (sent as its text). In text and in arguments "{{user}}" "{{last}}" "{{system}}" are
//                 replaced by the texts of the request, "{{json:last}}" by the text escaped for use inside a JSON string
//                 "{{user:PATTERN}}" by what the first group of the pattern (no backslashes) finds in that text
//   tool_calls    [{"name", "arguments": object | string, "id"?}]; a name may be part of an offered tool's name: it is
//                 completed to that name ("read_text_file" -> "filesystem__read_text_file"). May stand beside text
//   raw           string or list of strings: the body's bytes as they are, one write each (SSE unless content_type says else)
//   status        with body (string or JSON) and headers: a plain answer, such as an error
//   error_after_200   object or true: `data: {"error": ...}` after the text (if any)
//   broken_json   true: after the text comes a chunk that is no JSON
//   hang          true: accepts the request and never answers; "after_text": stops after the text, connection open
//   close         true: closes the connection without a byte
//   cut_after_bytes   N: the connection is destroyed after N bytes of the body
// Modifiers
//   delay_ms      before the first byte; chunk_delay_ms: between chunks; chunk_chars: characters of text per chunk (12)
//   finish_reason instead of stop / tool_calls; null leaves it out
//   usage         object, or false for none; reasoning: text sent as reasoning_content first
//   done          false: no [DONE]; crlf: true: lines end with CRLF; stream: false: one JSON body instead of a stream
//   headers       further headers of the answer
//   refusal       text of a refusal
import http from 'node:http';
import fs from 'node:fs';
import { parseArgs } from 'node:util';

const { values: args } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    host: { type: 'string', default: '127.0.0.1' },
    script: { type: 'string' },
  },
});

let rules = [];
let fallback = null;
let requests = [];
let bodies = new Map();

function load(script) {
  const list = Array.isArray(script) ? script : (script.rules ?? []);
  rules = list.map((rule, i) => ({ ...rule, name: rule.name ?? String(i), used: 0 }));
  fallback = Array.isArray(script) ? null : (script.default ?? null);
  bodies = new Map();
}

// --- what a request says ---

function textOf(message) {
  if (!message) return '';
  if (typeof message.content === 'string') return message.content;
  if (Array.isArray(message.content)) return message.content.map((part) => part.text ?? '').join('');
  return '';
}

function factsOf(body, call) {
  const messages = Array.isArray(body?.messages) ? body.messages : [];
  const ofRole = (...roles) => messages.filter((m) => roles.includes(m.role));
  const key = JSON.stringify(body);
  const attempt = (bodies.get(key) ?? 0) + 1;
  bodies.set(key, attempt);
  return {
    system: ofRole('system', 'developer').map(textOf).join('\n'),
    user: textOf(ofRole('user').at(-1)),
    text: messages.map(textOf).join('\n'),
    last: textOf(messages.at(-1)),
    last_role: messages.at(-1)?.role ?? '',
    tools: (body?.tools ?? []).map((tool) => tool.function?.name ?? ''),
    forced: body?.tool_choice?.function?.name ?? '',
    schema: body?.response_format?.json_schema?.name ?? body?.response_format?.type ?? '',
    turn: ofRole('assistant').length,
    model: body?.model ?? '',
    call,
    attempt,
  };
}

function contains(text, wanted) {
  if (Array.isArray(wanted)) return wanted.some((one) => contains(text, one));
  const pattern = /^\/(.*)\/([a-z]*)$/s.exec(wanted);
  return pattern ? new RegExp(pattern[1], pattern[2]).test(text) : text.includes(wanted);
}

const conditions = {
  system: (facts, v) => contains(facts.system, v),
  user: (facts, v) => contains(facts.user, v),
  text: (facts, v) => contains(facts.text, v),
  last: (facts, v) => contains(facts.last, v),
  last_role: (facts, v) => facts.last_role === v,
  tool: (facts, v) => facts.tools.some((name) => contains(name, v)),
  no_tool: (facts, v) => !facts.tools.some((name) => contains(name, v)),
  tools: (facts, v) => facts.tools.length > 0 === v,
  forced: (facts, v) => facts.forced !== '' && contains(facts.forced, v),
  schema: (facts, v) => (v === '*' ? facts.schema !== '' : contains(facts.schema, v)),
  turn: (facts, v) => facts.turn === v,
  call: (facts, v) => facts.call === v,
  attempt: (facts, v) => facts.attempt === v,
  model: (facts, v) => contains(facts.model, v),
};

function fits(rule, facts) {
  if (rule.times !== undefined && rule.used >= rule.times) return false;
  return Object.entries(rule.when ?? {}).every(([name, wanted]) => {
    if (!conditions[name]) throw new Error(`rule ${rule.name}: there is no condition "${name}"`);
    return conditions[name](facts, wanted);
  });
}

// Returns [name of the rule, response] or null.
function choose(facts) {
  const rule = rules.find((one) => fits(one, facts));
  if (!rule) return fallback ? ['default', fallback] : null;
  const list = Array.isArray(rule.respond) ? rule.respond : [rule.respond];
  const response = list[Math.min(rule.used, list.length - 1)];
  rule.used += 1;
  return [rule.name, response];
}

// --- chunks of an answer ---

function fill(template, facts) {
  return template.replace(/\{\{(json:)?(user|last|system)(?::(.+?))?\}\}/g, (_, json, name, pattern) => {
    const text = pattern ? (new RegExp(pattern).exec(facts[name])?.[1] ?? '') : facts[name];
    return json ? JSON.stringify(text).slice(1, -1) : text;
  });
}

function callsOf(response, facts, call) {
  return (response.tool_calls ?? []).map((one, i) => {
    const name = facts.tools.find((tool) => tool === one.name) ?? facts.tools.find((tool) => tool.endsWith(one.name));
    const text = typeof one.arguments === 'string' ? one.arguments : JSON.stringify(one.arguments ?? {});
    return { id: one.id ?? `call_${call}_${i}`, name: name ?? one.name, arguments: fill(text, facts) };
  });
}

function pieces(text, size) {
  const characters = [...text];
  const out = [];
  for (let i = 0; i < characters.length; i += size) out.push(characters.slice(i, i + size).join(''));
  return out;
}

function usageOf(response, facts, text) {
  if (response.usage === false) return null;
  const input = Math.ceil(facts.text.length / 4);
  const output = Math.ceil(text.length / 4);
  return response.usage ?? { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}

function describe(response, facts, call) {
  const text = response.text === undefined ? ''
    : fill(typeof response.text === 'string' ? response.text : JSON.stringify(response.text), facts);
  const calls = callsOf(response, facts, call);
  const finish = response.finish_reason === undefined ? (calls.length ? 'tool_calls' : 'stop') : response.finish_reason;
  return { text, calls, finish, usage: usageOf(response, facts, text) };
}

function streamChunks(response, facts, call) {
  const { text, calls, finish, usage } = describe(response, facts, call);
  const nl = response.crlf ? '\r\n' : '\n';
  const data = (value) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}${nl}${nl}`;
  const envelope = { id: `chatcmpl-${call}`, object: 'chat.completion.chunk', created: 1, model: facts.model };
  const delta = (d, reason = null) => data({ ...envelope, choices: [{ index: 0, delta: d, finish_reason: reason }] });
  const out = [delta({ role: 'assistant', content: '' })];
  if (response.reasoning) out.push(delta({ reasoning_content: response.reasoning }));
  if (response.refusal) out.push(delta({ refusal: response.refusal }));
  for (const piece of pieces(text, response.chunk_chars ?? 12)) out.push(delta({ content: piece }));
  if (response.broken_json) return [...out, data('{"choices":[{"delta":{"content":'), data('[DONE]')];
  if (response.error_after_200) {
    const error = response.error_after_200 === true ? { message: 'the backend failed', type: 'server_error', code: null }
      : response.error_after_200;
    return [...out, data({ error })];
  }
  if (response.hang === 'after_text') return out;
  calls.forEach((one, index) => {
    out.push(delta({ tool_calls: [{ index, id: one.id, type: 'function', function: { name: one.name, arguments: '' } }] }));
    for (const piece of pieces(one.arguments, 16))
      out.push(delta({ tool_calls: [{ index, function: { arguments: piece } }] }));
  });
  if (finish !== null) out.push(delta({}, finish));
  if (usage) out.push(data({ ...envelope, choices: [], usage }));
  if (response.done !== false) out.push(data('[DONE]'));
  return out;
}

function wholeBody(response, facts, call) {
  const { text, calls, finish, usage } = describe(response, facts, call);
  const message = { role: 'assistant', content: text || null, refusal: response.refusal ?? null };
  if (response.reasoning) message.reasoning_content = response.reasoning;
  if (calls.length) {
    message.tool_calls = calls.map((one) => ({
      id: one.id, type: 'function', function: { name: one.name, arguments: one.arguments },
    }));
  }
  const choices = [{ index: 0, message, finish_reason: finish }];
  return JSON.stringify({ id: `chatcmpl-${call}`, object: 'chat.completion', model: facts.model, choices, usage });
}

// --- sending ---

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function sendChunks(res, response, chunks) {
  let left = response.cut_after_bytes ?? Infinity;
  for (const chunk of chunks) {
    if (res.destroyed) return;
    const bytes = Buffer.from(chunk);
    const part = bytes.subarray(0, Math.min(bytes.length, left));
    left -= part.length;
    // Wait for the socket: a cut must not overtake the bytes before it.
    if (part.length) await new Promise((resolve) => res.write(part, resolve));
    if (left <= 0) return void res.destroy();
    if (response.chunk_delay_ms) await pause(response.chunk_delay_ms);
  }
  if (response.hang !== 'after_text') res.end();
}

async function answer(res, response, facts, call) {
  if (response.delay_ms) await pause(response.delay_ms);
  if (res.destroyed || response.hang === true) return;
  if (response.close) return void res.socket.destroy();
  const headers = { ...response.headers };
  if (response.status !== undefined && response.text === undefined && response.tool_calls === undefined) {
    const body = typeof response.body === 'string' ? response.body : JSON.stringify(response.body ?? { error: { message: 'scripted' } });
    res.writeHead(response.status, { 'content-type': 'application/json', ...headers });
    return void res.end(body);
  }
  const whole = response.stream === false;
  const type = response.content_type ?? (whole ? 'application/json' : 'text/event-stream');
  res.writeHead(response.status ?? 200, { 'content-type': type, 'cache-control': 'no-cache', ...headers });
  const chunks = response.raw !== undefined ? [response.raw].flat()
    : whole ? [wholeBody(response, facts, call)] : streamChunks(response, facts, call);
  await sendChunks(res, response, chunks);
}

async function readBody(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function sendJson(res, status, value) {
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(JSON.stringify(value));
}

async function control(req, res) {
  if (req.url === '/__requests' && req.method === 'GET') return sendJson(res, 200, requests);
  if (req.url === '/__requests' && req.method === 'DELETE') {
    requests = [];
    load({ rules, default: fallback });
    return sendJson(res, 200, {});
  }
  if (req.url === '/__script' && req.method === 'POST') {
    load(JSON.parse(await readBody(req)));
    return sendJson(res, 200, { rules: rules.length });
  }
  return sendJson(res, 404, { error: { message: `chat_server: nothing at ${req.method} ${req.url}` } });
}

async function handle(req, res) {
  if (req.method !== 'POST' || !req.url.split('?')[0].endsWith('/chat/completions')) return control(req, res);
  const body = parsed(await readBody(req));
  const entry = {
    n: requests.length + 1, at_ms: Date.now(), method: req.method, path: req.url, headers: req.headers, body,
    rule: null, aborted: false,
  };
  requests.push(entry);
  res.on('close', () => { entry.aborted = !res.writableFinished; });
  const facts = factsOf(body, entry.n);
  const chosen = choose(facts);
  if (!chosen) {
    const error = { message: `chat_server: no rule fits; last message: ${facts.last.slice(0, 200)}`, code: 'no_rule' };
    return sendJson(res, 404, { error });
  }
  entry.rule = chosen[0];
  return answer(res, chosen[1], facts, entry.n);
}

const server = http.createServer((req, res) => {
  handle(req, res).catch((error) => {
    process.stderr.write(`chat_server: ${error.stack}\n`);
    if (!res.headersSent) sendJson(res, 400, { error: { message: `chat_server: ${error.message}` } });
    else res.destroy();
  });
});
server.requestTimeout = 0;

function stop() {
  server.close();
  server.closeAllConnections();
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

load(args.script ? JSON.parse(fs.readFileSync(args.script, 'utf8')) : []);
server.listen(Number(args.port), args.host, () => {
  const { port } = server.address();
  process.stdout.write(`${JSON.stringify({ port, url: `http://${args.host}:${port}/v1` })}\n`);
});
