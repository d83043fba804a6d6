/** How long text waits for more, milliseconds, and how much of it makes a message by itself. */
const patience = 30;
const enough = 65_536;

/** Joins printed text into few messages: a burst with one message a line overruns subscribers. */
export interface StreamJoiner {
  write: (name: 'stdout' | 'stderr', text: string) => void;
  /** To be called before anything else is published. */
  flush: () => void;
}

export const joinStreams = (publish: (name: 'stdout' | 'stderr', text: string) => void): StreamJoiner => {
  let parts: string[] = [];
  let size = 0;
  let current: 'stdout' | 'stderr' = 'stdout';
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (size === 0) return;
    const text = parts.join('');
    parts = [];
    size = 0;
    publish(current, text);
  };
  return {
    flush,
    write: (name, text) => {
      if (name !== current) flush();
      current = name;
      parts.push(text);
      size += text.length;
      if (size >= enough) flush();
      else timer ??= setTimeout(flush, patience);
    },
  };
};
