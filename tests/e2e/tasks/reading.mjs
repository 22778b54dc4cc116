// SPDX-License-Identifier: Apache-2.0
// Tasks that only look: the answer is what counts.
import assert from 'node:assert/strict';
import { after, listing, lines, read } from './script.mjs';

const notes = `# Observatory notes

The main mirror was cleaned in March. The dome motor makes noise when it turns north.
Two observers reported clouds over the valley. The spectrograph was calibrated with a neon lamp.
The next maintenance is planned for October. Visitors come on Fridays.
`;
const log = Array.from({ length: 40 }, (_, i) => `${String(i).padStart(2, '0')}:00 ${i % 8 === 3 ? 'ERROR disk' : 'INFO all is well'} ${i}`).join('\n');
const csv = 'name,grade\nAda,91\nBen,78\nCyd,85\nDot,66\n';

export const reading = [
  {
    id: 'summarize', tree: { 'notes.md': notes },
    prompt: (dir) => `Read the file ${dir}/notes.md and summarize its contents`,
    steps: [read('read the notes', (m) => [['read_text_file', { path: `${m.dir}/notes.md` }]], (m, told) => { m.result = told.at(-1); })],
    answer: (m) => `The notes tell of the ${/main mirror/.exec(m.result)[0]}, the dome and visitors [s1].`,
    verify: ({ answer }) => assert.match(answer, /mirror/),
  },
  {
    id: 'count_lines', tree: { 'night.log': log },
    prompt: (dir) => `How many lines does ${dir}/night.log have?`,
    steps: [read('read the log', (m) => [['read_text_file', { path: `${m.dir}/night.log` }]], (m, told) => { m.result = String(lines(told.at(-1)).length); })],
    answer: (m) => `It has ${m.result} lines [s1].`,
    verify: ({ answer }) => assert.match(answer, /\b40\b/),
  },
  {
    id: 'list_folder', tree: { 'a.txt': 'a', 'b.txt': 'b', 'sub/c.txt': 'c' },
    prompt: (dir) => `List the files in ${dir}`,
    steps: [read('list the folder', (m) => [['list_directory', { path: m.dir }]], (m, told) => { m.result = told.at(-1); })],
    answer: (m) => `There are ${listing(m.result).files.join(', ')} and the folder ${listing(m.result).dirs[0]} [s1].`,
    verify: ({ answer }) => ['a.txt', 'b.txt', 'sub'].forEach((name) => assert.ok(answer.includes(name))),
  },
  {
    id: 'first_lines', tree: { 'night.log': log },
    prompt: (dir) => `Show the first 3 lines of ${dir}/night.log`,
    steps: [read('read its head', (m) => [['read_text_file', { path: `${m.dir}/night.log`, head: 3 }]], (m, told) => { m.result = told.at(-1); })],
    answer: (m) => `${m.result} [s1]`,
    verify: ({ answer }) => { assert.ok(answer.includes('02:00')); assert.ok(!answer.includes('04:00')); },
  },
  {
    id: 'find_by_name', tree: { 'x/report-1.md': '1', 'y/z/report-2.md': '2', 'y/other.txt': '3' },
    prompt: (dir) => `Find all files matching "*.md" below ${dir}`,
    steps: [read('search', (m) => [['search_files', { path: m.dir, pattern: '**/*.md' }]], (m, told) => { m.result = told.at(-1); })],
    answer: (m) => `Found: ${m.result} [s1]`,
    verify: ({ answer }) => { assert.ok(answer.includes('report-1.md') && answer.includes('report-2.md')); assert.ok(!answer.includes('other.txt')); },
  },
  {
    id: 'file_size', tree: { 'data.bin': 'x'.repeat(12345) },
    prompt: (dir) => `How large is the file ${dir}/data.bin?`,
    steps: [read('ask for its info', (m) => [['get_file_info', { path: `${m.dir}/data.bin` }]], (m, told) => { m.result = /size: (\d+)/.exec(told.at(-1))[1]; })],
    answer: (m) => `It has ${m.result} bytes [s1].`,
    verify: ({ answer }) => assert.match(answer, /12,?345/),
  },
  {
    id: 'compare_two', tree: { 'old.txt': 'alpha\nbeta\ngamma\n', 'new.txt': 'alpha\ndelta\ngamma\n' },
    prompt: (dir) => `Which line differs between ${dir}/old.txt and ${dir}/new.txt?`,
    steps: [
      read('read the old one', (m) => [['read_text_file', { path: `${m.dir}/old.txt` }]], (m, told) => { m.old = lines(told.at(-1)); m.result = 'read'; }),
      read('read the new one', (m) => [['read_text_file', { path: `${m.dir}/new.txt` }]], (m, told) => { m.new = lines(told.at(-1)); m.result = 'read'; }),
    ],
    answer: (m) => m.old.map((line, i) => (line === m.new[i] ? '' : `Line ${i + 1}: ${line} became ${m.new[i]} [s1][s2].`)).join(''),
    verify: ({ answer }) => assert.ok(answer.includes('beta') && answer.includes('delta') && !answer.includes('gamma')),
  },
  {
    id: 'errors_in_log', tree: { 'night.log': log },
    prompt: (dir) => `Which lines of ${dir}/night.log contain "ERROR"?`,
    steps: [read('read the log', (m) => [['read_text_file', { path: `${m.dir}/night.log` }]], (m, told) => { m.result = lines(told.at(-1)).filter((line) => line.includes('ERROR')).join('\n'); })],
    answer: (m) => `${m.result} [s1]`,
    verify: ({ answer }) => { assert.equal(answer.match(/ERROR disk/g)?.length, 5); assert.ok(!answer.includes('all is well')); },
  },
  {
    id: 'average', tree: { 'grades.csv': csv },
    prompt: (dir) => `What is the average of the column grade in ${dir}/grades.csv?`,
    steps: [read('read the grades', (m) => [['read_text_file', { path: `${m.dir}/grades.csv` }]], (m, told) => {
      const grades = lines(told.at(-1)).slice(1).map((line) => Number(line.split(',')[1]));
      m.result = String(grades.reduce((sum, n) => sum + n, 0) / grades.length);
    })],
    answer: (m) => `The average is ${m.result} [s1].`,
    verify: ({ answer }) => assert.match(answer, /\b80\b/),
  },
  {
    id: 'tree_depth', tree: { 'a/b/c/d.txt': 'deep', 'a/e.txt': 'flat' },
    prompt: (dir) => `Show the directory tree of ${dir}`,
    // The first call is a mistake that the schema finds; the model puts it right.
    steps: [read('show the tree', (m) => [['directory_tree', { folder: m.dir }]], (m) => [['directory_tree', { path: m.dir }]], (m, told) => { m.result = told.at(-1); })],
    answer: (m) => `${JSON.parse(m.result)[0].name} holds b, which holds c with d.txt [s1].`,
    verify: ({ answer }) => assert.ok(answer.includes('d.txt')),
  },
  {
    id: 'newest_of_two', tree: { 'one/version.txt': '1.9', 'two/version.txt': '1.10' },
    prompt: (dir) => `Which of ${dir}/one/version.txt and ${dir}/two/version.txt has the newer version?`,
    // Both in one turn: they only read.
    steps: [read('read both', (m) => [['read_text_file', { path: `${m.dir}/one/version.txt` }], ['read_text_file', { path: `${m.dir}/two/version.txt` }]],
      (m, told) => { m.result = told.join(' and '); })],
    answer: (m) => `${m.result}: 1.10 is newer [s1].`,
    verify: ({ answer }) => assert.match(answer, /1\.10 is newer|newer.*1\.10/),
  },
  {
    id: 'follow_pointer', tree: { 'start.txt': 'next: middle.txt', 'middle.txt': 'next: end.txt', 'end.txt': 'the treasure is a lamp' },
    prompt: (dir) => `Start at ${dir}/start.txt and follow the pointers: what is the treasure?`,
    steps: [
      read('first file', (m) => [['read_text_file', { path: `${m.dir}/start.txt` }]], (m, told) => { m.result = told.at(-1).slice(6); }),
      after(['s1'], read('second file', (m) => [['read_text_file', { path: `${m.dir}/${m.result}` }]], (m, told) => { m.result = told.at(-1).slice(6); })),
      after(['s2'], read('third file', (m) => [['read_text_file', { path: `${m.dir}/${m.result}` }]], (m, told) => { m.result = told.at(-1); })),
    ],
    answer: (m) => `${m.result} [s3].`,
    verify: ({ answer }) => assert.ok(answer.includes('lamp')),
  },
];
