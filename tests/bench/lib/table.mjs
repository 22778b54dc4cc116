// SPDX-License-Identifier: Apache-2.0
// The table a bench prints: each figure of ours beside its anchor.
const rows = [];

/** One line of the table; met is undefined where no target was set. */
export function row(figure, ours, anchor, unit, { name, digits = 1, target = '', met } = {}) {
  const text = (v) => v === undefined ? '' : `${v.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits })} ${unit}`;
  rows.push([figure, text(ours), anchor === undefined ? '' : `${text(anchor)} ${name}`, anchor === undefined ? '' : (ours / anchor).toFixed(2),
    target, met === undefined ? '' : met ? 'met' : 'MISSED']);
}
export const quantile = (list, q) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * q))];
export const median = (list) => quantile(list, 0.5);

export function print() {
  const head = ['figure', 'ours', 'anchor', 'ratio', 'target', ''];
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i].length)));
  const line = (cells) => cells.map((c, i) => (i === 0 || i > 3 ? c.padEnd(widths[i]) : c.padStart(widths[i]))).join('  ').trimEnd();
  console.log([line(head), widths.map((w) => '-'.repeat(w)).join('  '), ...rows.map(line)].join('\n'));
}
