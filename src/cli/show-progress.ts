import type { WriteStream } from 'node:tty';
import { printable } from '../fault.js';
import type { OnProgress, Progress } from '../progress.js';

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

/** `training  45/200 epochs  3.2 epochs/s  0:48 left  loss 1.2`. */
export const progressLine = (
  { stage, done, total, unit, note }: Progress,
  seconds: number,
  from = 0,
): string => {
  const rate = seconds > 0 ? (done - from) / seconds : 0;
  const left = rate > 0 ? `${rateText(rate, unit)}  ${clock((total - done) / rate)} left` : '';
  return printable([stage, `${done}/${total} ${unit}`, left, note].filter(Boolean).join('  '));
};

/**
 * Shows progress on `stream`: one bar that is redrawn on a terminal, else a plain line every ten seconds and at
 * the end of each stage. Own code: the npm bars print no plain lines with rate and time left.
 */
export const showProgress = (stream: WriteStream | NodeJS.WriteStream): OnProgress => {
  const tty = stream.isTTY === true;
  const started = new Map<string, { at: number; from: number }>();
  let shown = 0;
  return (progress) => {
    const now = performance.now();
    const start = started.get(progress.stage) ?? { at: now, from: progress.done };
    started.set(progress.stage, start);
    const finished = progress.done >= progress.total;
    if (!finished && now - shown < (tty ? 100 : 10_000)) return;
    shown = now;
    const line = progressLine(progress, (now - start.at) / 1000, start.from);
    if (finished) started.delete(progress.stage);
    if (!tty) {
      stream.write(`${line}\n`);
      return;
    }
    const width = 24;
    const filled = Math.round(
      (width * Math.min(progress.done, progress.total)) / Math.max(1, progress.total),
    );
    stream.write(
      `\r\x1b[2K${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${line}${finished ? '\n' : ''}`,
    );
  };
};
