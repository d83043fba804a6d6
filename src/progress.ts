/** One report of long work: `done` of `total` `unit`s of `stage`; `note` is a short live value such as a loss. */
export interface Progress {
  stage: string;
  done: number;
  total: number;
  unit: string;
  note?: string;
}

/** Receives progress; library code calls it often, the receiver decides how often to show it. */
export type OnProgress = (progress: Progress) => void;

/** Takes progress and shows nothing. */
export const ignoreProgress: OnProgress = () => {};
