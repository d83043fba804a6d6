import { dirname, extname, join } from 'node:path';
import { Fault } from '../../fault.js';
import { writeAtomic } from '../../files.js';
import type { Notebook } from '../document.js';
import { readNotebook } from '../read-notebook.js';
import { htmlPage, type PageOptions } from './html-page.js';
import { markdownPage } from './markdown-page.js';

/** Files that an export wrote, the page first. */
export type Exported = string[];

/**
 * Writes an executed notebook as a page: `.html`, one self-contained file, or `.md` with its images beside it.
 * Give the `notebook` where it has been read already. Throws a Fault on another ending or an unreadable notebook; a notebook that was not run has no outputs to show.
 */
export const exportNotebook = async (
  path: string,
  out: string,
  options: PageOptions & { notebook?: Notebook } = {},
): Promise<Exported> => {
  const kind = extname(out).toLowerCase();
  if (kind !== '.html' && kind !== '.md') throw new Fault(`--out: ${out}; end its name in .html or .md`);
  const notebook = options.notebook ?? (await readNotebook(path));
  if (kind === '.html') {
    await writeAtomic(out, await htmlPage(notebook, path, options));
    return [out];
  }
  const { pieces, images } = await markdownPage(notebook, path, out, options.code);
  const written = [...images].map(([name, bytes]) => ({ name: join(dirname(out), name), bytes }));
  for (const { name, bytes } of written) await writeAtomic(name, bytes);
  await writeAtomic(out, pieces);
  return [out, ...written.map(({ name }) => name)];
};
