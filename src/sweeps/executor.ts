import type { OnProgress, Progress } from '../progress.js';

/** One piece of work of many: a trial of a sweep, a scene of a list. */
export interface Task {
  /** Position among all of them, from 0: its process is called with it. */
  index: number;
  /** Names its folder under the job's, and its log. */
  tag: string;
}

/** What becomes of a task, as it happens. */
export type TaskEvent<T extends Task = Task> =
  | { kind: 'started'; task: T; attempt: number }
  | { kind: 'progress'; task: T; progress: Progress }
  | { kind: 'note'; task: T; text: string }
  | { kind: 'finished'; task: T }
  /** It was killed and is put back. */
  | { kind: 'retried'; task: T; why: string; attempt: number }
  | { kind: 'failed'; task: T; reasons: readonly string[] }
  /** It was stopped with all others. */
  | { kind: 'interrupted'; task: T };

/** What a task's own files say of it; a scheduler is asked only where they say nothing. */
export type Outcome = { kind: 'finished' } | { kind: 'failed'; reasons: readonly string[] };

/** How far a task that is stopped has got, in the words and files of its kind. */
export interface Milestone {
  /** Name of a file that appears in the task's folder as it gets further. */
  files: string;
  /** What is whole then: `epoch`. */
  what: string;
  /** Where it resumes when it is started again: `from the last checkpoint`. */
  resumesFrom: string;
}

/** What an executor is to run, and how. */
export interface Job<T extends Task = Task> {
  /** Names it in a queue. */
  name: string;
  /** Tells it from another of the same folder: tasks with other work have another. */
  fingerprint: string;
  /** Holds `logs/`, the tasks' folders by tag, and what the executor keeps. */
  folder: string;
  /** Those that are not finished. */
  tasks: readonly T[];
  /** Processes at the same time. */
  jobs: number;
  milestone: Milestone;
  /** Words after the program's name that run the tasks of some positions in a process of its own. */
  words: readonly string[];
  /** What a task printed. */
  log: (task: T) => string;
  /** The outcome in the task's files, or null if it has none yet. */
  outcome: (task: T) => Promise<Outcome | null>;
  /** Deletes a recorded failure before a retry. */
  clearFailure: (task: T) => Promise<void>;
  /** Runs a task in this process. */
  run: (
    task: T,
    context: { onProgress: OnProgress; onNote: (text: string) => void; signal: AbortSignal },
  ) => Promise<void>;
  /** Seconds that a task takes, as far as it is known: short ones share a job of a cluster. */
  seconds: () => Promise<(task: T) => number | null>;
  onEvent: (event: TaskEvent<T>) => void;
  /** Lines about the executor itself. */
  onNote: (text: string) => void;
  signal: AbortSignal;
}

/**
 * Runs tasks somewhere. It resolves when each has had its last event; a task's failure is an event, not an error. On an
 * aborted signal it stops what runs, in order, and resolves too.
 */
export type Executor = <T extends Task>(job: Job<T>) => Promise<void>;

export const executors = ['local', 'slurm', 'debug'] as const;
export type ExecutorName = (typeof executors)[number];

/** Times that a task is started again after it was killed. */
export const mostRetries = 3;
