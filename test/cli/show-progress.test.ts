import { describe, expect, test } from 'vitest';
import { showProgress } from '../../src/cli/show-progress.js';
import type { Progress } from '../../src/progress.js';

/** A terminal of `columns`, or a pipe, and what it has been sent. */
const stream = (isTTY: boolean, columns = 80) => {
  const sent: string[] = [];
  return { sent, isTTY, columns, rows: 10, write: (text: string) => sent.push(text) > 0 };
};

/** What stands on a terminal after all that was sent: the codes that the program uses are obeyed. */
const screen = (sent: readonly string[]): string[] => {
  const rows = [''];
  let row = 0;
  for (const [, code, char] of sent
    .join('')
    .replaceAll('\x1b', '␛')
    .matchAll(/␛\[([0-9]*[A-Za-z])|([\s\S])/g)) {
    if (code?.endsWith('A')) row -= Number(code.slice(0, -1));
    else if (code === 'J') {
      rows.length = row + 1;
      rows[row] = '';
    } else if (char === '\n') rows[++row] ??= '';
    else if (char !== undefined && char !== '\r') rows[row] += char;
  }
  return rows;
};

const sweep = (done: number, running: number, failed = 0): Progress => ({
  stage: 'ablation',
  done,
  total: 8,
  unit: 'runs',
  note: 'the gist',
  failed,
  tasks: Array.from({ length: running }, (_, i) => ({
    tag: `run-${i}`,
    progress:
      i === 0 ? { stage: 'training', done: 3, total: 24, unit: 'epochs', note: 'loss 1.5' } : undefined,
  })),
});

describe('the progress of a sweep', () => {
  test('is one table over one bar on a terminal, drawn in place', async () => {
    const tty = stream(true);
    const { show } = showProgress(tty as never);
    show(sweep(1, 3));
    await new Promise((resolve) => setTimeout(resolve, 120));
    show(sweep(2, 2, 1));
    const rows = screen(tty.sent);
    expect(rows).toHaveLength(4);
    expect(rows[0]).toMatch(/^run +doing +done +left/);
    expect(rows[1]).toMatch(/^run-0 +training +3\/24 epochs +loss 1\.5$/);
    expect(rows[2]).toMatch(/^run-1 +starting$/);
    expect(rows[3]).toMatch(/^█+░+ ablation {2}2\/8 runs .*1 failed$/);
  });

  test('leaves the terminal to other lines, and its end behind', () => {
    const tty = stream(true);
    const { show, clear } = showProgress(tty as never);
    show(sweep(1, 3));
    clear();
    tty.write('a note\n');
    show(sweep(8, 0));
    expect(screen(tty.sent)).toEqual(['a note', expect.stringMatching(/^█+ ablation {2}8\/8 runs/), '']);
  });

  test('keeps to the size of the terminal', () => {
    const tty = stream(true, 30);
    showProgress(tty as never).show(sweep(1, 20));
    const rows = screen(tty.sent);
    expect(rows.length).toBeLessThan(10);
    expect(Math.max(...rows.map((row) => row.length))).toBeLessThan(30);
    expect(rows.at(-2)).toBe('and 15 more');
  });

  test('is a plain line elsewhere', () => {
    const pipe = stream(false);
    showProgress(pipe as never).show(sweep(8, 0));
    expect(pipe.sent).toEqual([expect.stringMatching(/^ablation {2}8\/8 runs.*the gist\n$/)]);
  });
});
