/** Does `work` under BANDALIGN_THREADS. */
export const withThreads = async <T>(threads: number | string, work: () => T | Promise<T>): Promise<T> => {
  const before = process.env['BANDALIGN_THREADS'];
  process.env['BANDALIGN_THREADS'] = String(threads);
  try {
    return await work();
  } finally {
    if (before === undefined) delete process.env['BANDALIGN_THREADS'];
    else process.env['BANDALIGN_THREADS'] = before;
  }
};
