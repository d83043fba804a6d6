import { refuse } from '../fault.js';

type Tree = { [key: string]: unknown };

const isTree = (value: unknown): value is Tree =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** A value as typed on the command line: JSON where it is JSON (`0.1`, `true`, `[1,2]`, `null`), else text. */
const parseValue = (text: string): unknown => {
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/** Sets the value at a dotted key in a copy of `tree`. */
const assign = (tree: Tree, [key, ...rest]: string[], value: unknown): Tree => ({
  ...tree,
  [key]: rest.length === 0 ? value : assign(isTree(tree[key]) ? (tree[key] as Tree) : {}, rest, value),
});

/**
 * Applies `--set a.b=c` words, left to right, to what an experiment file says.
 * @throws Fault for words without `=` or with an empty key.
 */
export const override = <T extends object>(input: T, words: readonly string[]): T => {
  refuse(
    words
      .filter((word) => !/^[^=.]+(\.[^=.]+)*=/s.test(word) || /(^|\.)__proto__(\.|=)/.test(word))
      .map((word) => `--set: ${word}; write it as key=value, such as train.epochs=5`),
  );
  return words.reduce<Tree>((tree, word) => {
    const cut = word.indexOf('=');
    return assign(tree, word.slice(0, cut).split('.'), parseValue(word.slice(cut + 1)));
  }, input as Tree) as T;
};

/** Flattens a resolved configuration to dotted keys, as trackers and tables show it. */
export const flatten = (value: unknown, prefix = ''): Record<string, string> => {
  if (!isTree(value)) return { [prefix]: typeof value === 'string' ? value : JSON.stringify(value) };
  return Object.assign(
    {},
    ...Object.entries(value).map(([key, child]) => flatten(child, prefix === '' ? key : `${prefix}.${key}`)),
  );
};
