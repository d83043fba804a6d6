import { dirname, extname, join } from 'node:path';
import { Fault } from '../../fault.js';
import { writeAtomic } from '../../files.js';
import { htmlPage, type PageOptions } from './html-page.js';
import { markdownPage } from './markdown-page.js';
import { type Outline, outlineOf } from './outline.js';

/** Files that an export wrote, the page first. */
export type Exported = string[];

/**
 * Writes an executed notebook as a page: `.html`, one self-contained file, or `.md` with its images beside it. No more than
 * a cell with its outputs is in memory. Throws a Fault on another ending or an unreadable notebook; a notebook that was not
 * run has no outputs to show.
 * @param options with the `outline`, where it has been read already
 */
export const exportNotebook = async (
  path: string,
  out: string,
  options: PageOptions & { outline?: Outline } = {},
): Promise<Exported> => {
  const kind = extname(out).toLowerCase();
  if (kind !== '.html' && kind !== '.md') throw new Fault(`--out: ${out}; end its name in .html or .md`);
  // a notebook that cannot be read is found out before anything is written
  const outline = options.outline ?? (await outlineOf(path));
  if (kind === '.html') {
    await writeAtomic(out, htmlPage(path, outline, options));
    return [out];
  }
  const images: string[] = [];
  const write = async (name: string, bytes: Uint8Array): Promise<void> => {
    images.push(join(dirname(out), name));
    await writeAtomic(join(dirname(out), name), bytes);
  };
  await writeAtomic(out, markdownPage(path, out, write, options.code));
  return [out, ...images];
};
