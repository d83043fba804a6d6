import type { MimeBundle } from '../kernel-output.js';
import type { Fields } from '../wire.js';
import type { EvaluatorEvent } from './evaluator-messages.js';

/** How much a cell may put into its notebook. */
export interface OutputLimits {
  /** Characters printed by one cell; what comes after is counted and left out. */
  printed: number;
  /** Bytes of one display. */
  display: number;
}

const mebibyte = 2 ** 20;
const setting = (name: string, fallback: number): number => {
  const value = Number(process.env[name]);
  return Number.isFinite(value) && value > 0 ? value * mebibyte : fallback * mebibyte;
};

/** Limits from BANDALIGN_PRINT_LIMIT and BANDALIGN_DISPLAY_LIMIT (MiB), 32 MiB each by default. */
export const outputLimits = (): OutputLimits => ({
  printed: setting('BANDALIGN_PRINT_LIMIT', 32),
  display: setting('BANDALIGN_DISPLAY_LIMIT', 32),
});

const inMiB = (size: number): string => `${(size / mebibyte).toFixed(1)} MiB`;

type Entry = { event?: EvaluatorEvent };

/** The outputs of cells in the order in which their code made them. */
export interface OrderedOutput {
  write: (name: 'stdout' | 'stderr', text: string) => void;
  show: (data: MimeBundle, options?: { metadata?: Fields; displayId?: string; update?: boolean }) => void;
  result: (data: MimeBundle) => void;
  later: (data: Promise<MimeBundle>) => Promise<void>;
  /** A cell begins: its share of output is whole again. */
  begin: () => void;
  /** Waits for outputs that were promised, then says what was left out. */
  finish: () => Promise<void>;
}

/**
 * Keeps the places of displays that are still being made, and cuts what no notebook should hold. Printed text is sent at
 * once, since code that computes leaves no moment for later; the kernel joins it into few messages.
 */
export const orderedOutput = (
  send: (event: EvaluatorEvent) => void,
  limits: OutputLimits = outputLimits(),
): OrderedOutput => {
  const waiting: Entry[] = [];
  const promised = new Set<Promise<void>>();
  let [printed, cut] = [0, 0];

  const pass = (event: EvaluatorEvent): void => {
    if (waiting.length === 0) send(event);
    else waiting.push({ event });
  };
  const drain = (): void => {
    while (waiting[0]?.event) send(waiting.shift()?.event as EvaluatorEvent);
  };
  const write: OrderedOutput['write'] = (stream, more) => {
    const room = Math.max(0, limits.printed - printed);
    printed += more.length;
    const text = more.length <= room ? more : more.slice(0, room);
    cut += more.length - text.length;
    if (text !== '') pass({ type: 'stream', name: stream, text });
  };
  /** The bundle, or a note in its place when a notebook should not hold it. */
  const bounded = (data: MimeBundle): MimeBundle => {
    const size = Object.values(data).reduce<number>(
      (sum, value) => sum + (typeof value === 'string' ? value.length : JSON.stringify(value ?? null).length),
      0,
    );
    return size <= limits.display
      ? data
      : {
          'text/plain': `[a display of ${inMiB(size)} was left out: a notebook takes up to ${inMiB(limits.display)}; write it to a file, thin it, or set BANDALIGN_DISPLAY_LIMIT (MiB)]`,
        };
  };
  const show: OrderedOutput['show'] = (data, { metadata = {}, displayId, update = false } = {}) => {
    pass({ type: 'display', data: bounded(data), metadata, displayId, update });
  };
  const later: OrderedOutput['later'] = (data) => {
    const entry: Entry = {};
    waiting.push(entry);
    const fill = (bundle: MimeBundle): void => {
      entry.event = { type: 'display', data: bounded(bundle), metadata: {}, update: false };
      drain();
    };
    const done = data.then(fill, (error: unknown) => {
      fill({ 'text/plain': `[this display failed: ${String(error)}]` });
      throw error;
    });
    const settled = done.catch(() => {}).finally(() => promised.delete(settled));
    promised.add(settled);
    return done.then(); // a fresh promise, so that a failure nobody awaits is still noticed
  };
  return {
    write,
    show,
    later,
    result: (data) => {
      pass({ type: 'result', data: bounded(data), metadata: {} });
    },
    begin: () => {
      [printed, cut] = [0, 0];
    },
    finish: async () => {
      while (promised.size > 0) await Promise.all(promised);
      if (cut === 0) return;
      const note = `\n[printed output cut: ${inMiB(cut)} left out after the first ${inMiB(limits.printed)}; print less, or set BANDALIGN_PRINT_LIMIT (MiB)]\n`;
      pass({ type: 'stream', name: 'stderr', text: note });
    },
  };
};
