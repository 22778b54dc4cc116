// SPDX-License-Identifier: Apache-2.0
// Tasks that make or change files: the tree is what counts.
import assert from 'node:assert/strict';
import { after, blocks, lines, read, write } from './script.mjs';

const put = (m, name, content) => ['write_file', { path: `${m.dir}/${name}`, content }];
const get = (m, name) => ['read_text_file', { path: `${m.dir}/${name}` }];
const done = (result) => (m) => { m.result = result; };
const students = 'id,name,math,physics\n1,Ada,90,80\n2,Ben,40,50\n3,Cyd,70,100\n';
const mails = { 'mail/1.txt': 'From: ada@example.org\nHello', 'mail/2.txt': 'From: ben@example.com\nHi', 'mail/3.txt': 'From: ada@example.org\nAgain' };

export const writing = [
  {
    id: 'uppercase', tree: { 'file.txt': 'quiet words\nin two lines\n' },
    prompt: (dir) => `Write the text of ${dir}/file.txt in upper case to ${dir}/upper.txt`,
    steps: [
      read('read it', (m) => [get(m, 'file.txt')], (m, told) => { m.result = told.at(-1); }),
      after(['s1'], write('write it', (m) => [put(m, 'upper.txt', m.result.toUpperCase())], done('written'))),
    ],
    answer: () => 'upper.txt is there [s2].',
    verify: ({ files }) => { assert.equal(files['upper.txt'], 'QUIET WORDS\nIN TWO LINES\n'); assert.ok(files['file.txt']); },
  },
  {
    id: 'file_splitting', tree: { 'big.txt': 'abcdefghijklmnopqrstuvwxyz0123' },
    prompt: (dir) => `Split ${dir}/big.txt into three files of equal length, ${dir}/split/1.txt, 2.txt and 3.txt`,
    steps: [
      read('read it', (m) => [get(m, 'big.txt')], (m, told) => { m.text = told.at(-1); m.result = 'read'; }),
      after(['s1'], write('write the parts', (m) => [['create_directory', { path: `${m.dir}/split` }]],
        (m) => [0, 1, 2].map((i) => put(m, `split/${i + 1}.txt`, m.text.slice(i * 10, i * 10 + 10))), done('split'))),
    ],
    answer: () => 'Three parts were written [s2].',
    verify: ({ files }) => { assert.equal(files['split/1.txt'] + files['split/2.txt'] + files['split/3.txt'], files['big.txt']); assert.equal(files['split/2.txt'].length, 10); },
  },
  {
    id: 'merging', tree: { 'a.txt': 'one', 'b.txt': 'two', 'c.txt': 'three', 'skip.md': 'no' },
    prompt: (dir) => `Merge all .txt files in ${dir}, in order of their names, into ${dir}/merged.txt, one line each`,
    steps: [
      read('read them', (m) => [['list_directory', { path: m.dir }]],
        (m) => [['read_multiple_files', { paths: ['a.txt', 'b.txt', 'c.txt'].map((name) => `${m.dir}/${name}`) }]],
        (m, told) => { m.result = blocks(told.at(-1)).map(([, text]) => text).join('\n'); }),
      after(['s1'], write('write the whole', (m) => [put(m, 'merged.txt', `${m.result}\n`)], done('merged'))),
    ],
    answer: () => 'merged.txt is there [s2].',
    verify: ({ files }) => assert.equal(files['merged.txt'], 'one\ntwo\nthree\n'),
  },
  {
    id: 'fix_typo', tree: { 'letter.txt': 'Dear freind,\nmy freind is here.\n' },
    prompt: (dir) => `Correct "freind" to "friend" everywhere in ${dir}/letter.txt`,
    steps: [write('edit it', (m) => [['edit_file', { path: `${m.dir}/letter.txt`, edits: [{ oldText: 'Dear freind,', newText: 'Dear friend,' }, { oldText: 'my freind', newText: 'my friend' }] }]],
      (m) => [get(m, 'letter.txt')], done('corrected'))],
    answer: () => 'It is corrected [s1].',
    verify: ({ files }) => assert.equal(files['letter.txt'], 'Dear friend,\nmy friend is here.\n'),
  },
  {
    id: 'json_config', tree: { 'app.json': '{"port": 80, "debug": true}' },
    prompt: (dir) => `Set port to 8080 in ${dir}/app.json and leave the rest as it is`,
    steps: [
      read('read it', (m) => [get(m, 'app.json')], (m, told) => { m.result = told.at(-1); }),
      after(['s1'], write('write it', (m) => [put(m, 'app.json', JSON.stringify({ ...JSON.parse(m.result), port: 8080 }))], done('set'))),
    ],
    answer: () => 'The port is 8080 [s2].',
    verify: ({ files }) => assert.deepEqual(JSON.parse(files['app.json']), { port: 8080, debug: true }),
  },
  {
    id: 'contacts', tree: mails,
    prompt: (dir) => `Collect the senders of the mails in ${dir}/mail, each once, sorted, into ${dir}/contacts.csv with the head "address"`,
    steps: [
      read('read the mails', (m) => [['list_directory', { path: `${m.dir}/mail` }]], (m) => [1, 2, 3].map((i) => get(m, `mail/${i}.txt`)),
        (m, told) => { m.result = [...new Set(told.slice(1).map((text) => /From: (\S+)/.exec(text)[1]))].sort().join('\n'); }),
      after(['s1'], write('write the list', (m) => [put(m, 'contacts.csv', `address\n${m.result}\n`)], done('collected'))),
    ],
    answer: () => 'Two addresses were collected [s2].',
    verify: ({ files }) => assert.equal(files['contacts.csv'], 'address\nada@example.org\nben@example.com\n'),
  },
  {
    id: 'averages', tree: { 'students.csv': students },
    prompt: (dir) => `For each student in ${dir}/students.csv write the average of math and physics to ${dir}/averages.csv (name,average)`,
    steps: [
      read('read the marks', (m) => [get(m, 'students.csv')], (m, told) => { m.result = told.at(-1); }),
      after(['s1'], write('write the averages', (m) => [put(m, 'averages.csv',
        `name,average\n${lines(m.result).slice(1).map((row) => { const [, name, a, b] = row.split(','); return `${name},${(Number(a) + Number(b)) / 2}`; }).join('\n')}\n`)], done('averaged'))),
    ],
    answer: () => 'averages.csv is there [s2].',
    verify: ({ files }) => assert.equal(files['averages.csv'], 'name,average\nAda,85\nBen,45\nCyd,85\n'),
  },
  {
    id: 'log_levels', tree: { 'app.log': 'INFO a\nERROR b\nINFO c\nWARN d\nERROR e\n' },
    prompt: (dir) => `Write each level of ${dir}/app.log to a file of its own: ${dir}/INFO.log, ERROR.log and WARN.log`,
    steps: [
      read('read the log', (m) => [get(m, 'app.log')], (m, told) => { m.rows = lines(told.at(-1)); m.result = 'read'; }),
      after(['s1'], write('write the levels', (m) => ['INFO', 'ERROR', 'WARN'].map((level) => put(m, `${level}.log`, m.rows.filter((row) => row.startsWith(level)).map((row) => `${row}\n`).join(''))), done('sorted'))),
    ],
    answer: () => 'Three files were written [s2].',
    verify: ({ files }) => { assert.equal(files['ERROR.log'], 'ERROR b\nERROR e\n'); assert.equal(files['WARN.log'], 'WARN d\n'); assert.equal(files['INFO.log'], 'INFO a\nINFO c\n'); },
  },
  {
    id: 'index', tree: { 'docs/a.md': '# Alpha\ntext', 'docs/b.md': '# Beta\ntext' },
    prompt: (dir) => `Write ${dir}/docs/index.md with a line "- title (file)" for each document in ${dir}/docs`,
    steps: [
      read('read the titles', (m) => [['list_directory', { path: `${m.dir}/docs` }]], (m) => ['a.md', 'b.md'].map((name) => ['read_text_file', { path: `${m.dir}/docs/${name}`, head: 1 }]),
        (m, told) => { m.result = told.slice(1).map((text, i) => `- ${text.trim().slice(2)} (${'ab'[i]}.md)`).join('\n'); }),
      after(['s1'], write('write the index', (m) => [put(m, 'docs/index.md', `${m.result}\n`)], done('indexed'))),
    ],
    answer: () => 'The index is there [s2].',
    verify: ({ files }) => assert.equal(files['docs/index.md'], '- Alpha (a.md)\n- Beta (b.md)\n'),
  },
  {
    id: 'recover', tree: { 'real.txt': 'found' },
    prompt: (dir) => `Copy the text of the only file in ${dir} to ${dir}/copy.txt`,
    // The model guesses a name, is told that there is none, looks, and goes on.
    steps: [
      read('read it', (m) => [get(m, 'file.txt')], (m) => [['list_directory', { path: m.dir }]], (m) => [get(m, 'real.txt')], (m, told) => { assert.match(told[0], /ENOENT|no such file/i); m.result = told.at(-1); }),
      after(['s1'], write('copy it', (m) => [put(m, 'copy.txt', m.result)], done('copied'))),
    ],
    answer: () => 'It is copied [s2].',
    verify: ({ files }) => assert.equal(files['copy.txt'], 'found'),
  },
];
