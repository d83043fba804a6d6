import type { Cell } from './document.js';
import type { Answer, KernelClient } from './kernel-client.js';

/** What can happen to a cell beside its own answer. */
export type Ending = Answer | { timeout: string } | { aborted: true };

const sleep = (milliseconds: number): { done: Promise<void>; clear: () => void } => {
  let timer: NodeJS.Timeout | undefined;
  const done = new Promise<void>((resolve) => {
    // setTimeout takes 32 bits; a limit beyond that is none
    if (milliseconds < 2 ** 31) timer = setTimeout(resolve, milliseconds);
  });
  return { done, clear: () => clearTimeout(timer) };
};

/** How long a kernel may take to end a cell that it was told to interrupt, milliseconds: longer than its own patience. */
const interruptPatience = 12_000;

/** How long a cell may take, seconds, and what to say when it took longer. */
export interface CellLimit {
  seconds: number;
  what: string;
}

/** Runs a cell to its end, its limit or the abort of `signal`; one that will not end is ended with its kernel. */
export const runCell = async (
  kernel: KernelClient,
  cell: Cell,
  receive: (outputs: NonNullable<Cell['outputs']>) => Parameters<KernelClient['request']>[2],
  limit: CellLimit,
  signal: AbortSignal | undefined,
): Promise<Ending> => {
  const answer = kernel.request(
    'execute_request',
    {
      code: cell.source,
      silent: false,
      store_history: true,
      user_expressions: {},
      allow_stdin: false,
      stop_on_error: false,
    },
    receive(cell.outputs ?? []),
  );
  const clock = sleep(limit.seconds * 1000);
  const listening = new AbortController();
  const aborted = new Promise<Ending>((resolve) => {
    if (signal?.aborted) resolve({ aborted: true });
    signal?.addEventListener('abort', () => resolve({ aborted: true }), { signal: listening.signal });
  });
  const ending = await Promise.race<Ending>([
    answer,
    clock.done.then(() => ({ timeout: limit.what })),
    aborted,
  ]);
  clock.clear();
  listening.abort(); // cells are many, and all listen to one signal
  if ('timeout' in ending || 'aborted' in ending) {
    await kernel.interrupt();
    const patience = sleep(interruptPatience);
    await Promise.race([answer, patience.done.then(kernel.kill)]);
    patience.clear();
  }
  return ending;
};
