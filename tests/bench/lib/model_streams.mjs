// SPDX-License-Identifier: Apache-2.0
// Answers of model APIs of any size, in the very form of a recorded one: the events that carry pieces of text are repeated, with
// other words, the rest stays as it was.
import fs from 'node:fs';
import path from 'node:path';

const corpora = path.join(import.meta.dirname, '..', '..', 'fuzz');
export const APIS = ['chat', 'responses', 'messages'];

/** The recorded answer `name` of an API, as text. */
export const recorded = (api, name) => fs.readFileSync(path.join(corpora, `corpus_${api}`, name), 'utf8');

const WORDS = ['The', ' quick', ' brown', ' fox', ' jumps', ' over', ' the', ' lazy', ' dog', ',', ' Zwölf', ' Boxkämpfer', '.\\n', ' \\"quoted\\"', ' token', 'ization'];
const PIECES = {
  chat: /^.*"content":"(?=Zwölf).*$/m,
  responses: /^.*"delta":"(?=Zwölf).*$/m,
  messages: /^.*"text":"(?=Zwölf).*$/m,
};

/** `bytes` or a little more. */
export function longAnswer(api, bytes) {
  const events = recorded(api, 'book_text').split('\n\n');
  const at = events.findIndex((event) => PIECES[api].test(event));
  const piece = (i) => events[at].replace(/"Zwölf[^"]*"/, `"${WORDS[i % WORDS.length]}"`);
  const pieces = WORDS.map((_, i) => piece(i) + '\n\n').join('');
  const head = events.slice(0, at).join('\n\n') + '\n\n', tail = events.slice(at + 1).join('\n\n');
  return Buffer.from(head + pieces.repeat(Math.ceil(bytes / Buffer.byteLength(pieces))) + tail);
}
