import type { MimeBundle } from '../kernel-output.js';
import type { Fields } from '../wire.js';

/** A question about code that is being written. Positions are in UTF-16 units. */
export type EvaluatorQuestion =
  | { type: 'complete' | 'inspect'; code: string; position: number }
  | { type: 'is-complete'; code: string };

/** What the kernel asks its evaluator process. */
export type EvaluatorRequest = { id: number } & (
  | { type: 'execute'; code: string; count: number; allowInput: boolean; expressions: Record<string, string> }
  | { type: 'input'; line: string }
  | EvaluatorQuestion
);

/** A failure of a cell as Jupyter shows it, and where in the cell it was. */
export interface CellError {
  ename: string;
  evalue: string;
  traceback: string[];
  /** One-based line of the cell, where known. */
  line?: number;
}

/** What an evaluator process says, in the order in which it happened. */
export type EvaluatorEvent =
  | { type: 'ready' }
  | { type: 'stream'; name: 'stdout' | 'stderr'; text: string }
  | { type: 'display'; data: MimeBundle; metadata: Fields; displayId?: string; update: boolean }
  | { type: 'result'; data: MimeBundle; metadata: Fields }
  /** An error that no running cell can be blamed for: it came after its cell had ended. */
  | { type: 'stray-error'; error: CellError }
  /** The cell wants a line; a blocking one is answered on its own channel, as the thread reads nothing else meanwhile. */
  | { type: 'input'; prompt: string; blocking: boolean }
  | { type: 'reply'; id: number; content: Fields }
  /** `expressions`: a bundle or an error for each that the front end wanted of a cell that ran. */
  | { type: 'executed'; id: number; error?: CellError; expressions?: Fields }
  | { type: 'exit'; code: number };

/** File descriptors of the evaluator beyond the standard three. */
export const channels = { events: 3, requests: 4, interrupts: 5, input: 6 } as const;

/** Splits what arrives into lines and hands each parsed line on. */
export const lineReader = <T>(receive: (message: T) => void): ((chunk: Buffer) => void) => {
  let pending: Buffer[] = [];
  return (chunk) => {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([...pending, rest.subarray(0, end)]).toString('utf8');
      pending = [];
      rest = rest.subarray(end + 1);
      receive(JSON.parse(line) as T);
    }
    if (rest.length > 0) pending.push(rest);
  };
};
