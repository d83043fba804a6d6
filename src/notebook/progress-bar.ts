import { randomUUID } from 'node:crypto';
import type { OnProgress, Progress } from '../progress.js';
import { escapeHtml } from './data-table.js';
import { kernelOutput, type MimeBundle } from './kernel-output.js';

interface Line {
  progress: Progress;
  begun: number;
  from: number;
}

/** Milliseconds between two redraws in a notebook, and between two lines on a terminal. */
const redraw = 100;
const newLine = 10_000;

const left = ({ progress: { done, total }, begun, from }: Line, now: number): string | undefined => {
  const rate = (done - from) / ((now - begun) / 1000);
  if (done >= total || !(rate > 0)) return undefined;
  const seconds = Math.round((total - done) / rate);
  return seconds < 60 ? `${seconds} s left` : `${Math.floor(seconds / 60)} min ${seconds % 60} s left`;
};

/** A finished line tells no times: an executed notebook stays the same from run to run. */
const lineText = (line: Line, now: number): string => {
  const { stage, done, total, unit, note } = line.progress;
  return [`${stage}: ${done}/${total} ${unit}`, left(line, now), note].filter(Boolean).join(', ');
};

const bundleOfLines = (lines: readonly Line[], now: number): MimeBundle => ({
  'text/html': lines
    .map((line) => {
      const { stage, done, total } = line.progress;
      const text = escapeHtml(lineText(line, now));
      return `<div><progress value="${done}" max="${Math.max(1, total)}" aria-label="${escapeHtml(stage)}"></progress> ${text}</div>`;
    })
    .join('\n'),
  'text/plain': lines.map((line) => lineText(line, now)).join('\n'),
});

/**
 * A receiver of progress that draws one bar for each stage, all in one place of the notebook, redrawn at most ten
 * times a second; outside a kernel a line every ten seconds and at each end, on stderr.
 *
 * @example await runExperiment({ experiment, root, tag, onProgress: progressBar(), onNote: console.error, signal: cellSignal() })
 */
export const progressBar = (): OnProgress => {
  const kernel = kernelOutput();
  const displayId = randomUUID();
  const lines = new Map<string, Line>();
  let drawn = Number.NEGATIVE_INFINITY;
  let shown = false;
  return (progress) => {
    const now = performance.now();
    const line = lines.get(progress.stage) ?? { progress, begun: now, from: progress.done };
    line.progress = progress;
    lines.set(progress.stage, line);
    const finished = progress.done >= progress.total;
    if (!finished && now - drawn < (kernel ? redraw : newLine)) return;
    drawn = now;
    if (!kernel) {
      process.stderr.write(`${lineText(line, now)}\n`);
      return;
    }
    kernel.show(bundleOfLines([...lines.values()], now), { displayId, update: shown });
    shown = true;
  };
};
