/** Milliseconds that writing may take to be done each time. */
const shortWrite = 500;

/** What keeps a document that grows. */
export interface Keeper {
  /** Writes it, now or soon. Rejects where an earlier writing failed. */
  keep: () => Promise<void>;
  /** Writes it now. */
  save: () => Promise<void>;
  /** Writes what is not written yet. */
  end: () => Promise<void>;
}

/**
 * Writes a document that grows each time it is told to. Where that takes longer than half a second, as with 100 MB of outputs
 * of a notebook, it is done when ten times as long has passed: a notebook of a hundred cells took five minutes of writing.
 */
export const keeperOf = (write: () => Promise<void>): Keeper => {
  let [took, written] = [0, 0];
  let writing = Promise.resolve();
  let waiting: NodeJS.Timeout | undefined;
  const save = (): Promise<void> => {
    clearTimeout(waiting);
    waiting = undefined;
    writing = writing.then(async () => {
      const begun = performance.now();
      await write();
      written = performance.now();
      took = written - begun;
    });
    return writing;
  };
  return {
    save,
    keep: async () => {
      const rest = took <= shortWrite ? 0 : written + 10 * took - performance.now();
      if (rest <= 0) await save();
      // whoever calls next is told what went wrong
      else waiting ??= setTimeout(() => void save().catch(() => {}), rest);
    },
    end: () => (waiting === undefined ? writing : save()),
  };
};
