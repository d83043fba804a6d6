const forbidden = /[^/\p{L}\p{N}_.\- :]/gu;
/** `key` with everything replaced that MLflow refuses in the name of a metric or parameter; most stay as they are. */
export const allowedKey = (key: string): string => {
  const parts = key
    .normalize('NFC')
    // MLflow's limit is 250 characters
    .slice(0, 240)
    .replace(forbidden, '_')
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .map((part) => (part === '..' ? '__' : part));
  return parts.join('/') || '_';
};

/**
 * Gives every key a name of its own that MLflow takes: `a(b)` becomes `a_b_`, and `a[b]` after it `a_b__`. The same keys
 * in the same order get the same names.
 */
export const uniqueKeys = (): ((key: string) => string) => {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  return (key) => {
    const known = names.get(key);
    if (known !== undefined) return known;
    let name = allowedKey(key);
    while (taken.has(name)) name += '_';
    taken.add(name);
    names.set(key, name);
    return name;
  };
};
