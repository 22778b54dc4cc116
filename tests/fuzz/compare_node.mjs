// SPDX-License-Identifier: Apache-2.0
// Compares our request parser with Node's on the same bytes: a few hundred requests made here, and the fuzz corpus.
//
//   node compare_node.mjs PARSE_DRIVER [CORPUS_DIR] [-v]
//
// Node is a real http.createServer on loopback; ours is tests/fuzz/parse_driver.c. Compared are the requests that were
// complete (method, target, body bytes) and how the connection's input ended: ok, reject or incomplete. A disagreement on
// where a request ends is how requests are smuggled past a load balancer, so every difference must be one of `explained`,
// and every row there must be in use. Exit code 1 otherwise.
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';

const args = process.argv.slice(2).filter((a) => a !== '-v');
const verbose = process.argv.includes('-v');
const driver = args[0];
const corpus = args[1] ?? path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), 'corpus_parse');
if (!driver) {
	console.error('usage: node compare_node.mjs PARSE_DRIVER [CORPUS_DIR] [-v]');
	process.exit(64);
}

// --- why we differ: "group: ours / Node's" -> reason. A group names one property of the request. ---

const each = (group, names, outcome, reason) => Object.fromEntries(names.map((n) => [`${group} ${n}: ${outcome}`, reason]));
const explained = {
	// Node knows a fixed list of methods; RFC 9110 section 9.1 allows any token, which the route table then answers with 405 or 501.
	...each('method byte', ['!', '#', '$', '%', '&', "'", '*', '+', '^', '`', '|', 'alphanumeric', 'unreserved'], 'ok 1 / reject 0',
		'a method is any token (RFC 9110 section 9.1)'),
	'unknown method: ok 1 / reject 0': 'a method is any token (RFC 9110 section 9.1)',
	// Node takes raw bytes in targets that RFC 3986 wants escaped.
	...each('target byte', ['"', '<', '>', '[', ']', '\\', '^', '`', '{', '|', '}'], 'reject 0 / ok 1',
		'not allowed in a target (RFC 9112 section 3.2, RFC 3986 section 3.3): proxies normalise such bytes differently'),
	'target byte %: reject 0 / ok 1': "'%' without two hexadecimal digits (RFC 3986 section 2.1)",
	'target byte #: reject 0 / ok 1': 'a fragment is not part of a target (RFC 9112 section 3.2)',
	'fragment: reject 0 / ok 1': 'a fragment is not part of a target (RFC 9112 section 3.2)',
	'escape: reject 0 / ok 1': "'%' without two hexadecimal digits (RFC 3986 section 2.1)",
	'absolute target: reject 0 / ok 1': 'empty host, user information, another scheme or a port above 65535: Node does not look (RFC 9110 section 4.2)',
	'asterisk without OPTIONS: reject 0 / ok 1': "'*' is for OPTIONS only (RFC 9112 section 3.2.4)",
	'long target: reject 0 / ok 1': 'limits.target_bytes; Node counts target and headers together',
	// Request line.
	'request line blanks: reject 0 / ok 1': 'exactly one SP (RFC 9112 section 3); Node skips more',
	'no version: reject 0 / ok 1': 'HTTP/0.9 is not spoken here',
	'pipelined: reject 1 / ok 2': 'the second request is HTTP/0.9, which is not spoken here',
	'version 0.9: reject 0 / ok 1': '505: only major version 1 is spoken here',
	'version 2.0: reject 0 / ok 1': '505: only major version 1 is spoken here',
	'version 1.2: ok 1 / reject 0': 'a higher minor version is served as the highest known (RFC 9110 section 2.5)',
	'LF before: reject 0 / ok 1': 'at least one empty line, CR LF, may be ignored (RFC 9112 section 2.2); a bare LF is not one',
	'two empty lines before: reject 0 / ok 1': 'one empty line is forgiven (RFC 9112 section 2.2), not any number',
	'not HTTP: incomplete 0 / reject 0': 'a first line of another protocol is judged when the head is complete, or by the deadline',
	// Headers.
	'two Hosts: reject 0 / ok 1': '400 is a MUST (RFC 9112 section 3.2); Node takes the first',
	'invalid Host: reject 0 / ok 1': '400 is a MUST (RFC 9112 section 3.2); Node only wants the header to be there',
	'connection not tokens: reject 0 / ok 1': 'Connection is a list of tokens (RFC 9110 section 7.6.1)',
	'many headers: reject 0 / ok 1': 'limits.header_count (100 in the driver); Node drops what is over its limit silently',
	// Framing. Node is looser in all of these, except where the row says otherwise.
	'length byte space: incomplete 1 / reject 1': "alike on the request (trailing blank); the left-over 'b' is the start of a method for us, an unknown one for Node",
	'length byte tab: incomplete 1 / reject 1': "as with a space; Node 22 on",
	'length byte tab: incomplete 1 / reject 0': 'a tab after a value is optional white space (RFC 9110 section 5.6.3); Node refuses it in Content-Length',
	'length over our limit: reject 0 / incomplete 0': 'limits.body_bytes; Node has none',
	'chunk over our limit: reject 0 / incomplete 0': 'limits.body_bytes; Node has none',
	'empty coding: reject 0 / ok 1': 'a Transfer-Encoding without a coding does not tell where the body ends',
	'other coding before chunked: reject 0 / ok 1': '501: a coding that is not understood (RFC 9112 section 6.1); Node passes the coded bytes on',
	'chunked on 1.0: reject 0 / ok 1': 'faulty framing by RFC 9112 section 6.1: HTTP/1.0 has no codings',
	'empty chunk extension: reject 0 / ok 1': 'an extension has a name, and a value after its = (RFC 9112 section 7.1.1)',
	'framing in trailer: ok 2 / reject 0': 'trailers are dropped, so a Content-Length or Transfer-Encoding there has no effect (RFC 9110 section 6.5.1); Node refuses',
	// The corpus repeats some of the above.
	'corpus bad_encoding: reject 0 / ok 1': 'see: other coding before chunked',
	'corpus bad_encoding_old: reject 0 / ok 1': 'see: chunked on 1.0',
	'corpus bad_escape: reject 0 / ok 1': 'see: escape',
	'corpus bad_fragment: reject 0 / ok 1': 'see: fragment',
	'corpus bad_host: reject 0 / ok 1': 'see: invalid Host',
	'corpus bad_two_hosts: reject 0 / ok 1': 'see: two Hosts',
	'corpus bad_two_spaces: reject 0 / ok 1': 'see: request line blanks',
	'corpus get_two_empty_lines: reject 0 / ok 1': 'see: two empty lines before',
};

