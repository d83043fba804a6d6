/** How far one of several pieces of work has got that go on at the same time. */
export interface TaskProgress {
  /** Names it: a run's tag, a scene. */
  tag: string;
  /** Absent until it has told of any. */
  progress?: Omit<Progress, 'tasks' | 'failed'>;
}

/** One report of long work: `done` of `total` `unit`s of `stage`; `note` is a short live value such as a loss. */
export interface Progress {
  stage: string;
  done: number;
  total: number;
  unit: string;
  note?: string;
  /** What is worked on now, where that is several things at a time: `note` has the gist of it. */
  tasks?: readonly TaskProgress[];
  /** How many have failed, beside `tasks`. */
  failed?: number;
}

/** Receives progress; library code calls it often, the receiver decides how often to show it. */
export type OnProgress = (progress: Progress) => void;

/** Takes progress and shows nothing. */
export const ignoreProgress: OnProgress = () => {};
