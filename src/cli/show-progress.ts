import { printable } from '../fault.js';
import type { OnProgress, Progress } from '../progress.js';
import { canRedraw, painter } from './terminal.js';
import { textTable } from './text-table.js';

/** `75 s` as `1:15`. */
export const clock = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
};

const rateText = (rate: number, unit: string): string =>
  rate >= 1
    ? `${rate.toPrecision(3)} ${unit}/s`
    : `${(1 / rate).toPrecision(3)} s/${unit.replace(/e?s$/, '')}`;

/** Rate in units a second; 0 while it is not known. */
const rateOf = (done: number, from: number, seconds: number): number =>
  seconds > 0 ? (done - from) / seconds : 0;

/** `training  45/200 epochs  3.2 epochs/s  0:48 left  loss 1.2`. */
export const progressLine = (
  { stage, done, total, unit, note }: Progress,
  seconds: number,
  from = 0,
): string => {
  const rate = rateOf(done, from, seconds);
  const left = rate > 0 ? `${rateText(rate, unit)}  ${clock((total - done) / rate)} left` : '';
  return printable([stage, `${done}/${total} ${unit}`, left, note].filter(Boolean).join('  '));
};

/** Where some work stood when it was first heard of. */
interface Start {
  at: number;
  from: number;
}

const bar = (done: number, total: number, width = 24): string => {
  const filled = Math.round((width * Math.min(done, total)) / Math.max(1, total));
  return `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`;
};

/** Cuts a line to the terminal's width: one that wraps could not be taken back. */
const cut = (line: string, width: number): string =>
  [...line].length < width ? line : `${[...line].slice(0, width - 2).join('')}…`;

/** Shows progress, and lets other lines pass. */
export interface ProgressDisplay {
  show: OnProgress;
  /** Takes back what is drawn, so that a line can be written; it is drawn again with the next report. */
  clear: () => void;
}

/**
 * Shows progress on `stream`: on a terminal one bar that is redrawn, and over it a table of what is worked on at the same
 * time, a row each; else a plain line every ten seconds and at the end of each stage. Own code: the npm bars print no plain
 * lines with rate and time left.
 */
export const showProgress = (
  stream: Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'> & { rows?: number },
): ProgressDisplay => {
  const drawn = canRedraw(stream);
  const paint = painter(stream);
  const started = new Map<string, Start>();
  let shown = 0;
  /** Lines drawn and not yet left behind. */
  let height = 0;
  const startOf = (key: string, done: number): Start => {
    const start = started.get(key) ?? { at: performance.now(), from: done };
    started.set(key, start);
    return start;
  };
  const clear = (): void => {
    if (height > 0) stream.write(`\r${height > 1 ? `\x1b[${height - 1}A` : ''}\x1b[J`);
    height = 0;
  };
  const tableOf = ({ tasks = [], stage }: Progress): string[] => {
    if (tasks.length === 0) return [];
    const most = Math.max(1, (stream.rows ?? 24) - 5);
    const rows = tasks.slice(0, most).map(({ tag, progress }) => {
      if (!progress) return { cells: [tag, 'starting', '', '', ''] };
      const { done, total, unit, note = '' } = progress;
      const { at, from } = startOf(`${stage} ${tag} ${progress.stage}`, done);
      const rate = rateOf(done, from, (performance.now() - at) / 1000);
      const left = rate > 0 ? clock((total - done) / rate) : '';
      return { cells: [tag, progress.stage, `${done}/${total} ${unit}`, left, note] };
    });
    const columns = ['run', 'doing', 'done', 'left', ''].map((label) => ({ label }));
    const more = tasks.length > most ? [`and ${tasks.length - most} more`] : [];
    return [...textTable({ caption: '', columns, rows }).split('\n'), ...more];
  };
  const show = (progress: Progress): void => {
    const now = performance.now();
    const { at, from } = startOf(progress.stage, progress.done);
    const finished = progress.done >= progress.total;
    if (!finished && now - shown < (drawn ? 100 : 10_000)) return;
    shown = now;
    const seconds = (now - at) / 1000;
    if (finished) started.delete(progress.stage);
    if (!drawn) {
      stream.write(`${progressLine(progress, seconds, from)}\n`);
      return;
    }
    const { tasks, failed = 0 } = progress;
    const note = tasks ? (failed > 0 ? `${failed} failed` : '') : progress.note;
    const table = finished ? [] : tableOf(progress);
    const width = stream.columns ?? 80;
    const last = `${bar(progress.done, progress.total)} ${progressLine({ ...progress, note }, seconds, from)}`;
    const [head, ...rest] = [...table, last].map((line) => cut(line, width));
    const lines = [rest.length > 0 ? paint('bold', head) : head, ...rest];
    clear();
    stream.write(lines.join('\n') + (finished ? '\n' : ''));
    height = finished ? 0 : lines.length;
  };
  return { show, clear };
};
