const forbidden = /[^/\p{L}\p{N}_.\- :]/gu;
// MLflow's limit is 250 characters
const longest = 240;

const shorten = (key: string): string => {
  const bytes = Buffer.from(key);
  // a character cut in the middle decodes to U+FFFD, which no allowed key holds
  return bytes.length <= longest ? key : bytes.toString('utf8', 0, longest).replace(/\ufffd+$/, '');
};

/** `key` with everything replaced that MLflow refuses in the name of a metric or parameter; most stay as they are. */
export const allowedKey = (key: string): string => {
  const parts = key
    .normalize('NFC')
    .replace(forbidden, '_')
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .map((part) => (part === '..' ? '__' : part));
  return shorten(parts.join('/')).replace(/\/+$/, '') || '_';
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
