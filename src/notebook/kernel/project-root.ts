import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The folder from which a notebook's cells run: the nearest ancestor of `start` with a package.json, so that
 * `dataset/demo` and `./src/x.js` mean the same in every notebook of a project; `start` itself where there is none.
 */
export const projectRoot = (start: string): string => {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (dirname(folder) === folder) return start;
  }
};
