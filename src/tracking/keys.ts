/** Kinds of keyed values; each kind has its own names. */
export type KeyKind = 'metric' | 'param' | 'tag';

const forbidden = /[^/\p{L}\p{N}_.\- :]/gu;
// a component of a file name: 255 bytes on every common file system, and MLflow's limit is 250 characters
const longest = 240;

const shorten = (key: string): string => {
  const bytes = Buffer.from(key);
  // a character cut in the middle decodes to U+FFFD, which no allowed key holds
  return bytes.length <= longest ? key : bytes.toString('utf8', 0, longest).replace(/\ufffd+$/, '');
};

/** `key` with everything changed that MLflow (or a file name) refuses; the same string where it is fine. */
export const allowedKey = (key: string, windows = process.platform === 'win32'): string => {
  const plain = key.normalize('NFC').replace(forbidden, '_');
  const parts = (windows ? plain.replaceAll(':', '_') : plain)
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .map((part) => (part === '..' ? '__' : part));
  return shorten(parts.join('/')).replace(/\/+$/, '') || '_';
};

/** Names of one kind in one run, in which `a` and `a/b` cannot both be: a name is a file, its first part a folder. */
export interface KeySpace {
  /** The name that `key` is recorded under, decided at its first use and the same ever after. */
  claim: (key: string) => string;
}

/**
 * Names already `taken`, and those to come. A key that cannot be recorded as it is gets the nearest name that can and
 * one call of `onRenamed`: an odd band name must not stop hours of training.
 */
export const keySpace = (
  taken: Iterable<string>,
  onRenamed: (key: string, name: string) => void,
): KeySpace => {
  const files = new Set<string>();
  const folders = new Set<string>();
  const names = new Map<string, string>();
  const add = (name: string): void => {
    files.add(name);
    for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1)) folders.add(name.slice(0, at));
  };
  const clashes = (name: string): boolean => {
    if (folders.has(name)) return true;
    for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1))
      if (files.has(name.slice(0, at))) return true;
    return false;
  };
  for (const name of taken) {
    add(name);
    names.set(name, name);
  }
  return {
    claim: (key) => {
      const known = names.get(key);
      if (known !== undefined) return known;
      let name = allowedKey(key);
      if (clashes(name)) name = name.replaceAll('/', '_');
      while (clashes(name) || files.has(name)) name += '_';
      add(name);
      names.set(key, name);
      if (name !== key) onRenamed(key, name);
      return name;
    },
  };
};

const asText = (value: unknown): string => {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
};

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  [Object.prototype, null].includes(Object.getPrototypeOf(value) as null);

/** `{ model: { conv: true }, bands: ['red'] }` as `model.conv` → `true`, `bands` → `["red"]`; undefined is left out. */
export const flattenParams = (config: object, prefix = ''): [string, string][] =>
  Object.entries(config).flatMap(([key, value]: [string, unknown]): [string, string][] => {
    if (value === undefined) return [];
    const name = prefix + key;
    return isPlain(value) && Object.keys(value).length > 0
      ? flattenParams(value, `${name}.`)
      : [[name, asText(value)]];
  });
