import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type EvaluatorEvent, type EvaluatorRequest, lineReader } from './evaluator-messages.js';

/** The kernel's side of the process that runs cells. */
export interface EvaluatorProcess {
  send: (request: EvaluatorRequest) => void;
  /** Answers a blocking request for input; undefined ends it with an error. */
  answerInput: (value: string | undefined) => void;
  /** Interrupts the cell that was sent under this id, if it has not ended. */
  interrupt: (id: number) => void;
  kill: () => void;
}

export interface EvaluatorListener {
  onEvent: (event: EvaluatorEvent) => void;
  /** What reached the process's own stdout or stderr: native code, child processes. */
  onRaw: (name: 'stdout' | 'stderr', text: string) => void;
  /** The process has ended and everything it said has been heard; `why` is for the reader of the notebook. */
  onEnd: (why: string) => void;
}

const flags = [
  '--disable-warning=ExperimentalWarning',
  // code cut by an interrupt leaves async_hooks' stack unbalanced, which Node would otherwise take for corruption
  '--no-force-async-hooks-checks',
];

const whyEnded = (
  code: number | null,
  signal: NodeJS.Signals | null,
  exited: number | undefined,
  said: string,
): string => {
  if (exited !== undefined) return `process.exit(${exited}) was called`;
  if (/heap out of memory|Allocation failed/i.test(said)) return 'it ran out of memory';
  const last = said.trim().split('\n').at(-1) ?? '';
  if (signal === 'SIGKILL') return 'it was killed (SIGKILL), perhaps for want of memory';
  if (signal !== null) return `it was ended by ${signal}${last ? `: ${last}` : ''}`;
  return `it ended with status ${code}${last ? `: ${last}` : ''}`;
};

/** Starts a process that runs cells, in the working directory of the kernel. */
export const startEvaluator = ({ onEvent, onRaw, onEnd }: EvaluatorListener): EvaluatorProcess => {
  const child: ChildProcess = spawn(
    process.execPath,
    [...flags, fileURLToPath(new URL('./evaluator.js', import.meta.url))],
    {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
      env: { FORCE_COLOR: '0', ...process.env },
      // its own group: Jupyter signals the kernel's whole group, and an interrupt must come once
      detached: true,
    },
  );
  /** Ends the process, if it is there, and whatever its cells have started. */
  const kill = (): void => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      child.kill('SIGKILL'); // no groups, or nothing left
    }
  };
  let exited: number | undefined;
  let said = '';
  const [, stdout, stderr, events, requests, interrupts, input] = child.stdio as unknown as [
    null,
    Readable,
    Readable,
    Readable,
    Writable,
    Writable,
    Writable,
  ];
  events.on(
    'data',
    lineReader<EvaluatorEvent>((event) => {
      if (event.type === 'exit') exited = event.code;
      else onEvent(event);
    }),
  );
  for (const [name, stream] of [
    ['stdout', stdout],
    ['stderr', stderr],
  ] as const)
    stream.on('data', (chunk: Buffer) => {
      const text = chunk.toString('utf8');
      if (name === 'stderr') said = (said + text).slice(-4000);
      onRaw(name, text);
    });
  for (const stream of [requests, interrupts, input]) stream.on('error', () => {}); // 'close' tells of the end
  let ended = false;
  const end = (why: () => string): void => {
    if (!ended) onEnd(why());
    ended = true;
  };
  child.on('error', (error) => end(() => error.message));
  child.on('exit', (code, signal) => {
    kill();
    const why = (): string => whyEnded(code, signal, exited, said);
    child.on('close', () => end(why));
    setTimeout(() => end(why), 500); // a process that a cell started may hold the streams open
  });
  return {
    send: (request) => void requests.write(`${JSON.stringify(request)}\n`),
    answerInput: (value) => void input.write(`${JSON.stringify({ value })}\n`),
    interrupt: (id) => void interrupts.write(`${id}\n`),
    kill,
  };
};
