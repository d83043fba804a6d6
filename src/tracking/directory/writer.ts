import { diskReason } from './rescue.js';

/** A change to a run's files, done in the run's folder. */
export interface Change {
  /** Bytes that it holds in memory while it waits. */
  bytes: number;
  apply: (folder: string) => Promise<void>;
}

/** Applies changes to one run's files in order, somewhere, whatever happens to the disk. */
export interface Writer {
  /** Where the run is now: its folder in the store, or in the rescue store. */
  readonly folder: () => string;
  /** Resolves when the change is on the file system or is kept for later; never rejects. */
  apply: (change: Change) => Promise<void>;
  /** Tries again what is kept; resolves to the number of changes that no disk has taken. */
  settle: () => Promise<number>;
}

/** Changes that no disk takes are kept up to this many bytes. */
const patience = 64 * 2 ** 20;

/**
 * Changes go to `folder`. When the disk there refuses one, the run moves to the folder that `rescue` makes, and says so;
 * when that fails too, changes are kept in memory and tried again with the next ones.
 */
export const createWriter = (
  folder: string,
  rescue: () => Promise<string>,
  onWarning: (text: string) => void,
): Writer => {
  let current = folder;
  let rescued = false;
  let warned = false;
  let kept: Change[] = [];
  let keptBytes = 0;
  let dropped = 0;
  let queue: Promise<unknown> = Promise.resolve();

  const attempt = async (change: Change): Promise<boolean> => {
    try {
      await change.apply(current);
      return true;
    } catch (error) {
      if (rescued) return false;
      try {
        const next = await rescue();
        await change.apply(next);
        current = next;
        rescued = true;
        onWarning(
          `tracking: ${folder} cannot be written (${diskReason(error)}); the run goes on in ${next} and is brought back when the store can be written`,
        );
        return true;
      } catch {
        if (!warned)
          onWarning(
            `tracking: ${folder} cannot be written (${diskReason(error)}), nor can the temporary folder; the record is kept in memory and tried again`,
          );
        warned = true;
        return false;
      }
    }
  };

  const settleNow = async (): Promise<number> => {
    while (kept.length > 0) {
      if (!(await attempt(kept[0]))) break;
      keptBytes -= kept[0].bytes;
      kept = kept.slice(1);
    }
    return kept.length + dropped;
  };

  const applyNow = async (change: Change): Promise<void> => {
    if ((await settleNow()) - dropped === 0 && (await attempt(change))) return;
    if (keptBytes + change.bytes > patience) {
      if (dropped++ === 0)
        onWarning(
          'tracking: no disk has room for the record and memory is short; from here on it is incomplete',
        );
      return;
    }
    kept.push(change);
    keptBytes += change.bytes;
  };

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = queue.then(work);
    queue = done;
    return done;
  };

  return {
    folder: () => current,
    apply: (change) => inTurn(() => applyNow(change)),
    settle: () => inTurn(settleNow),
  };
};