// --- the requests ---

const cases = []; // { group, name, bytes }
const add = (group, text, name = text) =>
	cases.push({ group, name: JSON.stringify(name).slice(0, 70), bytes: Buffer.from(text, 'latin1') });

const H = 'Host: a\r\n';
const G = 'GET / HTTP/1.1\r\n';
const P = 'POST / HTTP/1.1\r\nHost: a\r\n';
const T = P + 'Transfer-Encoding: chunked\r\n\r\n';
const hex = (b) => '0x' + b.toString(16).padStart(2, '0');
const byteClass = (b) =>
	b === 0 ? 'NUL' : b === 10 ? 'LF' : b === 13 ? 'CR' : b === 9 ? 'tab' : b === 32 ? 'space'
	: b < 32 || b === 127 ? 'control' : b > 127 ? 'high' : /[A-Za-z0-9]/.test(String.fromCharCode(b)) ? 'alphanumeric'
	: /[-._~]/.test(String.fromCharCode(b)) ? 'unreserved' : String.fromCharCode(b);

// Every byte in every place that has a grammar.
const interesting = [...Array(128).keys(), 0x80, 0xa0, 0xff].filter((b) => byteClass(b) !== 'alphanumeric' || b === 65 || b === 57);
for (const b of interesting) {
	const c = String.fromCharCode(b);
	add(`method byte ${byteClass(b)}`, `G${c}T / HTTP/1.1\r\n${H}\r\n`, hex(b));
	add(`target byte ${byteClass(b)}`, `GET /a${c}b HTTP/1.1\r\n${H}\r\n`, hex(b));
	add(`name byte ${byteClass(b)}`, `${G}${H}X${c}Y: b\r\n\r\n`, hex(b));
	add(`value byte ${byteClass(b)}`, `${G}${H}X: a${c}b\r\n\r\n`, hex(b));
	add(`length byte ${byteClass(b)}`, `${P}Content-Length: 1${c}\r\n\r\nab`, hex(b));
	add(`chunk size byte ${byteClass(b)}`, `${T}1${c}\r\na\r\n0\r\n\r\n`, hex(b));
}

