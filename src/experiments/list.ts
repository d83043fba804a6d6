import { readdir, readFile } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { loadTyped, packagedExperiments } from './load.js';

/** An experiment or sweep that there is. */
export interface ListedExperiment {
  /** What `train` or `sweep` takes: a packaged one's name, or a path. */
  name: string;
  kind: 'experiment' | 'sweep';
  isPackaged: boolean;
  /** The first sentence of the comment that the file begins with. */
  about: string;
}

/** Folders that hold no experiments of anybody's. */
const skipped = /^(?:\.|node_modules$|dist$|outputs$|results$|dataset$)/;

const typedFiles = async (folder: string, deep: number): Promise<string[]> => {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    entries
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(async (entry) => {
        const path = join(folder, entry.name);
        if (entry.isDirectory())
          return deep > 0 && !skipped.test(entry.name) ? typedFiles(path, deep - 1) : [];
        return /\.[mc]?ts$/.test(entry.name) && !/\.(?:d|test)\.[mc]?ts$/.test(entry.name) ? [path] : [];
      }),
  );
  return found.flat();
};

/** The first sentence of a file's first comment. */
const aboutOf = (source: string): string => {
  const [, block, line] = /^\s*(?:\/\*\*([\s\S]*?)\*\/|((?:\/\/[^\n]*\n)+))/.exec(source) ?? [];
  const text = (block ?? line ?? '')
    .replace(/^\s*(?:\*|\/\/) ?/gm, '')
    .replace(/\s+/g, ' ')
    .trim();
  return /^(.*?)\.(?:\s|$)/.exec(text)?.[1] ?? text;
};

/** What a file defines, from its text. */
const kindIn = (source: string): ListedExperiment['kind'] | undefined => {
  const [, kind] = /\bexport default define(Sweep|Experiment)\b/.exec(source) ?? [];
  return kind === undefined ? undefined : kind === 'Sweep' ? 'sweep' : 'experiment';
};

/** What a packaged file exports: it is run. */
const kindOf = async (name: string): Promise<ListedExperiment['kind'] | undefined> => {
  const { value } = await loadTyped(name);
  if (typeof value !== 'object' || value === null) return undefined;
  return 'base' in value ? 'sweep' : 'experiment';
};

/**
 * The package's experiments by name, then those in `folder` and three levels beneath by path. Files that are not the
 * package's are read as text and nothing in them is run; what a file is for, its first comment says.
 */
export const listExperiments = async (folder = '.'): Promise<ListedExperiment[]> => {
  const listed: ListedExperiment[] = [];
  for (const path of await typedFiles(packagedExperiments, 1)) {
    const name = relative(packagedExperiments, path).slice(0, -'.ts'.length).split(sep).join('/');
    const source = await readFile(path, 'utf8');
    const kind = /\bexport default\b/.test(source) ? await kindOf(name) : undefined;
    if (kind) listed.push({ name, kind, isPackaged: true, about: aboutOf(source) });
  }
  for (const path of await typedFiles(folder, 3)) {
    if (resolve(path).startsWith(packagedExperiments + sep)) continue;
    const source = await readFile(path, 'utf8').catch(() => '');
    const kind = kindIn(source);
    const typed = path.split(sep).join('/');
    const name = /^(?:\/|\.{1,2}\/)/.test(typed) ? typed : `./${typed}`;
    if (kind) listed.push({ name, kind, isPackaged: false, about: aboutOf(source) });
  }
  return listed;
};
