// SPDX-License-Identifier: Apache-2.0
// The form of a file task, after MCPMark's: a tree of files that is built, a prompt, and a verifier that looks at what became of
// the tree and at the answer. Beside them a trajectory: what a model that solves the task says, turn by turn.
//
// task: {id, tree: {path: text}, prompt(dir), steps: [step ...], answer(m), verify({files, answer, dir})}
//   files: {path: text} after the run; verify throws where something is wrong
//   m: what the trajectory remembers, from step to step; m.dir is the task's folder
// step: {objective, effect, after, turns: [turn ...]}; a turn is a list of calls [tool, arguments], or a function of (m, told)
//   that returns one; told: the answers of tools in this step so far. After the last turn the step is finished with m.result.

export const read = (objective, ...turns) => ({ objective, effect: 'read', turns });
export const write = (objective, ...turns) => ({ objective, effect: 'write', turns });
export const after = (ids, step) => ({ ...step, after: ids });

/** The entries of a listing of the filesystem server: {dirs: [], files: []}. */
export function listing(text) {
  const of = (mark) => [...text.matchAll(new RegExp(`^\\[${mark}\\] (.+)$`, 'gm'))].map((found) => found[1]);
  return { dirs: of('DIR'), files: of('FILE') };
}
/** What stands between blocks of read_multiple_files: [[path, text] ...]. */
export const blocks = (text) => text.split('\n---\n').map((one) => [one.slice(0, one.indexOf(':\n')), one.slice(one.indexOf(':\n') + 2).replace(/\n$/, '')]);

export const lines = (text) => text.split('\n').filter((line) => line !== '');
