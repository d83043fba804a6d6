import { Fault } from '../fault.js';

/** Insertions, deletions, replacements and swaps of neighbours that make one word of another (optimal string alignment). */
export const editDistance = (a: string, b: string): number => {
  let [before, last]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        last[j] + 1,
        row[j - 1] + 1,
        replaced,
        isSwap ? before[j - 2] + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [before, last] = [last, row];
  }
  return last[b.length];
};

/** What a name is known by: as it stands, and by its last part (`runs list`, `demo/unet-lut`). */
const partsOf = (name: string): string[] => [...new Set([name, name.split(/[ /]/).at(-1) ?? name])];

/**
 * `did you mean epochs? ` for a misspelt word; nothing where no word is near (a third of its letters). The last part of a
 * longer name does: `list` is `runs list`, `unet-lut` the run `demo/unet-lut`.
 */
export const didYouMean = (word: string, words: readonly string[]): string => {
  const typed = word.toLowerCase();
  const ranked = words
    .map((name) => ({
      name,
      distance: Math.min(...partsOf(name.toLowerCase()).map((part) => editDistance(typed, part))),
    }))
    .sort((a, b) => a.distance - b.distance);
  const [nearest] = ranked;
  return nearest && nearest.distance <= Math.max(1, Math.floor(word.length / 3))
    ? `did you mean ${nearest.name}? `
    : '';
};

/** The fault of a word that is none of `words`: `--split: tset; did you mean test? one of test, val`. */
export const notOneOf = (what: string, word: string, words: readonly string[], between = ', '): string =>
  `${what}: ${word}; ${didYouMean(word, words)}one of ${words.join(between)}`;

/** `word` as one of `words`. @throws Fault where it is none */
export const chosen = <T extends string>(what: string, word: string, words: readonly T[]): T => {
  const found = words.find((one) => one === word);
  if (found === undefined) throw new Fault(notOneOf(what, word, words));
  return found;
};
