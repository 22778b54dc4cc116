// SPDX-License-Identifier: Apache-2.0
// Tasks that move things around: the tree is what counts, and nothing may be lost.
import assert from 'node:assert/strict';
import { after, lines, listing, read, write } from './script.mjs';

const mkdir = (m, name) => ['create_directory', { path: `${m.dir}/${name}` }];
const move = (m, from, to) => ['move_file', { source: `${m.dir}/${from}`, destination: `${m.dir}/${to}` }];
const list = (m, name = '') => ['list_directory', { path: `${m.dir}/${name}` }];
const get = (m, name) => ['read_text_file', { path: `${m.dir}/${name}` }];
const done = (result) => (m) => { m.result = result; };
const look = read('look what is there', (m) => [list(m)], (m, told) => { m.files = listing(told.at(-1)).files; m.result = m.files.join(', '); });

export const sorting = [
  {
    id: 'by_extension', tree: { 'a.txt': '1', 'b.md': '2', 'c.txt': '3' },
    prompt: (dir) => `Move each file in ${dir} into a folder named after its extension`,
    steps: [look, after(['s1'], write('move them', (m) => [mkdir(m, 'txt'), mkdir(m, 'md')], (m) => m.files.map((name) => move(m, name, `${name.split('.')[1]}/${name}`)), done('moved')))],
    answer: () => 'They are sorted [s2].',
    verify: ({ files }) => assert.deepEqual(files, { 'txt/a.txt': '1', 'md/b.md': '2', 'txt/c.txt': '3' }),
  },
  {
    id: 'largest_rename', tree: { 'small.txt': 'x', 'large.txt': 'x'.repeat(500), 'mid.txt': 'x'.repeat(50) },
    prompt: (dir) => `Rename the largest file in ${dir} to ${dir}/largest_file.txt`,
    steps: [
      read('find it', (m) => [['list_directory_with_sizes', { path: m.dir, sortBy: 'size' }]], (m, told) => { m.result = /\[FILE\] (\S+)/.exec(told.at(-1))[1]; }),
      after(['s1'], write('rename it', (m) => [move(m, m.result, 'largest_file.txt')], done('renamed'))),
    ],
    answer: () => 'It is renamed [s2].',
    verify: ({ files }) => { assert.equal(files['largest_file.txt'].length, 500); assert.equal(Object.keys(files).length, 3); },
  },
  {
    id: 'structure', tree: { 'keep.txt': 'k' },
    prompt: (dir) => `Create the folders ${dir}/src/lib and ${dir}/docs with a file README.md that says "Documentation" in docs`,
    steps: [write('make them', (m) => [mkdir(m, 'src/lib'), mkdir(m, 'docs')], (m) => [['write_file', { path: `${m.dir}/docs/README.md`, content: 'Documentation' }]], (m) => [list(m), list(m, 'src')],
      (m, told) => { assert.ok(listing(told.at(-1)).dirs.includes('lib')); m.result = 'made'; })],
    answer: () => 'The structure is there [s1].',
    verify: ({ files }) => assert.deepEqual(files, { 'keep.txt': 'k', 'docs/README.md': 'Documentation' }),
  },
  {
    id: 'duplicates', tree: { 'a.txt': 'same', 'b.txt': 'other', 'c.txt': 'same' },
    prompt: (dir) => `Move files in ${dir} whose text another file has, too, into ${dir}/duplicates`,
    steps: [look,
      after(['s1'], read('compare them', (m) => m.files.map((name) => get(m, name)), (m, told) => { m.same = m.files.filter((_, i) => told.filter((text) => text === told[i]).length > 1); m.result = m.same.join(', '); })),
      after(['s2'], write('move them', (m) => [mkdir(m, 'duplicates')], (m) => m.same.map((name) => move(m, name, `duplicates/${name}`)), done('moved')))],
    answer: () => 'Two duplicates were moved [s3].',
    verify: ({ files }) => assert.deepEqual(files, { 'duplicates/a.txt': 'same', 'b.txt': 'other', 'duplicates/c.txt': 'same' }),
  },
  {
    id: 'by_month', tree: { 'photo-2024-03-01.txt': 'm', 'photo-2024-03-15.txt': 'n', 'photo-2024-07-02.txt': 'o' },
    prompt: (dir) => `Sort the photos in ${dir} into folders by month, like ${dir}/2024-03`,
    steps: [look, after(['s1'], write('move them', (m) => [...new Set(m.files.map((name) => name.slice(6, 13)))].map((month) => mkdir(m, month)), (m) => m.files.map((name) => move(m, name, `${name.slice(6, 13)}/${name}`)), done('moved')))],
    answer: () => 'They are sorted by month [s2].',
    verify: ({ files }) => assert.deepEqual(Object.keys(files).sort(), ['2024-03/photo-2024-03-01.txt', '2024-03/photo-2024-03-15.txt', '2024-07/photo-2024-07-02.txt']),
  },
  {
    id: 'by_size', tree: { 'tiny.txt': 'x', 'huge.txt': 'x'.repeat(2000), 'wee.txt': 'xy' },
    prompt: (dir) => `Move files in ${dir} under 1000 bytes to ${dir}/small and all others to ${dir}/large`,
    steps: [look,
      after(['s1'], read('ask for sizes', (m) => m.files.map((name) => ['get_file_info', { path: `${m.dir}/${name}` }]), (m, told) => { m.sizes = told.map((text) => Number(/size: (\d+)/.exec(text)[1])); m.result = m.sizes.join(', '); })),
      after(['s2'], write('move them', (m) => [mkdir(m, 'small'), mkdir(m, 'large')], (m) => m.files.map((name, i) => move(m, name, `${m.sizes[i] < 1000 ? 'small' : 'large'}/${name}`)), done('moved')))],
    answer: () => 'They are sorted by size [s3].',
    verify: ({ files }) => assert.deepEqual(Object.keys(files).sort(), ['large/huge.txt', 'small/tiny.txt', 'small/wee.txt']),
  },
  {
    id: 'by_author', tree: { 'p1.txt': 'Author: Noether\n...', 'p2.txt': 'Author: Hilbert\n...', 'p3.txt': 'Author: Noether\n...' },
    prompt: (dir) => `Sort the papers in ${dir} into folders named after their authors`,
    steps: [look,
      after(['s1'], read('read the authors', (m) => [['read_multiple_files', { paths: m.files.map((name) => `${m.dir}/${name}`) }]], (m, told) => { m.authors = [...told.at(-1).matchAll(/Author: (\w+)/g)].map((found) => found[1]); m.result = m.authors.join(', '); })),
      after(['s2'], write('move them', (m) => [...new Set(m.authors)].map((name) => mkdir(m, name)), (m) => m.files.map((name, i) => move(m, name, `${m.authors[i]}/${name}`)), done('moved')))],
    answer: () => 'They are sorted by author [s3].',
    verify: ({ files }) => assert.deepEqual(Object.keys(files).sort(), ['Hilbert/p2.txt', 'Noether/p1.txt', 'Noether/p3.txt']),
  },
  {
    id: 'flatten', tree: { 'a/one.txt': '1', 'a/b/two.txt': '2' },
    prompt: (dir) => `Move all text files below ${dir}/a directly into ${dir}`,
    steps: [
      read('find them', (m) => [['search_files', { path: m.dir, pattern: '**/*.txt' }]], (m, told) => { m.found = lines(told.at(-1)).map((name) => name.slice(m.dir.length + 1)); m.result = m.found.join(', '); }),
      after(['s1'], write('move them', (m) => m.found.map((name) => move(m, name, name.split('/').at(-1))), done('moved'))),
    ],
    answer: () => 'They are in one folder [s2].',
    verify: ({ files }) => assert.deepEqual(files, { 'one.txt': '1', 'two.txt': '2' }),
  },
];