const groups = {
	'plain': [G + H + '\r\n', `GET /a/b?c=d HTTP/1.1\r\n${H}\r\n`, 'GET / HTTP/1.0\r\n\r\n', 'HEAD / HTTP/1.1\r\n' + H + '\r\n',
		'OPTIONS * HTTP/1.1\r\n' + H + '\r\n', 'DELETE /x HTTP/1.1\r\n' + H + '\r\n', 'PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
		'PATCH /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx', G + 'hOST:a\r\n\r\n', G + 'Host: \t a \t\r\n\r\n',
		'GET http://a/b HTTP/1.1\r\n' + H + '\r\n', 'GET /%41 HTTP/1.1\r\n' + H + '\r\n'],
	'pipelined': [(G + H + '\r\n').repeat(3), P + 'Content-Length: 3\r\n\r\nabc' + G + H + '\r\n', T + '0\r\n\r\n' + G + H + '\r\n',
		T + '3\r\nabc\r\n0\r\nX: y\r\n\r\n' + P + 'Content-Length: 1\r\n\r\nz', G + H + '\r\n' + 'GET /\r\n\r\n'],
	'after close': [G + H + 'Connection: close\r\n\r\n' + G + H + '\r\n', 'GET / HTTP/1.0\r\n\r\n' + G + H + '\r\n'],
	'empty line before': ['\r\n' + G + H + '\r\n'],
	'two empty lines before': ['\r\n\r\n' + G + H + '\r\n'],
	'LF before': ['\n' + G + H + '\r\n'],
	'blank before': [' ' + G + H + '\r\n', '\t' + G + H + '\r\n'],
	'cut': ['G', 'GET / HTTP/1.1', G, G + 'Host: a', G + H, P + 'Content-Length: 5\r\n\r\nabc', T, T + '3', T + '3\r\nab', T + '3\r\nabc\r\n0\r\n'],
	'request line blanks': ['GET  / HTTP/1.1\r\n' + H + '\r\n', 'GET /  HTTP/1.1\r\n' + H + '\r\n', 'GET / HTTP/1.1 \r\n' + H + '\r\n', 'GET /a b HTTP/1.1\r\n' + H + '\r\n'],
	'no version': ['GET /\r\n' + H + '\r\n', 'GET /\r\n\r\n'],
	'version': ['GET / HTTP/1.10\r\n' + H + '\r\n', 'GET / http/1.1\r\n' + H + '\r\n', 'GET / HTTP/1\r\n' + H + '\r\n', 'GET / HTTP/11.1\r\n' + H + '\r\n',
		'GET / HTTP/1,1\r\n' + H + '\r\n', 'GET / HTTPS/1.1\r\n' + H + '\r\n', 'GET / HTTP/3.0\r\n' + H + '\r\n', 'GET / ICE/1.0\r\n' + H + '\r\n'],
	'version 2.0': ['GET / HTTP/2.0\r\n' + H + '\r\n'],
	'version 0.9': ['GET / HTTP/0.9\r\n' + H + '\r\n'],
	'version 1.2': ['GET / HTTP/1.2\r\n' + H + '\r\n'],
	'http2 preface': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
	'unknown method': ['FOO / HTTP/1.1\r\n' + H + '\r\n', 'get / HTTP/1.1\r\n' + H + '\r\n'],
	'CONNECT': ['CONNECT a:443 HTTP/1.1\r\n' + H + '\r\n'],
	'asterisk without OPTIONS': ['GET * HTTP/1.1\r\n' + H + '\r\n'],
	'relative target': ['GET a HTTP/1.1\r\n' + H + '\r\n', 'GET ?a HTTP/1.1\r\n' + H + '\r\n'],
	'absolute target': ['GET http:// HTTP/1.1\r\n' + H + '\r\n', 'GET http://u@b/ HTTP/1.1\r\n' + H + '\r\n', 'GET ftp://b/ HTTP/1.1\r\n' + H + '\r\n', 'GET http://b:99999/ HTTP/1.1\r\n' + H + '\r\n'],
	'fragment': ['GET /a#b HTTP/1.1\r\n' + H + '\r\n'],
	'escape': ['GET /% HTTP/1.1\r\n' + H + '\r\n', 'GET /%4 HTTP/1.1\r\n' + H + '\r\n', 'GET /%zz HTTP/1.1\r\n' + H + '\r\n'],
	'escaped NUL': ['GET /a%00b HTTP/1.1\r\n' + H + '\r\n'],
	'line end in request line': ['GET / HTTP/1.1\n' + H + '\r\n', 'GET / HTTP/1.1\r' + H + '\r\n', 'GET / HTTP/1.1\r\r\n' + H + '\r\n'],
	'line end in headers': [G + 'Host: a\n\r\n', G + 'Host: a\rX: b\r\n\r\n', G + 'Host: a\r\r\n\r\n', G + H + '\n', 'GET / HTTP/1.1\nHost: a\n\n'],
	'folded': [G + H + 'X: a\r\n b\r\n\r\n', G + H + 'X: a\r\n\tb\r\n\r\n', G + ' Host: a\r\n\r\n'],
	'blank before colon': [G + H + 'X : a\r\n\r\n', P + 'Content-Length : 3\r\n\r\nabc', P + 'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n'],
	'empty name': [G + H + ': a\r\n\r\n'],
	'no colon': [G + H + 'X\r\n\r\n'],
	'empty value': [G + H + 'X:\r\n\r\n', G + H + 'X: \t\r\n\r\n'],
	'no Host': [G + '\r\n', G + 'X: y\r\n\r\n'],
	'two Hosts': [G + H + H + '\r\n', G + H + 'host: b\r\n\r\n'],
	'invalid Host': [G + 'Host:\r\n\r\n', G + 'Host: a b\r\n\r\n', G + 'Host: a/b\r\n\r\n', G + 'Host: u@a\r\n\r\n', G + 'Host: a:b\r\n\r\n', G + 'Host: [::1\r\n\r\n', G + 'Host: a,b\\\r\n\r\n'],
	'length': [P + 'Content-Length: 3\r\n\r\nabc', P + 'Content-Length: 003\r\n\r\nabc', P + 'Content-Length: 0\r\n\r\n'],
	'empty length': [P + 'Content-Length:\r\n\r\n'],
	'bad length': [P + 'Content-Length: +3\r\n\r\nabc', P + 'Content-Length: -3\r\n\r\nabc', P + 'Content-Length: 0x3\r\n\r\nabc', P + 'Content-Length: 3 3\r\n\r\nabc',
		P + 'Content-Length: 3,3\r\n\r\nabc', P + 'Content-Length: 3, 4\r\n\r\nabc', P + 'Content-Length: 3.0\r\n\r\nabc', P + 'Content-Length: abc\r\n\r\n'],
	'length beyond 2^64': [P + 'Content-Length: 18446744073709551619\r\n\r\nabc', P + 'Content-Length: 99999999999999999999999999\r\n\r\nabc'],
	'length over our limit': [P + 'Content-Length: 1048577\r\n\r\nabc', P + 'Content-Length: 9223372036854775807\r\n\r\nabc'],
	'two lengths': [P + 'Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc', P + 'Content-Length: 3\r\ncontent-length: 4\r\n\r\nabcd'],
	'length and chunked': [P + 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', P + 'Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n'],
	'other coding last': [P + 'Transfer-Encoding: gzip\r\n\r\nabc', P + 'Transfer-Encoding: identity\r\n\r\n', P + 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
		P + 'Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n', P + 'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', P + 'Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n'],
	'empty coding': [P + 'Transfer-Encoding:\r\n\r\n'],
	'other coding before chunked': [P + 'Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n', P + 'Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
	'chunked twice': [P + 'Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n', P + 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
	'chunked on 1.0': ['POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
	'chunked': [T + '3\r\nabc\r\n0\r\n\r\n', T + 'A\r\n0123456789\r\n0\r\n\r\n', T + '003\r\nabc\r\n000\r\n\r\n', T + '0\r\n\r\n', P + 'transfer-encoding: Chunked\r\n\r\n0\r\n\r\n'],
	'chunk size': [T + '0x3\r\nabc\r\n0\r\n\r\n', T + '+3\r\nabc\r\n0\r\n\r\n', T + '-3\r\nabc\r\n0\r\n\r\n', T + ' 3\r\nabc\r\n0\r\n\r\n', T + '\r\nabc\r\n', T + ';a\r\n',
		T + '3_0\r\nabc\r\n0\r\n\r\n', T + 'fffffffffffffffff\r\nabc'],
	'blank after chunk size': [T + '3 \r\nabc\r\n0\r\n\r\n', T + '3\t\r\nabc\r\n0\r\n\r\n', T + '3 ;a\r\nabc\r\n0\r\n\r\n'],
	'chunk over our limit': [T + 'fffffffffffffff\r\nabc', T + '100001\r\nabc'],
	'chunk line ends': [T + '3\nabc\r\n0\r\n\r\n', T + '3\rabc\r\n0\r\n\r\n', T + '3\r\nabc\n0\r\n\r\n', T + '3\r\nabc0\r\n\r\n', T + '3\r\nabcd\r\n0\r\n\r\n', T + '4\r\nabc\r\n0\r\n\r\n', T + '3\r\nabc\r\n0\n\n', T + '0\r\n\n'],
	'chunk extension': [T + '3;a\r\nabc\r\n0\r\n\r\n', T + '3;a=b;c="d"\r\nabc\r\n0;x\r\n\r\n'],
	'bad chunk extension': [T + '3;a\x01\r\nabc\r\n0\r\n\r\n', T + '3;a="b\r\nabc\r\n0\r\n\r\n', T + '3;a\nabc\r\n0\r\n\r\n', T + '3;a\x00\r\nabc\r\n0\r\n\r\n'],
	'empty chunk extension': [T + '3;\r\nabc\r\n0\r\n\r\n', T + '3;a=\r\nabc\r\n0\r\n\r\n', T + '3;=b\r\nabc\r\n0\r\n\r\n'],
	'blank in chunk extension': [T + '3; a\r\nabc\r\n0\r\n\r\n', T + '3;a =b\r\nabc\r\n0\r\n\r\n'],
	'trailer': [T + '0\r\nX: y\r\n\r\n', T + '0\r\nX:\r\nY: z\r\n\r\n'],
	'framing in trailer': [T + '0\r\nContent-Length: 5\r\n\r\n' + G + H + '\r\n', T + '0\r\nTransfer-Encoding: chunked\r\n\r\n' + G + H + '\r\n', T + '0\r\nHost: b\r\n\r\n' + G + H + '\r\n'],
	'bad trailer': [T + '0\r\nX\r\n\r\n', T + '0\r\n: y\r\n\r\n', T + '0\r\nX: a\x00\r\n\r\n', T + '0\r\nX : y\r\n\r\n', T + '0\r\nX: y\n\r\n', T + '0\r\n X: y\r\n\r\n'],
	'expect': [P + 'Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx'],
	'other expectation': [P + 'Expect: tea\r\nContent-Length: 1\r\n\r\nx'],
	'connection': [G + H + 'Connection: close\r\n\r\n', G + H + 'Connection: keep-alive\r\n\r\n', G + H + 'Connection: a, close\r\n\r\n', 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n' + 'GET / HTTP/1.0\r\n\r\n'],
	'connection not tokens': [G + H + 'Connection: a b\r\n\r\n', G + H + 'Connection: "close"\r\n\r\n'],
	'upgrade': [G + H + 'Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n'],
	'many headers': [G + H + 'X: y\r\n'.repeat(101) + '\r\n'],
	'long headers': [G + H + 'X: ' + 'y'.repeat(30000) + '\r\n\r\n'],
	'long target': ['GET /' + 'a'.repeat(9000) + ' HTTP/1.1\r\n' + H + '\r\n'],
	'body of GET': [G + H + 'Content-Length: 3\r\n\r\nabc' + G + H + '\r\n', G + H + 'Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n'],
	'not HTTP': ['\x16\x03\x01\x00\xc8\x01\x00', 'SSH-2.0-OpenSSH_9.2\r\n', 'EHLO a\r\n', '\x00\x00\x00\r\n\r\n'],
};
for (const [group, texts] of Object.entries(groups))
	for (const text of texts)
		add(group, text);
for (const name of readdirSync(corpus).sort())
	cases.push({ group: `corpus ${name}`, name, bytes: readFileSync(path.join(corpus, name)) });

// --- ours ---

function ours(bytes) {
	const run = spawnSync(driver, { input: bytes });
	if (run.status !== 0)
		throw new Error(`${driver} failed: ${run.stderr}`);
	return JSON.parse(run.stdout);
}

// --- Node's ---

const seen = new Map(); // client port -> { requests, error }
const server = http.createServer({ maxHeaderSize: 24576, keepAliveTimeout: 500 }, (req, res) => {
	const body = [];
	req.on('data', (d) => body.push(d));
	req.on('end', () => {
		seen.get(req.socket.remotePort).requests.push({ method: req.method, target: req.url, body: Buffer.concat(body).toString('base64') });
		res.end();
	});
	req.on('error', () => {});
});
server.httpAllowHalfOpen = true;
server.on('connection', (s) => seen.set(s.remotePort, { requests: [], error: null }));
server.on('clientError', (e, s) => {
	const entry = seen.get(s.remotePort);
	if (entry) entry.error ??= e.code;
	s.destroy();
});

function nodes(bytes) {
	return new Promise((resolve) => {
		const c = net.connect({ port: server.address().port, host: '127.0.0.1', allowHalfOpen: true });
		const answer = [];
		let port;
		c.on('connect', () => { port = c.localPort; c.end(bytes); });
		c.on('data', (d) => answer.push(d));
		c.on('error', () => {});
		c.setTimeout(3000, () => c.destroy());
		c.on('close', () => {
			const entry = seen.get(port) ?? { requests: [], error: 'no connection' };
			const statuses = [...Buffer.concat(answer).toString('latin1').matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => +m[1]);
			const bad = statuses.find((s) => s >= 400);
			let end = 'ok';
			if (entry.error === 'HPE_INVALID_EOF_STATE' || entry.error === 'ECONNRESET') end = 'incomplete';
			else if (entry.error && entry.error !== 'HPE_CLOSED_CONNECTION') end = 'reject';
			else if (bad) end = 'reject';
			else if (entry.requests.length === 0) end = 'reject'; // destroyed without a word (CONNECT)
			resolve({ requests: entry.requests, end, error: entry.error ?? bad });
		});
	});
}

// --- compare ---

const shortly = (v) => `${v.end}, ${v.requests.length} request${v.requests.length === 1 ? '' : 's'}`;
await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
const used = new Set();
let differences = 0, unexplained = 0;
for (const c of cases) {
	const a = ours(c.bytes), b = await nodes(c.bytes);
	const same = a.end === b.end && JSON.stringify(a.requests) === JSON.stringify(b.requests);
	if (verbose)
		console.log(`${same ? 'same' : 'DIFF'} ${c.group} ${c.name}: ${shortly(a)} (${a.message ?? ''}) / ${shortly(b)} (${b.error ?? ''})`);
	if (same)
		continue;
	differences++;
	const key = `${c.group}: ${a.end} ${a.requests.length} / ${b.end} ${b.requests.length}`;
	used.add(key);
	if (!explained[key]) {
		unexplained++;
		console.log(`not explained: '${key}'\n  ${c.name}\n  ours ${JSON.stringify(a)}\n  Node ${JSON.stringify(b)}`);
	}
}
// The table is kept for Node 20; later ones agree with us in more places, and differ in those that say so.
const node20 = process.versions.node.startsWith('20.');
const stale = Object.keys(explained).filter((k) => node20 && !used.has(k) && !/Node 22 on/.test(explained[k]));
for (const k of stale)
	console.log(`no longer a difference: '${k}'`);
server.close();
server.closeAllConnections();
console.log(`${cases.length} inputs, ${cases.length - differences} alike, ${differences} different (${used.size} kinds), ${unexplained} not explained`);
process.exitCode = unexplained || stale.length ? 1 : 0;
